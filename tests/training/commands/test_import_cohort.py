import re

import pytest
from typer.testing import CliRunner

from tests.training.importing.conftest import Hospital, exam, files, hospital  # noqa: F401 - fixtures
from training.cli import app
from training.cohort import read_cohort


@pytest.fixture
def run(hospital: Hospital):  # noqa: F811
    def call(*more: str, clinical: bool = True):
        folder = hospital.folder
        given = ["--images", folder / "images", "--annotations", folder / "annotations", "--out", folder / "cohort"]
        given += ["--clinical", hospital.write_table()] if clinical else []
        return CliRunner().invoke(app, ["import", *map(str, given), *more])

    return call


def test_an_import_prints_flow_and_table_and_the_cohorts_hash(hospital, run):  # noqa: F811
    hospital.patient("1111111")

    done = run()

    cohort = read_cohort(hospital.folder / "cohort")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"cohort {cohort.sha256} (SYNTHETIC)\n"
    assert re.search(r"in the cohort\s+.\s+1\s+.\s+4", done.stderr)
    assert re.search(r"Grade \(surgery\)\s+.\s+I\s+.\s+0 \(0\.0 %\)\s+.\s+139 \(30\.0 %\)", done.stderr)
    assert "RESEARCH USE ONLY" in done.stderr
    assert "4 file paths hold a Patient ID" in done.stderr


def test_a_refusal_is_one_line_and_exit_code_1(hospital, run):  # noqa: F811
    hospital.patient("1111111", gade_surgery="I")

    done = run()

    assert done.exit_code == 1
    assert "refused: clinical.csv: unknown column 'gade_surgery'; the nearest known column is" in " ".join(
        done.stderr.split()
    )
    assert "Traceback" not in done.stderr


def test_a_column_can_be_passed_over(hospital, run):  # noqa: F811
    hospital.patient("1111111", surgeon="Jansen")

    assert run("--ignore-column", "surgeon").exit_code == 0


def test_healthy_breasts_can_be_left_out(hospital, run):  # noqa: F811
    hospital.patient("1111111")

    assert run("--no-assume-healthy").exit_code == 0
    assert {view.laterality for view in read_cohort(hospital.folder / "cohort").views} == {"R"}


@pytest.mark.parametrize("dataset", ["hospital", "cbis-ddsm", "inbreast"])
def test_what_an_import_needs_is_told(hospital, run, dataset):  # noqa: F811
    done = run("--dataset", dataset, clinical=False)

    assert done.exit_code == 1
    assert "this import needs --clinical" in done.stderr


def test_omidb_needs_its_folder(hospital, run, tmp_path):  # noqa: F811
    assert "this import needs --omidb" in run("--dataset", "omidb").stderr
    assert "no nbss_*.json" in run("--omidb", str(tmp_path)).stderr
