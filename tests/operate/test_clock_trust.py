"""Whether the node believes its wall clock, over steps, restarts and a boot with a wrong one."""

import pytest

from dcis_node.errors import StorageError
from dcis_node.operate.clock_trust import Trust
from storage.clock_doubt import DOUBT_SECONDS
from storage.maintenance import WorkDone, record_work
from tests.operate.retained import DAY, retained_node


@pytest.fixture
def db(tmp_path):
    with retained_node(tmp_path) as node:
        yield node.db


class Time:
    """A wall clock that can be set, and a monotonic one that cannot."""

    def __init__(self) -> None:
        self.wall_now, self.monotonic_now = 1_790_000_000.0, 50.0

    def wall(self) -> float:
        return self.wall_now

    def monotonic(self) -> float:
        return self.monotonic_now

    def run(self, seconds: float) -> None:
        self.wall_now += seconds
        self.monotonic_now += seconds

    def set_by(self, seconds: float) -> None:
        self.wall_now += seconds


@pytest.fixture
def clocks():
    return Time()


def trust_of(db, clocks) -> Trust:
    """Start a clock process: monotonic time may be another machine start's."""
    return Trust(db, wall=clocks.wall, monotonic=clocks.monotonic)


def test_a_clock_that_runs_is_believed(db, clocks):
    trust = trust_of(db, clocks)
    for _ in range(3):
        clocks.run(60.0)
        assert trust.look()
    assert trust.why_not == ""


def test_a_step_ahead_is_seen_by_whoever_looks_and_doubted_for_a_day(db, clocks, caplog):
    trust = trust_of(db, clocks)
    clocks.set_by(40 * DAY)
    assert not trust.look()
    assert "40.0 days: nothing is removed for 24 h" in trust.why_not
    assert "event=clock_doubted ahead_seconds=3456000" in caplog.text
    clocks.run(DOUBT_SECONDS - 1.0)
    assert not trust.look()
    clocks.run(1.0)
    assert trust.look()
    assert "event=clock_believed" in caplog.text


def test_a_doubt_outlives_the_process_and_a_day_of_running_is_counted_over_all_of_them(db, clocks):
    trust = trust_of(db, clocks)
    clocks.set_by(40 * DAY)
    for _ in range(24):
        assert not trust.look()
        clocks.run(3600.0)
        trust.look()
        trust = trust_of(db, clocks)
    assert trust.look()


def test_a_step_while_no_clock_process_lived_is_seen_by_the_next(db, clocks):
    trust_of(db, clocks).look()
    clocks.set_by(40 * DAY)
    assert not trust_of(db, clocks).look()


def test_a_boot_with_a_clock_that_is_ahead_is_seen_where_nobody_has_kept_the_time_before(db, clocks):
    with db.write() as session:
        record_work(session, WorkDone("volumes", 1.0, clocks.wall_now - 3600.0, ok=True, detail={}))
    clocks.set_by(40 * DAY)
    clocks.monotonic_now = 1.0
    assert not trust_of(db, clocks).look()


def test_a_node_that_was_off_for_weeks_removes_again_after_a_day(db, clocks):
    trust_of(db, clocks).look()
    clocks.set_by(21 * DAY)
    trust = trust_of(db, clocks)
    assert not trust.look()
    clocks.run(DOUBT_SECONDS)
    assert trust.look()


def test_a_fresh_node_and_one_that_was_off_over_a_weekend_believe_their_clock(db, clocks):
    assert trust_of(db, clocks).look()
    clocks.set_by(2.5 * DAY)
    assert trust_of(db, clocks).look()


def test_a_clock_that_is_set_back_by_less_than_it_was_ahead_is_not_believed(db, clocks):
    trust = trust_of(db, clocks)
    clocks.set_by(40 * DAY)
    trust.look()
    clocks.set_by(-2 * 3600.0)
    assert not trust.look()
    clocks.set_by(-40 * DAY + 2 * 3600.0)
    assert trust.look()


def test_an_index_that_cannot_be_written_forgets_nothing_in_this_process(db, clocks, monkeypatch, caplog):
    trust = trust_of(db, clocks)

    def full():
        raise StorageError("the index is full")

    with monkeypatch.context() as patched:
        patched.setattr(db, "write", full)
        clocks.set_by(40 * DAY)
        assert not trust.look()
        assert "event=clock_doubt_not_kept" in caplog.text
        # One that starts now sees it by the time that was kept before.
        assert not trust_of(db, clocks).look()
    assert not trust.look()
    assert not trust_of(db, clocks).look()
