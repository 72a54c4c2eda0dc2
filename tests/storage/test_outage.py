"""An index that cannot be used for a night does not fill the disk with lines."""

import logging

import pytest

from dcis_node.errors import StorageError
from storage.outage import AGAIN_SECONDS, Outage

log = logging.getLogger("tests.outage")
AWAY = StorageError("the server of the index does not answer")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def lines(caplog):
    return [record.getMessage() for record in caplog.records]


def test_it_is_told_when_it_begins_once_a_minute_and_when_it_is_over(caplog, clock):
    outage = Outage(log, "index_unusable", "process=deliver-0", clock=clock)
    for _ in range(int(4 * 2.5 * AGAIN_SECONDS)):
        outage.failed(AWAY)
        clock.now += 0.25
    outage.over()
    outage.over()
    assert lines(caplog) == [
        *(
            f"event=index_unusable process=deliver-0 seconds={seconds} error=StorageError "
            "text='the server of the index does not answer'"
            for seconds in (0, 60, 120)
        ),
        "event=index_unusable process=deliver-0 seconds=150 text='it is over'",
    ]


def test_where_nothing_failed_nothing_is_over(caplog):
    Outage(log, "index_unusable").over()
    assert lines(caplog) == []


def test_the_next_one_is_told_at_once(caplog, clock):
    outage = Outage(log, "beat_not_written", clock=clock)
    for _ in range(2):
        outage.failed(AWAY)
        clock.now += 1.0
        outage.over()
    assert [line.split()[1] for line in lines(caplog)] == ["seconds=0", "seconds=1"] * 2
