from pathlib import Path

import pytest
from typer.testing import CliRunner

from training.claim import FitRequest
from training.cli import app
from training.engine import FitProgress


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[FitRequest]:
    """What the verb asks for; nothing is fitted."""
    requests = []

    class Made:
        numbers = (1,)
        synthetic = True

        def done(self, number: int):
            return {"dice": 0.8, "patient_auc": 0.7, "validation_patients": 4, "training_patients": 9}

        def fold_folder(self, number: int) -> Path:
            return tmp_path / f"fold-{number}"

    def fit_request(request: FitRequest, *, report=None, cut=None) -> Made:
        requests.append(request)
        if report is not None:
            cut(3, 9)
            report(FitProgress(1, "joint", 5, 10, 2, 4, 0.25, dice=0.8, auc=0.7))
        return Made()

    monkeypatch.setattr("training.fitting.fit_request", fit_request)
    return requests


def run(*arguments: str):
    return CliRunner().invoke(app, ["fit", "--cohort", "c", "--run", "r", *arguments])


def test_the_defaults_are_the_papers(asked: list[FitRequest]):
    result = run("--splits", "s.json")
    assert result.exit_code == 0, result.output
    (request,) = asked
    assert (request.recipe.name, request.scenario, request.folds, request.batch) == ("paper", "upstage", (), None)
    assert "fold-1: Dice 0.8, AUC over 4 patients 0.7" in result.stderr
    assert "SYNTHETIC. RESEARCH USE ONLY" in result.stderr
    assert "loss 0.250 Dice 0.800 AUC 0.700" in result.stderr.replace("\n", " ")


def test_every_option_arrives(asked: list[FitRequest]):
    options = (
        "--fold 1 --fold 3 --seed 4 --batch auto --micro-batch 2 --processes 2 --threads 3 --device cpu --no-compile"
    )
    result = run("--splits", "s.json", "--recipe", "demo", "--scenario", "grade", *options.split(), "--quiet")
    assert result.exit_code == 0, result.output
    (request,) = asked
    assert (request.folds, request.seed, request.batch, request.micro) == ((1, 3), 4, 0, 2)
    assert (request.processes, request.threads, request.device, request.compiled) == (2, 3, "cpu", False)
    assert result.output == ""


def test_a_pretraining_names_its_start_and_its_extra_cohort(asked: list[FitRequest]):
    run("--pretrain", "--recipe", "demo", "--batch", "8")
    run("--splits", "s.json", "--from-pretrained", "pre", "--extra", "more")
    assert (asked[0].pretrain, asked[0].splits, asked[0].batch) == (True, None, 8)
    assert (asked[1].from_pretrained, asked[1].extra) == (Path("pre"), Path("more"))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--recipe", "papre"], "there is no recipe"),
        (["--batch", "many"], "--batch takes a number"),
        (["--batch", "0"], "--batch takes a number"),
    ],
)
def test_a_refusal_is_one_line_and_exit_code_1(options: list[str], named: str):
    result = run(*options)
    assert result.exit_code == 1
    assert result.stderr.startswith("refused:")
    assert named in result.stderr


def test_a_missing_cohort_is_refused(tmp_path: Path):
    result = CliRunner().invoke(
        app, ["fit", "--cohort", str(tmp_path), "--run", str(tmp_path / "r"), "--recipe", "demo"]
    )
    assert result.exit_code == 1
    assert "no readable cohort" in result.stderr
