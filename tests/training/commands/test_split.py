from pathlib import Path

import pytest
from typer.testing import CliRunner

from dcis_node.canonical import digest
from training.cli import app
from training.cohort import CohortView, read_cohort, write_cohort
from training.splits import read_splits


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    views = [
        CohortView(
            f"p{number:02d}", "L", view, grade=1 + number % 3, upstaged=number % 7 == 0,
            image=f"image-{number}-{view}", pixels_sha256=digest([number, view]),
        )
        for number in range(40)
        for view in ("CC", "MLO")
    ]  # fmt: skip
    return write_cohort(tmp_path / "cohort", images=tmp_path, synthetic=True, views=views).folder


def run(*arguments: object):
    return CliRunner().invoke(app, ["split", *map(str, arguments)], env={"COLUMNS": "160"})


def test_the_splits_are_written_and_shown_by_grade_and_side(cohort, tmp_path):
    done = run("--cohort", cohort, "--out", tmp_path / "splits.json", "--seed", 3, "--calibration-share", 0.15)
    assert done.exit_code == 0, done.output
    splits = read_splits(tmp_path / "splits.json", read_cohort(cohort))
    assert (splits.seed, len(splits.test), len(splits.calibration), len(splits.folds)) == (3, 8, 5, 5)
    assert splits.sha256 in done.stdout
    for word in ("SYNTHETIC", "RESEARCH USE ONLY", "III", "fold 5 validation", "calibration"):
        assert word in done.stderr


def test_disjoint_folds_can_be_asked_for(cohort, tmp_path):
    assert run("--cohort", cohort, "--out", tmp_path / "s.json", "--kfold", "--folds", 4).exit_code == 0
    splits = read_splits(tmp_path / "s.json", read_cohort(cohort))
    assert (splits.kind, len(splits.folds)) == ("kfold", 4)


def test_a_second_draw_into_the_same_file_is_refused(cohort, tmp_path):
    assert run("--cohort", cohort, "--out", tmp_path / "splits.json").exit_code == 0
    again = run("--cohort", cohort, "--out", tmp_path / "splits.json", "--seed", 2)
    assert again.exit_code == 1
    assert "exists already" in again.stderr


def test_a_folder_without_a_cohort_is_refused(tmp_path):
    refused = run("--cohort", tmp_path, "--out", tmp_path / "splits.json")
    assert refused.exit_code == 1
    assert "no readable cohort" in refused.stderr
