"""The clock process: APScheduler as an alarm clock that rings static, short jobs; all state is in the index.

Memory job store, no grace time, one at a time: the settings that survive a slow disk and a late start (its SQL job
store is pickle, and its thread dies on a locked database).
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from tzlocal import get_localzone

log = logging.getLogger(__name__)

FAULTS = {EVENT_JOB_ERROR: "error", EVENT_JOB_MISSED: "missed", EVENT_JOB_MAX_INSTANCES: "overrun"}


@dataclass(frozen=True)
class Job:
    """A short piece of work that is done again and again."""

    name: str
    every_seconds: float
    work: Callable[[], object]


@dataclass(frozen=True)
class DailyJob:
    """A longer piece of work, done once a day at a local time of day (`HH:MM`), and at the start if so wanted."""

    name: str
    at: str
    work: Callable[[], object]
    at_start: bool = False


def run_clock(jobs: tuple[Job | DailyJob, ...], *, stop: Event, beat: Callable[[Mapping[str, object]], None]) -> None:
    """Ring the jobs until `stop` is set.

    A job that fails, comes late or overruns is counted, logged and shown in the process's sign of life; it is rung
    again at its next time. If the scheduler's own thread dies, this function ends with an error, so that the
    supervisor starts a new clock.

    Raises
    ------
    RuntimeError
        The scheduler's thread is dead.
    """
    faults: dict[str, int] = {}

    def count(event: JobEvent) -> None:
        key = f"{event.job_id}_{FAULTS[event.code]}"
        faults[key] = faults.get(key, 0) + 1
        error = getattr(event, "exception", None)
        log.error("event=job_fault job=%s fault=%s error=%s", event.job_id, FAULTS[event.code], type(error).__name__)

    scheduler = BackgroundScheduler(
        jobstores={"default": MemoryJobStore()},
        executors={"default": ThreadPoolExecutor(len(jobs))},
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        timezone="UTC",
    )
    scheduler.add_listener(count, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
    for job in jobs:
        at_start = isinstance(job, DailyJob) and job.at_start
        first = {"next_run_time": datetime.now(UTC)} if at_start else {}
        scheduler.add_job(job.work, _trigger(job), id=job.name, **first)
    scheduler.start()
    try:
        while not stop.wait(1.0):
            if not scheduler._thread.is_alive():  # noqa: SLF001 -- there is no public sign of its life
                msg = "the scheduler's thread has died"
                raise RuntimeError(msg)
            beat(dict(faults))
    finally:
        scheduler.shutdown(wait=True)


def _trigger(job: Job | DailyJob) -> BaseTrigger:
    if isinstance(job, Job):
        return IntervalTrigger(seconds=job.every_seconds)
    hour, _, minute = job.at.partition(":")
    # The machine's own time zone: the night is the hospital's.
    return CronTrigger(hour=int(hour), minute=int(minute), timezone=get_localzone())
