"""Named loops, a thread each, and one sign of life for all of them."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

POLL_SECONDS = 0.25  # results leave this soon after they were made; an idle look costs one read


class Ticks:
    """When a loop showed its last sign of life; call it to show one."""

    def __init__(self) -> None:
        self.at = time.monotonic()

    def __call__(self) -> None:
        """Show a sign of life."""
        self.at = time.monotonic()


@dataclass(frozen=True)
class Loop:
    """One kind of work for one destination, done over and over.

    Parameters
    ----------
    name
        For the thread and the log.
    step
        Does one piece of it; True if there was something to do, and the next look follows at once.
    longest_seconds
        Longest time between two signs of life; after that the loop counts as stuck.
    ticks
        Called by `step` while it works; the runner calls it before each.
    pause_seconds
        Until the next look, if there was nothing to do.
    """

    name: str
    step: Callable[[], bool]
    longest_seconds: float
    ticks: Ticks = field(default_factory=Ticks)
    pause_seconds: float = POLL_SECONDS

    def is_stuck(self) -> bool:
        """Tell whether it has shown no sign of life for too long."""
        return time.monotonic() - self.ticks.at >= self.longest_seconds


def run_loops(
    loops: Sequence[Loop], *, stop: threading.Event, leave: threading.Event, beat: Callable[[], None]
) -> None:
    """Run all loops until `stop` is set or one of them ends with an error.

    Parameters
    ----------
    leave
        Set here when the loops are to end after what is in hand; the steps look at it too.
    beat
        Called a few times a second, as long as no loop is stuck; also while the others finish what they have in hand.

    Raises
    ------
    Exception
        What ended a loop; the others have been ended then.
    """

    def beat_unless_stuck() -> None:
        if not any(loop.is_stuck() for loop in loops):
            beat()

    with ThreadPoolExecutor(max_workers=max(1, len(loops)), thread_name_prefix="loop") as pool:
        runs = [pool.submit(_run, loop, leave) for loop in loops]
        try:
            while not stop.wait(POLL_SECONDS) and not any(run.done() for run in runs):
                beat_unless_stuck()
        finally:
            leave.set()
        while wait(runs, timeout=POLL_SECONDS).not_done:
            beat_unless_stuck()
    for run in runs:
        run.result()


def _run(loop: Loop, leave: threading.Event) -> None:
    while not leave.is_set():
        loop.ticks()
        if not loop.step():
            leave.wait(loop.pause_seconds)
