"""Status: which process is alive, which is silent, where the node listens."""

import io
import json

import pytest
from rich.console import Console

from dcis_node.config import AnalyseSettings, Configuration
from dcis_node.operate.status import node_status
from dcis_node.operate.tables import status_view
from storage.database import open_database, upgrade
from storage.heartbeat import beats, forget_beat, record_beat
from storage.registry import Registry, create_registry
from tests.storage.bundles import published


@pytest.fixture
def db(tmp_path):
    url = f"sqlite:///{tmp_path / 'index.sqlite'}"
    upgrade(url)
    database = open_database(url)
    yield database
    database.close()


def beat(db, process, at, detail=""):
    with db.write() as session:
        record_beat(session, process, pid=7, started_at=1.0, now=at, detail=detail)


def states(db, now):
    status = node_status(Configuration(), db, now=now)
    return {process["process"]: process["state"] for process in status["processes"]}


def test_a_process_that_has_not_spoken_for_long_is_silent(db):
    beat(db, "clock-0", 100.0)
    assert states(db, 110.0) == {"clock-0": "alive"}
    assert states(db, 120.0) == {"clock-0": "silent"}


def test_an_analysis_may_take_longer_before_it_counts_as_silent(db):
    beat(db, "analyse-0", 100.0)
    assert states(db, 200.0) == {"analyse-0": "alive"}
    assert states(db, 300.0) == {"analyse-0": "silent"}


def test_the_status_says_where_the_node_listens(db):
    assert node_status(Configuration(), db)["listening"] == ""
    beat(db, "supervisor", 100.0, '{"listening": "127.0.0.1:104"}')
    assert node_status(Configuration(), db, now=101.0)["listening"] == "127.0.0.1:104"


def test_a_later_beat_replaces_the_earlier_and_a_leaver_is_forgotten(db):
    beat(db, "clock-0", 100.0)
    beat(db, "clock-0", 105.0)
    with db.read() as session:
        assert [b.beat_at for b in beats(session)] == [105.0]
    with db.write() as session:
        forget_beat(session, "clock-0")
        forget_beat(session, "never-there")
    with db.read() as session:
        assert beats(session) == ()


def test_the_status_says_which_model_judges_and_why_it_is_not_the_promoted_one(db, tmp_path):
    sha256 = published(create_registry(tmp_path / "registry", gates=b"", now=1.0), tmp_path, "one")
    Registry(tmp_path / "registry").activate(sha256, comparison="", expected="", now=1.0)
    configuration = Configuration(base=tmp_path, analyse=AnalyseSettings(bundle="registry"))
    state = {"name": "dcis-demo", "version": "1", "sha256": "b" * 64, "synthetic": True, "refused": "it was altered"}
    beat(db, "analyse-0", 100.0, json.dumps(state))
    bundle = node_status(configuration, db, now=101.0)["bundle"]
    assert (bundle["source"], bundle["active"], bundle["refused"]) == ("registry", sha256, "it was altered")
    assert bundle["since"] == "1970-01-01T00:00:01+00:00"
    assert [used["sha256"] for used in bundle["in_use"]] == ["b" * 64]
    shown = drawn(node_status(configuration, db, now=101.0))
    assert f"active in the registry: {sha256}" in shown
    assert f"model (registry): dcis-demo 1 sha256 {'b' * 64} SYNTHETIC" in shown
    assert "REFUSED: it was altered" in shown


def test_a_registry_that_cannot_be_relied_on_is_said_also_while_nothing_runs(db, tmp_path):
    create_registry(tmp_path / "registry", gates=b"", now=1.0)
    (tmp_path / "registry" / "active.json").write_text("{}")
    configuration = Configuration(base=tmp_path, analyse=AnalyseSettings(bundle="registry"))
    assert "active.json" in node_status(configuration, db)["bundle"]["refused"]


def test_without_a_registry_the_status_names_the_configured_bundle_only(db):
    status = node_status(Configuration(), db)
    assert status["bundle"] == {"source": "demo", "active": "", "since": "", "in_use": [], "refused": ""}
    assert "model (demo): -" in drawn(status)


def drawn(status):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(status_view(status))
    return console.export_text()
