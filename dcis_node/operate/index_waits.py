"""A role whose index cannot be used for a while: it waits, and begins again as after a death, but without dying."""

import logging
import time
from collections.abc import Callable

from dcis_node.errors import UnusableIndexError
from dcis_node.operate.process import Process
from dcis_node.operate.restarts import BACKOFF_FIRST_SECONDS, INDEX_MOST_SECONDS
from storage.outage import Outage

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25


def with_its_index(process: Process, work: Callable[[Callable[[], None]], None]) -> None:
    """Do the work of a role until it ends by itself; begin it again when it ended as the index could not be used.

    Parameters
    ----------
    work
        Takes what it calls as its sign of life, the first time when it has used the index. What it had in hand it
        must find again by itself when it begins, as after a death.

    Raises
    ------
    DcisNodeError
        What else ended it.
    """
    outage = Outage(log, "index_unusable", f"process={process.name}")
    pause = BACKOFF_FIRST_SECONDS

    def beat() -> None:
        nonlocal pause
        pause = BACKOFF_FIRST_SECONDS
        outage.over()
        process.beat()

    while not process.stop.is_set():
        try:
            work(beat)
        except UnusableIndexError as error:
            outage.failed(error)
        else:
            return
        _wait(process, pause)
        pause = min(2 * pause, INDEX_MOST_SECONDS)


def _wait(process: Process, seconds: float) -> None:
    """Live on for so long; the supervisor hears it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not process.stop.wait(POLL_SECONDS):
        process.beat()
