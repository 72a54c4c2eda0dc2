"""Whether the node believes its wall clock: looked at every minute and before anything is removed, and kept."""

import logging
import time
from collections.abc import Callable
from threading import Lock

from dcis_node.errors import StorageError
from storage.clock_doubt import Doubt, keep_seen, last_seen
from storage.database import Database

log = logging.getLogger(__name__)


class Trust:
    """Whether the wall clock may be believed when it says how old something is (see `storage.clock_doubt`).

    It finds the steps itself, so that one cannot fall between the clock's own look and a removal.

    Parameters
    ----------
    wall, monotonic
        Unix seconds; seconds that never go back.

    Raises
    ------
    StorageError
        The index cannot be read.
    """

    def __init__(
        self,
        db: Database,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db, self._wall, self._monotonic = db, wall, monotonic
        self._lock = Lock()
        self._wall_at, self._monotonic_at = wall(), monotonic()
        with db.read() as session:
            seen_at, self._doubt = last_seen(session)
        self._become(_after_absence(self._doubt, seen_at, self._wall_at))
        self._keep()

    def look(self) -> bool:
        """Look at the clock, and keep what is seen; True if it is believed."""
        with self._lock:
            wall, monotonic = self._wall(), self._monotonic()
            ran = monotonic - self._monotonic_at
            step = wall - self._wall_at - ran
            self._wall_at, self._monotonic_at = wall, monotonic
            self._become(self._doubt.after_running(ran).after_step(step))
            self._keep()
            return not self._doubt.lasts

    @property
    def why_not(self) -> str:
        """Say why the clock is not believed, and until when; "" if it is."""
        return _words(self._doubt)

    def _become(self, doubt: Doubt) -> None:
        if doubt.lasts != self._doubt.lasts:
            event = "clock_doubted" if doubt.lasts else "clock_believed"
            log.warning("event=%s ahead_seconds=%.0f", event, max(doubt.ahead_seconds, self._doubt.ahead_seconds))
        self._doubt = doubt

    def _keep(self) -> None:
        """Keep it; where that fails (the disk is full) it holds in this process, and images may still leave."""
        try:
            with self._db.write() as session:
                keep_seen(session, self._doubt, now=self._wall_at)
        except StorageError as error:
            log.warning("event=clock_doubt_not_kept error=%r", str(error))


def why_doubted(db: Database, *, now: float) -> str:
    """Say why the wall clock is not to be believed, and until when; "" if it is. For a command: it keeps nothing.

    Parameters
    ----------
    now
        What the wall clock says, Unix seconds.

    Raises
    ------
    StorageError
        The index cannot be read.
    """
    with db.read() as session:
        seen_at, doubt = last_seen(session)
    return _words(_after_absence(doubt, seen_at, now))


def _after_absence(doubt: Doubt, seen_at: float | None, now: float) -> Doubt:
    return doubt if seen_at is None else doubt.after_absence(now - seen_at)


def _words(doubt: Doubt) -> str:
    if not doubt.lasts:
        return ""
    days, hours = doubt.ahead_seconds / 86400, doubt.left_seconds / 3600
    return f"the wall clock is ahead, or the node was off, by {days:.1f} days: nothing is removed for {hours:.0f} h"
