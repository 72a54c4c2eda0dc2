"""What an administrator is told when the disk is nearly full, and that the node lives on."""

import json
import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dcis_node.cli import app
from dcis_node.config import Configuration, load_configuration
from dcis_node.errors import StorageError
from dcis_node.operate import process as process_module
from dcis_node.operate.doctor import examine
from dcis_node.operate.findings import Verdict
from dcis_node.operate.node import prepare
from dcis_node.operate.notify import Notifier
from dcis_node.operate.pulse import Pulse
from dcis_node.operate.status import disk_status
from storage.database import open_database
from storage.heartbeat import beats
from storage.space import space_of
from tests.operate.signs_of_life import shown_alive

MORE_THAN_ANY_DISK = 10**18


def written(folder: Path, reserve: int) -> Path:
    path = folder / "config.toml"
    path.write_text(f"[storage]\nreserve_bytes = {reserve}\n[receive]\nport = 0\n", encoding="utf-8")
    return path


def configured(folder: Path, reserve: int) -> Configuration:
    return load_configuration(written(folder, reserve))


def folder_finding(configuration: Configuration):
    return next(finding for finding in examine(configuration) if finding.check == "folder")


@pytest.mark.parametrize(("reserve", "code"), [(MORE_THAN_ANY_DISK, 1), (0, 0)])
def test_status_says_that_images_are_refused_and_exits_with_1(tmp_path: Path, reserve: int, code: int):
    config = written(tmp_path, reserve)
    configuration = load_configuration(config)
    prepare(configuration)
    db = open_database(configuration.index_url)
    shown_alive(db)
    db.close()
    result = CliRunner().invoke(app, ["status", "--json", "--config", str(config)])
    disk = json.loads(result.stdout)["disk"]
    assert result.exit_code == code
    assert bool(disk["refusing"]) == bool(code)
    assert disk["reserve_bytes"] == reserve
    assert disk["free_bytes"] > 0
    shown = CliRunner().invoke(app, ["status", "--config", str(config)]).stdout
    assert ("IMAGES ARE REFUSED" in shown) == bool(code)


def test_a_disk_that_does_not_answer_refuses(tmp_path: Path):
    assert disk_status(configured(tmp_path, 1))["refusing"] == "disk: No such file or directory"


def test_check_fails_below_the_reserve_and_names_the_setting(tmp_path: Path):
    finding = folder_finding(configured(tmp_path, MORE_THAN_ANY_DISK))
    assert finding.verdict is Verdict.FAIL
    assert "images are refused: disk: " in finding.detail
    assert "storage.reserve_bytes" in finding.detail


def test_check_warns_while_there_is_little_more_than_the_reserve(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("dcis_node.operate.doctor.LOW_DISK_BYTES", 0)
    free = space_of(tmp_path).free_bytes
    assert folder_finding(configured(tmp_path, free * 2 // 3)).verdict is Verdict.WARN
    assert folder_finding(configured(tmp_path, free // 4)).verdict is Verdict.OK


def test_a_sign_of_life_that_cannot_be_written_is_noted_and_the_next_one_is_tried(tmp_path: Path, caplog, monkeypatch):
    configuration = configured(tmp_path, 0)
    prepare(configuration)
    caplog.set_level(logging.WARNING)
    db = open_database(configuration.index_url)
    beater = process_module._Beater(db, "receive-0", Pulse(), Notifier())

    def full(*_: object, **__: object) -> None:
        raise StorageError("the index refused: OperationalError SQLITE_FULL")

    with monkeypatch.context() as patch:
        patch.setattr(process_module, "record_beat", full)
        beater({"a": 1})
    beater({"a": 2})
    with db.read() as session:
        (beat,) = beats(session)
    db.close()
    assert beat.detail == '{"a": 2}'
    assert "event=beat_not_written process=receive-0" in caplog.text
