"""What is kept of each job: lateness and length by the clock that never steps."""

import pytest

from dcis_node.operate.job_table import JobTable


class Clock:
    def __init__(self):
        self.monotonic, self.wall = 100.0, 1_795_000_000.0

    def table(self):
        made = JobTable(wall=lambda: self.wall, monotonic=lambda: self.monotonic)
        made.expect("sweep", in_seconds=10, patience_seconds=5, most_seconds=60)
        return made

    def passes(self, seconds):
        self.monotonic += seconds
        self.wall += seconds


@pytest.fixture
def clock():
    return Clock()


def test_a_job_that_did_not_run_yet_is_well_until_its_moment_is_past(clock):
    table = clock.table()
    job = table.snapshot()["sweep"]
    assert (job["ok"], job["started_at"], job["next_at"]) == (True, None, clock.wall + 10)
    clock.passes(14)
    assert table.snapshot()["sweep"]["ok"]
    clock.passes(2)
    job = table.snapshot()["sweep"]
    assert (job["ok"], job["late"]) == (False, True)


def test_a_late_start_is_counted_and_over_when_it_has_run(clock):
    table = clock.table()
    clock.passes(20)
    table.run("sweep", lambda: clock.passes(3))
    table.expect("sweep", in_seconds=7, patience_seconds=5, most_seconds=60)
    job = table.snapshot()["sweep"]
    assert (job["ok"], job["seconds"], job["faults"]) == (True, 3.0, {"late": 1})
    assert job["ended_at"] - job["started_at"] == 3.0


@pytest.mark.parametrize("step", [3600.0, -86400.0])
def test_a_step_of_the_wall_clock_makes_nothing_late(clock, step):
    table = clock.table()
    clock.passes(10)
    clock.wall += step
    table.run("sweep", lambda: None)
    assert table.snapshot()["sweep"]["faults"] == {}


def test_a_fault_is_kept_until_the_next_run_and_counted_for_good(clock):
    table = clock.table()

    def fail():
        raise OSError

    table.run("sweep", fail)
    assert (table.snapshot()["sweep"]["ok"], table.snapshot()["sweep"]["error"]) == (False, "OSError")
    table.run("sweep", lambda: None)
    job = table.snapshot()["sweep"]
    assert (job["ok"], job["error"], job["faults"]) == (True, "", {"error": 1})


def test_a_run_that_does_not_end_hangs(clock):
    table, seen = clock.table(), []

    def work():
        seen.append(table.snapshot()["sweep"])
        clock.passes(61)
        seen.append(table.snapshot()["sweep"])

    table.run("sweep", work)
    assert [(job["running"], job["hangs"], job["ok"]) for job in seen] == [(True, False, True), (True, True, False)]


def test_what_the_alarm_clock_tells_is_counted(clock):
    table = clock.table()
    table.note("sweep", "overrun")
    assert table.snapshot()["sweep"]["faults"] == {"overrun": 1}


def test_the_time_that_is_left_is_never_below_nothing(clock):
    table = clock.table()
    clock.passes(4)
    assert table.left("sweep") == 6
    clock.passes(40)
    assert table.left("sweep") == 0


def test_a_fault_that_each_run_meets_is_logged_once_a_minute_and_counted_each_time(clock, caplog):
    table = clock.table()

    def fail():
        raise OSError

    for _ in range(130):
        clock.passes(1)
        table.run("sweep", fail)
        table.note("sweep", "overrun")
    faults = table.snapshot()["sweep"]["faults"]
    assert (faults["error"], faults["overrun"]) == (130, 130)
    assert caplog.text.count("fault=error error=OSError") == 3
    assert caplog.text.count("fault=overrun") == 3
    table.run("sweep", lambda: 1 / 0)
    assert caplog.text.count("error=ZeroDivisionError") == 1, "another error is news"
