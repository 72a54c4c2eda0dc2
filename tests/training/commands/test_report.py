"""`dcis-train report`, from a folder to a page."""

import pytest
from typer.testing import CliRunner

from tests.training.report.making import load, make_all
from training.cli import app
from training.report import writing


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report-verb")
    return folder, make_all(folder)


def command(folder, made, *more):
    parts = {"evaluation": folder, "run": made.run.folder, "cohort": made.cohort.folder, "bundle": folder / "bundle"}
    options = [text for name, path in parts.items() for text in (f"--{name}", str(path))]
    return CliRunner().invoke(app, ["report", *options, *more], catch_exceptions=False)


def test_the_verb_writes_page_and_card_and_says_that_they_are_synthetic(made, tmp_path, monkeypatch):
    folder, parts = made
    monkeypatch.setattr(writing, "load_view", load)
    out, card = tmp_path / "new" / "report.html", tmp_path / "new" / "model-card.md"
    told = command(folder, parts, "--out", str(out), "--card", str(card), "--cases", "2")
    assert told.exit_code == 0, told.output
    assert "RESEARCH USE ONLY" in told.stdout
    assert "SYNTHETIC" in told.stdout
    assert out.read_text(encoding="ascii").count("<figure>") == 10
    assert parts.bundle.sha256 in card.read_text(encoding="ascii")
    assert sorted(path.name for path in out.parent.iterdir()) == ["model-card.md", "report.html"]


def test_an_evaluation_that_was_edited_is_refused_in_one_line_and_nothing_is_written(made, tmp_path):
    folder, parts = made
    edited = tmp_path / "evaluation.json"
    text = (folder / "evaluation.json").read_text(encoding="ascii")
    edited.write_text(text.replace('"threshold": 0.35', '"threshold": 0.45', 1), encoding="ascii")
    told = command(
        folder, parts, "--evaluation", str(edited), "--out", str(tmp_path / "a"), "--card", str(tmp_path / "b")
    )
    assert told.exit_code == 1
    assert "was edited" in told.stderr.replace("\n", " ")
    assert not (tmp_path / "a").exists()


def test_a_device_that_is_not_there_is_refused(made, tmp_path):
    folder, parts = made
    more = ("--out", str(tmp_path / "a"), "--card", str(tmp_path / "b"), "--device", "abacus")
    told = command(folder, parts, *more)
    assert told.exit_code == 1
    assert "abacus" in told.stderr
