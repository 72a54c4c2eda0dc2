from typer.testing import CliRunner

from training.cli import app
from training.cohort import read_cohort


def run(*arguments: object):
    return CliRunner().invoke(app, ["phantoms", *map(str, arguments)])


def test_a_hospital_is_made_on_disk(tmp_path):
    done = run("--out", tmp_path / "h", "--patients", 1, "--odd", 0, "--size", "256x256", "--processes", 1)
    assert done.exit_code == 0, done.output
    assert "SYNTHETIC hospital of 1 patients (0 odd), 4 images, 2 annotations" in done.stdout
    assert "RESEARCH USE ONLY" in done.stderr
    assert sorted(path.name for path in (tmp_path / "h").iterdir()) == [
        "README.txt", "annotations", "clinical.csv", "images", "truth.csv"
    ]  # fmt: skip


def test_a_cohort_on_demand_is_written_directly(tmp_path):
    done = run(
        "--out", tmp_path / "c", "--patients", 3, "--seed", 4, "--first", 5_000_000, "--on-demand", "--vendors", "ge=1"
    )
    assert done.exit_code == 0, done.output
    cohort = read_cohort(tmp_path / "c")
    assert cohort.sha256 in done.stdout
    assert {row.vendor for row in cohort.views} == {"ge"}
    assert cohort.views[0].file.startswith("phantom:45000000/")


def test_what_cannot_be_is_refused(tmp_path):
    for wrong in (["--vendors", "kodak=1"], ["--size", "big"], ["--on-demand", "--odd", "3"], ["--odd", "61"]):
        refused = run("--out", tmp_path / "h", *wrong)
        assert refused.exit_code == 1, wrong
        assert "refused" in refused.stderr
    assert not (tmp_path / "h").exists()
