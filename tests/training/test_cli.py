import pytest
from typer.testing import CliRunner

from training.cli import app

VERBS = (
    "phantoms", "import", "split", "fit", "bundle", "evaluate", "report",
    "publish", "list", "show", "compare", "promote", "rollback",
)  # fmt: skip


def test_the_verbs_stand_in_the_order_in_which_they_are_needed():
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200", "TERM": "dumb"}).stdout
    places = [shown.index(f" {verb} ") for verb in VERBS]
    assert places == sorted(places)
    assert "RESEARCH USE ONLY" in shown


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_what_it_does_and_that_it_is_for_research(verb):
    result = CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0
    assert "RESEARCH USE ONLY" in " ".join(result.stdout.split())
