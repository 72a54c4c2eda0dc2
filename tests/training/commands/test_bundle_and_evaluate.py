import json

import pytest
from typer.testing import CliRunner

from tests.training.judged import done_run, small_cohort, small_splits
from training.cli import app


@pytest.fixture
def typed(tmp_path):
    cohort = small_cohort(tmp_path / "cohort", each=4)
    splits = small_splits(tmp_path / "splits.json", cohort)
    done_run(tmp_path / "run", cohort, splits)

    def run(verb, *words):
        of = ["--cohort", str(tmp_path / "cohort"), "--splits", str(tmp_path / "splits.json")]
        return CliRunner().invoke(app, [verb, *of, "--device", "cpu", "--processes", "0", *map(str, words)])

    return run


def test_a_run_is_bundled_and_judged_as_a_researcher_types_it(tmp_path, typed):
    made = typed("bundle", "--run", tmp_path / "run", "--out", tmp_path / "candidate", "--name", "tiny-synthetic",
                 "--version", "1", "--sweep-patients", 2)  # fmt: skip
    assert made.exit_code == 0, made.output
    assert "SYNTHETIC" in made.stdout
    assert "RESEARCH USE ONLY" in made.stderr
    judged = typed("evaluate", "--bundle", tmp_path / "candidate", "--out", tmp_path / "evaluation", "--given-only",
                   "--json")  # fmt: skip
    assert judged.exit_code == 0, judged.output
    figures = json.loads(judged.stdout)
    written = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text(encoding="ascii"))
    assert figures == written["figures"]
    assert "SYNTHETIC" in judged.stderr
    again = typed("evaluate", "--bundle", tmp_path / "candidate", "--out", tmp_path / "evaluation")
    assert again.exit_code == 1
    assert "refused:" in again.stderr


def test_a_name_that_hides_the_phantoms_is_refused_in_one_line(tmp_path, typed):
    made = typed("bundle", "--run", tmp_path / "run", "--out", tmp_path / "candidate", "--name", "clinic",
                 "--version", "1")  # fmt: skip
    assert made.exit_code == 1
    assert "must say so" in made.stderr
    assert not (tmp_path / "candidate").exists()
