"""A role whose index is away for a while waits and begins again; whatever else ends it, ends it."""

import itertools
import threading
from dataclasses import dataclass, field

import pytest

from dcis_node.errors import StorageError, UnusableIndexError
from dcis_node.operate import index_waits
from dcis_node.operate.index_waits import with_its_index
from dcis_node.operate.restarts import INDEX_MOST_SECONDS


@dataclass
class Waiting:
    """What a wait sees of the process; time passes as it waits."""

    name: str = "deliver-0"
    beats: int = 0
    now: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)

    def beat(self):
        self.beats += 1


@pytest.fixture
def process(monkeypatch):
    made = Waiting()

    def wait(seconds):
        made.now += seconds
        return made.stop.is_set()

    monkeypatch.setattr(made.stop, "wait", wait)
    monkeypatch.setattr(index_waits.time, "monotonic", lambda: made.now)
    return made


def away():
    raise UnusableIndexError("the server of the index does not answer")


def test_it_is_begun_again_until_the_index_is_back_and_the_supervisor_hears_of_it_all_the_while(process, caplog):
    tries = []

    def work(beat):
        tries.append(process.now)
        if len(tries) < 20:
            away()
        beat()

    with_its_index(process, work)
    waits = [after - before for before, after in itertools.pairwise(tries)]
    assert waits == sorted(waits)
    assert waits[0] <= 0.25
    assert waits[-1] == INDEX_MOST_SECONDS
    assert process.beats >= sum(waits) / 0.25 - len(waits)
    told = [record.getMessage() for record in caplog.records]
    assert told[0].startswith("event=index_unusable process=deliver-0 seconds=0 error=UnusableIndexError")
    assert told[-1].endswith("text='it is over'")
    assert len(told) <= 2 + sum(waits) / 60


def test_an_index_that_was_back_is_tried_soon_again(process):
    tries = []

    def work(beat):
        tries.append(process.now)
        if len(tries) == 10:
            beat()
        if len(tries) < 12:
            away()

    with_its_index(process, work)
    assert tries[9] - tries[8] > 10.0
    assert tries[10] - tries[9] <= 0.25


def test_told_to_stop_it_does_not_begin_again(process):
    tries = []

    def work(beat):
        tries.append(1)
        process.stop.set()
        away()

    with_its_index(process, work)
    assert tries == [1]


@pytest.mark.parametrize("error", [StorageError("it refused a value"), ValueError("a defect")])
def test_what_is_no_fault_of_the_index_ends_it(process, error):
    def work(beat):
        raise error

    with pytest.raises(type(error)):
        with_its_index(process, work)
