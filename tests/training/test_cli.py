from typer.testing import CliRunner

from training.cli import app


def test_the_help_says_what_is_made_and_that_it_is_no_clinical_tool():
    result = CliRunner().invoke(app, ["demo-bundle", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0
    assert "synthetic" in result.stdout
    assert "never clinical" in result.stdout
    assert "--seed" in result.stdout


def test_a_work_folder_of_another_run_stops_with_exit_code_1(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    result = CliRunner().invoke(app, ["demo-bundle", "--out", str(tmp_path / "out"), "--work", str(tmp_path)])
    assert result.exit_code == 1
    assert "another seed or plan" in " ".join(result.stderr.split())
