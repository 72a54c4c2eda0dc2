"""Status: which process is alive, which is silent, where the node listens."""

import pytest

from dcis_node.config import Configuration
from dcis_node.operate.status import node_status
from storage.database import open_database, upgrade
from storage.heartbeat import beats, forget_beat, record_beat


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
