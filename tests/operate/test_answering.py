"""An administrator sees that exams wait too long for their answer, and by which model they are judged."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dcis_node.cli import app
from dcis_node.config import Configuration, load_configuration
from dcis_node.operate.answering import LONG_SECONDS
from dcis_node.operate.metrics import metrics_text
from dcis_node.operate.status import node_status
from storage.database import Database, open_database, upgrade
from storage.heartbeat import record_beat
from tests.operate.signs_of_life import shown_alive
from tests.operate.test_status import drawn
from tests.storage.exam_rows import receive, set_exam

MODEL = {"name": "m", "version": "1", "sha256": "b" * 64, "synthetic": True, "refused": ""}


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    (tmp_path / "config.toml").write_text("[exam]\ndeadline_seconds = 1800.0\n[storage]\nreserve_bytes = 0\n")
    return load_configuration(tmp_path / "config.toml")


@pytest.fixture
def db(configuration: Configuration) -> Iterator[Database]:
    upgrade(configuration.index_url)
    database = open_database(configuration.index_url)
    shown_alive(database)
    yield database
    database.close()


@pytest.mark.parametrize("state", ["open", "due"])
@pytest.mark.parametrize(("seconds", "late"), [(-60.0, 0), (60.0, 1)])
def test_an_exam_that_waits_too_long_is_told(
    db: Database, configuration: Configuration, tmp_path: Path, state: str, seconds: float, late: int
) -> None:
    since = time.time() - LONG_SECONDS - 1800.0 - seconds
    receive(db, 1, now=since)
    set_exam(db, state=state)
    status = node_status(configuration, db)
    assert status["waiting"] == {"exams": 1, "since": since, "late": late}
    assert ("1 exams have waited too long" in drawn(status)) is bool(late)
    assert CliRunner().invoke(app, ["status", "--config", str(tmp_path / "config.toml")]).exit_code == late


@pytest.mark.parametrize("state", ["reported", "failed", "idle", "prior"])
def test_an_exam_that_waits_for_nothing_is_not_late(db: Database, configuration: Configuration, state: str) -> None:
    receive(db, 1, now=1.0)
    set_exam(db, state=state)
    assert node_status(configuration, db)["waiting"] == {"exams": 0, "since": None, "late": 0}
    assert "dcis_node_exam_oldest_waiting_seconds 0.0" in metrics_text(configuration, db)


def test_the_age_of_the_oldest_and_the_model_are_figures(db: Database, configuration: Configuration) -> None:
    receive(db, 1, now=time.time() - 500)
    with db.write() as session:
        record_beat(session, "analyse-0", pid=1, started_at=1.0, now=time.time(), detail=json.dumps(MODEL))
    text = metrics_text(configuration, db)
    age = next(line for line in text.splitlines() if line.startswith("dcis_node_exam_oldest_waiting_seconds "))
    assert 500 <= float(age.split()[1]) < 560
    labels = f'name="m",sha256="{"b" * 64}",synthetic="true",version="1"'
    assert f"dcis_node_bundle_in_use{{{labels}}} 1.0" in text
    assert "dcis_node_bundle_refused 0.0" in text
    assert "dcis_node_exams_to_look_at 0.0" in text
