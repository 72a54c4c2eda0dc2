"""The clock rings its jobs again and again, whatever they do and however the wall clock steps, and counts faults."""

import re
import threading
import time
from datetime import datetime, timedelta
from functools import partial

import pytest
from apscheduler.schedulers.background import BackgroundScheduler

from dcis_node.operate.clock import DailyJob, Job, Part, Watch, run_clock

HOUR, DAY = 3600.0, 86400.0


class Bench:
    """Runs a clock in a thread until the test says so, and keeps what it tells of its jobs."""

    def __init__(self, *jobs, **watch):
        self.stop = threading.Event()
        self.told = {}
        watch = Watch(**{"every_seconds": 0.02, **watch})
        self._thread = threading.Thread(target=run_clock, args=(jobs,), kwargs={
            "stop": self.stop, "beat": self.told.update, "watch": watch,
        })  # fmt: skip

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self._thread.join(30)


class WallClock:
    """The wall clock of APScheduler and ours, which steps when the test says so."""

    def __init__(self, monkeypatch):
        clock = self
        self.ahead = 0.0

        class Stepping(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) + timedelta(seconds=clock.ahead)

        monkeypatch.setattr("apscheduler.schedulers.base.datetime", Stepping)

    def time(self):
        return time.time() + self.ahead


@pytest.fixture
def wall(monkeypatch):
    return WallClock(monkeypatch)


def taken(semaphore, times):
    """Tell whether a job was rung so often; waits as long as a very busy machine may need."""
    return all(semaphore.acquire(timeout=60) for _ in range(times))


def test_a_job_is_rung_again_although_it_failed_and_its_fault_is_shown():
    rung = threading.Semaphore(0)

    def work():
        rung.release()
        raise ValueError

    told = {}
    stop = threading.Event()

    def beat(detail):
        told.update(detail)
        if detail["jobs"]["sweep"]["faults"].get("error", 0) >= 2:
            stop.set()

    run_clock((Job("sweep", 0.05, work),), stop=stop, beat=beat)
    assert taken(rung, 2)
    job = told["jobs"]["sweep"]
    assert (job["ok"], job["error"]) == (False, "ValueError")


def test_the_sign_of_life_is_rung_by_the_alarm_clock_itself():
    beats = threading.Semaphore(0)
    stop = threading.Event()

    def beat(detail):
        assert list(detail["jobs"]) == ["heartbeat"]
        beats.release()
        if detail["jobs"]["heartbeat"]["started_at"] is not None:
            stop.set()

    run_clock((), stop=stop, beat=beat)
    assert taken(beats, 2)


def test_a_clock_whose_scheduler_died_ends_with_an_error(monkeypatch):
    monkeypatch.setattr("dcis_node.operate.clock.BackgroundScheduler._main_loop", lambda self: None)
    with pytest.raises(RuntimeError, match="died"):
        run_clock((Job("sweep", 60, lambda: None),), stop=threading.Event(), beat=lambda _: None)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", [HOUR, -HOUR, DAY, -DAY, 50 * 365 * DAY], ids=lambda step: f"{step / HOUR:+.0f} h")
def test_a_step_of_the_wall_clock_stops_no_job_and_floods_none(wall, step, caplog):
    """Ahead by years is a machine without a battery that meets its time server."""
    rung, followed = threading.Semaphore(0), []
    follow = partial(followed.append, step)
    with Bench(Job("sweep", 0.05, rung.release), wall=wall.time, on_step=follow) as bench:
        assert taken(rung, 2)
        wall.ahead = step
        began = time.monotonic()
        assert taken(rung, 5)
    assert followed == [step]
    (seconds,) = re.findall(r"event=clock_stepped seconds=(\S+)", caplog.text)
    assert round(float(seconds) / 60) == round(step / 60)
    assert time.monotonic() - began < 60
    assert bench.told["jobs"]["sweep"]["faults"].get("late", 0) == 0


@pytest.mark.timeout(120)
def test_what_follows_a_step_may_fail_and_the_clock_goes_on(wall):
    rung = threading.Semaphore(0)

    def fail():
        raise OSError

    with Bench(Job("sweep", 0.05, rung.release), wall=wall.time, on_step=fail):
        wall.ahead = -HOUR
        assert taken(rung, 5)


@pytest.mark.timeout(120)
def test_a_step_that_could_not_be_followed_is_told_again(wall):
    """Else what waits for a moment of the old time would wait for it."""
    told, done = [], threading.Semaphore(0)

    def follow():
        told.append(wall.ahead)
        if len(told) < 3:
            raise OSError
        done.release()

    with Bench(Job("sweep", 0.05, lambda: None), wall=wall.time, on_step=follow):
        wall.ahead = -HOUR
        assert taken(done, 1)
    assert told == [-HOUR] * 3


@pytest.mark.timeout(120)
def test_the_parts_of_a_night_are_done_in_order_each_shown_and_a_failed_one_stops_no_other():
    done, rung = [], threading.Semaphore(0)

    def fail():
        done.append("sweep")
        raise OSError

    parts = (Part("sweep", fail), Part("backup", lambda: done.append("backup")), Part("last", rung.release))
    with Bench(DailyJob("night", "00:00", at_start=True, parts=parts)) as bench:
        assert taken(rung, 1)
    assert done == ["sweep", "backup"]
    assert set(bench.told["jobs"]) == {"heartbeat", "sweep", "backup", "last"}


def test_a_clock_that_is_stopped_while_it_rings_stops_in_peace(monkeypatch):
    """An error in the scheduler's thread would fail this test by itself."""
    rung, removed, whole = threading.Event(), [], BackgroundScheduler.remove_job

    def remove_late(scheduler, *arguments):
        assert rung.wait(30)
        assert not threading.Event().wait(0.3)  # the clock has been told to stop meanwhile
        whole(scheduler, *arguments)
        removed.append(arguments[0])

    monkeypatch.setattr(BackgroundScheduler, "remove_job", remove_late)
    with Bench(DailyJob("night", "00:00", at_start=True, parts=(Part("sweep", rung.set),))):
        assert rung.wait(30)
    assert removed == ["night_at_start"]


@pytest.mark.timeout(120)
def test_a_run_at_the_start_is_no_night_and_the_next_one_is_rung_for_as_ever():
    """Three hours from now is within what would count as the same night."""
    at = (datetime.now().astimezone() + timedelta(hours=3)).strftime("%H:%M")
    stop, told = threading.Event(), {}

    def beat(detail):
        told.update(detail["jobs"]["night"])
        if told["ended_at"] is not None and told["next_at"] > time.time() + 60:
            stop.set()

    run_clock((DailyJob("night", at, at_start=True),), stop=stop, beat=beat)
    assert 2.9 < (told["next_at"] - time.time()) / HOUR < 3.1


@pytest.mark.timeout(120)
def test_a_job_that_outlasts_its_interval_is_counted_and_not_rung_twice_at_once():
    at_work, most, rung = [0], [0], threading.Semaphore(0)
    go, told = threading.Event(), threading.Event()

    def work():
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        rung.release()
        go.wait(60)
        at_work[0] -= 1

    stop = threading.Event()

    def beat(detail):
        if detail["jobs"]["sweep"]["faults"].get("overrun", 0) >= 2:
            told.set()
            go.set()
            stop.set()

    run_clock((Job("sweep", 0.05, work),), stop=stop, beat=beat)
    assert told.is_set()
    assert most == [1]
