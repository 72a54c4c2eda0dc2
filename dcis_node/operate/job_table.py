"""What the clock knows of its jobs: when each ran last, how it went, whether it is late; for `status` and metrics.

Lateness and length are measured in monotonic time: a step of the wall clock makes no job late.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger(__name__)

# A busy machine starts a job a little late; so much more than its own interval is a fault.
LATE_SECONDS = 30.0
# A job that rings each second and meets the same fault each time is logged so seldom; each fault is counted.
SAID_AGAIN_SECONDS = 60.0
ERROR, LATE, MISSED, OVERRUN = "error", "late", "missed", "overrun"


@dataclass
class JobState:
    """One job through all its runs.

    Parameters
    ----------
    patience_seconds
        How long after its moment it may start.
    most_seconds
        A run that takes longer hangs.
    due
        Monotonic seconds at which it is to start next.
    started, started_at
        Of the run under way or the last one: monotonic, and Unix seconds.
    said
        When each fault was logged last (monotonic).
    """

    patience_seconds: float
    most_seconds: float
    due: float
    started: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    seconds: float | None = None
    running: bool = False
    error: str = ""
    faults: Counter[str] = field(default_factory=Counter)
    said: dict[str, float] = field(default_factory=dict)


class JobTable:
    """All jobs of one clock; called from its threads.

    Parameters
    ----------
    wall, monotonic
        Unix seconds; seconds that never go back.
    """

    def __init__(
        self, *, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._jobs: dict[str, JobState] = {}

    def expect(self, name: str, *, in_seconds: float, patience_seconds: float, most_seconds: float) -> None:
        """Note when a job is to start next."""
        with self._lock:
            due = self._monotonic() + in_seconds
            state = self._jobs.setdefault(name, JobState(patience_seconds, most_seconds, due))
            state.due = due

    def left(self, name: str) -> float:
        """Give the seconds until a job is to start; 0 if it is due."""
        with self._lock:
            return max(0.0, self._jobs[name].due - self._monotonic())

    def note(self, name: str, fault: str) -> None:
        """Count a fault that the alarm clock has told."""
        with self._lock:
            if name in self._jobs:
                self._jobs[name].faults[fault] += 1
        if self._is_news(name, fault):
            log.error("event=job_fault job=%s fault=%s", name, fault)

    def run(self, name: str, work: Callable[[], object]) -> None:
        """Do a job; whatever it raises is counted and kept, and it is rung again at its next time."""
        self._start(name)
        error = ""
        try:
            work()
        except Exception as fault:  # noqa: BLE001 -- the edge of a job: counted, logged, shown
            error = type(fault).__name__
            if self._is_news(name, f"{ERROR} {error}"):
                log.error("event=job_fault job=%s fault=error error=%s", name, error)
        finally:
            self._end(name, error)

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Give plain values of all jobs; `ok` is false for one whose last run failed, that is late, or that hangs."""
        with self._lock:
            return {name: self._shown(state) for name, state in sorted(self._jobs.items())}

    def _start(self, name: str) -> None:
        with self._lock:
            state, now = self._jobs[name], self._monotonic()
            late_by = now - state.due
            state.started, state.started_at, state.running = now, self._wall(), True
            is_late = late_by > state.patience_seconds
            state.faults[LATE] += is_late
        if is_late and self._is_news(name, LATE):
            log.error("event=job_fault job=%s fault=late seconds=%.1f", name, late_by)

    def _end(self, name: str, error: str) -> None:
        with self._lock:
            state = self._jobs[name]
            state.running, state.ended_at, state.error = False, self._wall(), error
            state.seconds = self._monotonic() - (state.started or 0.0)
            state.faults[ERROR] += bool(error)

    def _is_news(self, name: str, fault: str) -> bool:
        """Tell whether a fault is to be logged: what each run meets anew would drown all else."""
        with self._lock:
            now = self._monotonic()
            said = self._jobs[name].said if name in self._jobs else {}
            if now - said.get(fault, float("-inf")) < SAID_AGAIN_SECONDS:
                return False
            said[fault] = now
            return True

    def _shown(self, state: JobState) -> dict[str, Any]:
        now = self._monotonic()
        hangs = state.running and now - (state.started or 0.0) > state.most_seconds
        late = not state.running and now - state.due > state.patience_seconds
        return {
            "ok": not (state.error or hangs or late),
            "started_at": state.started_at,
            "ended_at": state.ended_at,
            "seconds": None if state.seconds is None else round(state.seconds, 2),
            "running": state.running,
            "hangs": hangs,
            "late": late,
            "error": state.error,
            "faults": {fault: count for fault, count in sorted(state.faults.items()) if count},
            "next_at": round(self._wall() + state.due - now, 1),
        }
