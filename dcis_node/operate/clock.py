"""The clock process: APScheduler as an alarm clock that rings static, short jobs; all state is in the index.

Memory job store, no grace time, one at a time: the settings that survive a slow disk and a late start (its SQL job
store is pickle, and its thread dies on a locked database). It counts in wall time; whoever watches here sees a step of
the wall clock within a second, and sets every job to the moment at which it would have rung without the step.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event, Lock
from typing import Any

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from tzlocal import get_localzone

from dcis_node.operate.alarms import Every, Nightly
from dcis_node.operate.job_table import LATE_SECONDS, MISSED, OVERRUN, JobTable

log = logging.getLogger(__name__)

AT_START = "_at_start"
HEARTBEAT, HEARTBEAT_SECONDS = "heartbeat", 2.0
WATCH_SECONDS = 1.0
# NTP slews by half a millisecond a second at most; more than this is a step (or the machine was asleep).
STEP_SECONDS = 2.0
NIGHT_MOST_SECONDS = 12 * 3600.0
FAULTS = {EVENT_JOB_MISSED: MISSED, EVENT_JOB_MAX_INSTANCES: OVERRUN}


def _nothing() -> None:
    """Be the work of a night that consists of parts."""


@dataclass(frozen=True)
class Job:
    """A short piece of work that is done again and again.

    Parameters
    ----------
    most_seconds
        One that takes longer hangs, and `status` says so.
    """

    name: str
    every_seconds: float
    work: Callable[[], object]
    most_seconds: float = 600.0


@dataclass(frozen=True)
class Part:
    """A part of the work of the night; one that fails keeps none of the later ones from being done."""

    name: str
    work: Callable[[], object]


@dataclass(frozen=True)
class DailyJob:
    """A longer piece of work, done once a day at a local time of day (`HH:MM`), and at the start if so wanted.

    Parameters
    ----------
    parts
        What it consists of, done one after the other; each is shown on its own.
    """

    name: str
    at: str
    work: Callable[[], object] = _nothing
    at_start: bool = False
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Watch:
    """What the clock goes by; the tests put their own clocks here.

    Parameters
    ----------
    wall, monotonic
        Unix seconds; seconds that never go back.
    on_step
        Called after a step of the wall clock, when the jobs were set right; again until it does not fail.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    on_step: Callable[[], object] = lambda: None
    every_seconds: float = WATCH_SECONDS


def run_clock(
    jobs: tuple[Job | DailyJob, ...],
    *,
    stop: Event,
    beat: Callable[[Mapping[str, Any]], None],
    watch: Watch | None = None,
) -> None:
    """Ring the jobs until `stop` is set.

    A job that fails, comes late or overruns is counted, logged and shown in the process's sign of life; it is rung
    again at its next time. The sign of life is a job itself: it says that the alarm clock rings. If the scheduler's own
    thread dies, this function ends with an error, so that the supervisor starts a new clock.

    Parameters
    ----------
    beat
        Takes what `status` shows of the jobs: `jobs` by name (`JobTable.snapshot`), `steps` of the wall clock.

    Raises
    ------
    RuntimeError
        The scheduler's thread is dead.
    """
    _Clock(jobs, watch or Watch(), beat).run(stop)


@dataclass
class _Night:
    """When a nightly job rang for a night last; its run at the start is none. One runs at a time."""

    monotonic: Callable[[], float]
    rung: float | None = None
    lock: Lock = field(default_factory=Lock)

    def since_last(self) -> float | None:
        return None if self.rung is None else self.monotonic() - self.rung


@dataclass
class _Clock:
    jobs: tuple[Job | DailyJob, ...]
    watch: Watch
    beat: Callable[[Mapping[str, Any]], None]
    steps: int = 0
    last_step: float = 0.0
    is_followed: bool = True
    triggers: dict[str, Nightly] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.table = JobTable(wall=self.watch.wall, monotonic=self.watch.monotonic)
        self.jobs = (*self.jobs, Job(HEARTBEAT, HEARTBEAT_SECONDS, self._tell))
        self.scheduler = BackgroundScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(2 * len(self.jobs))},
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
            timezone="UTC",
        )

    def run(self, stop: Event) -> None:
        self.scheduler.add_listener(self._count, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
        for job in self.jobs:
            self._add(job)
        offset = self._offset()
        self._tell()
        self.scheduler.start()
        try:
            while not stop.wait(self.watch.every_seconds):
                if not self.scheduler._thread.is_alive():  # noqa: SLF001 -- there is no public sign of its life
                    msg = "the scheduler's thread has died"
                    raise RuntimeError(msg)
                step, offset = self._offset() - offset, self._offset()
                if abs(step) > STEP_SECONDS:
                    self._set_right(step)
                elif not self.is_followed:
                    self._follow()
        finally:
            # Its thread, if it has just rung a job, would not find that job any more, and die of it (APScheduler 3.11):
            # so it is paused first, and asked something, which waits for the round that it is in.
            self.scheduler.pause()
            self.scheduler.get_jobs()
            self.scheduler.shutdown(wait=True)

    def _tell(self) -> None:
        self.beat({"jobs": self.table.snapshot(), "steps": self.steps, "last_step_seconds": round(self.last_step, 1)})

    def _count(self, event: JobEvent) -> None:
        self.table.note(event.job_id, FAULTS[event.code])

    def _offset(self) -> float:
        return self.watch.wall() - self.watch.monotonic()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.watch.wall(), UTC)

    def _add(self, job: Job | DailyJob) -> None:
        if isinstance(job, Job):
            self._expect(job, job.every_seconds)
            self.scheduler.add_job(
                self._ring, Every(job.every_seconds), args=(job,), id=job.name,
                next_run_time=self._now() + timedelta(seconds=job.every_seconds),
            )  # fmt: skip
            return
        night = _Night(self.watch.monotonic)
        # The machine's own time zone: the night is the hospital's.
        trigger = self.triggers[job.name] = Nightly(job.at, get_localzone(), night.since_last)
        first = trigger.get_next_fire_time(None, self._now())
        self._expect_night(job, first)
        self.scheduler.add_job(self._ring_night, trigger, args=(job, night), id=job.name, next_run_time=first)
        if job.at_start:
            self.scheduler.add_job(self._do_parts, args=(job, night), id=f"{job.name}{AT_START}")

    def _ring(self, job: Job) -> None:
        began = self.watch.monotonic()
        self.table.run(job.name, job.work)
        # A run that was longer than the interval is followed by the next but one moment: nothing is late then.
        took = self.watch.monotonic() - began
        self._expect(job, max(0.0, job.every_seconds - took) or job.every_seconds)

    def _ring_night(self, job: DailyJob, night: _Night) -> None:
        night.rung = self.watch.monotonic()
        self._do_parts(job, night)

    def _do_parts(self, job: DailyJob, night: _Night) -> None:
        with night.lock:
            for part in job.parts or (Part(job.name, job.work),):
                # The parts wait for one another: none of them is late.
                self._expect_part(part.name, 0.0)
                self.table.run(part.name, part.work)
        trigger = self.triggers[job.name]
        self._expect_night(job, trigger.get_next_fire_time(None, self._now()))

    def _expect(self, job: Job, seconds: float) -> None:
        patience = LATE_SECONDS + job.every_seconds
        self.table.expect(job.name, in_seconds=seconds, patience_seconds=patience, most_seconds=job.most_seconds)

    def _expect_night(self, job: DailyJob, at: datetime) -> None:
        for part in job.parts or (Part(job.name, job.work),):
            self._expect_part(part.name, (at - self._now()).total_seconds())

    def _expect_part(self, name: str, seconds: float) -> None:
        # The parts before it take their time too.
        self.table.expect(
            name, in_seconds=seconds, patience_seconds=NIGHT_MOST_SECONDS, most_seconds=NIGHT_MOST_SECONDS
        )

    def _set_right(self, step: float) -> None:
        """Let no job wait for the old time to come again, and none ring for a time that was skipped."""
        self.steps, self.last_step = self.steps + 1, step
        log.warning("event=clock_stepped seconds=%.1f", step)
        for job in self.jobs:
            now = self._now()
            if isinstance(job, Job):
                self._move(job.name, now + timedelta(seconds=self.table.left(job.name)))
            elif (known := self.scheduler.get_job(job.name)) is not None:
                at = self.triggers[job.name].after_step(known.next_run_time, now)
                self._move(job.name, at)
                self._expect_night(job, at)
        self._follow()

    def _follow(self) -> None:
        """Let the rest of the node follow a step; it is told again of one that it could not follow (a busy index)."""
        try:
            self.watch.on_step()
            self.is_followed = True
        except Exception as error:  # noqa: BLE001 -- the clock goes on whatever becomes of it: recorded
            self.is_followed = False
            log.error("event=clock_step_not_followed error=%s", type(error).__name__)

    def _move(self, name: str, at: datetime) -> None:
        try:
            self.scheduler.modify_job(name, next_run_time=at)
        except JobLookupError:
            log.error("event=job_gone job=%s", name)
