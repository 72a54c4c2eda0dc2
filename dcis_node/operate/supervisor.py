"""Keep the node's processes alive: start them, restart what dies, end them in order."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

# A child that dies at once is started again ever more slowly, so that a crash loop is a visible state, not a busy one.
BACKOFF_FIRST_SECONDS = 0.2
BACKOFF_MOST_SECONDS = 30.0
# A child that lived this long has proven itself: the next death counts as the first.
PROVEN_SECONDS = 60.0
# An analysis of four views on a slow processor ends within this; systemd's own default is 90 s.
STOP_SECONDS = 60.0
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class ChildSpec:
    """How to start one process.

    Parameters
    ----------
    name
        `<role>-<number>`.
    arguments
        Arguments after `dcis-node`.
    inherited
        File descriptors it gets (the listening sockets).
    """

    name: str
    arguments: tuple[str, ...]
    inherited: tuple[int, ...] = ()


@dataclass
class Child:
    """One supervised process, through all its lives."""

    spec: ChildSpec
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restarts: int = 0
    failures: int = 0
    start_after: float = field(default=float("-inf"))


def child_specs(
    config: Path, *, receivers: int, listener: int | None, tls_listener: int | None = None, retriever: bool = False
) -> tuple[ChildSpec, ...]:
    """List the processes of a whole node (design: receivers, one analysis worker, one courier, one clock).

    Parameters
    ----------
    retriever
        True if missing views are asked for somewhere.
    """

    def spec(name: str, *more: str, inherited: tuple[int, ...] = ()) -> ChildSpec:
        role = name.rpartition("-")[0]
        return ChildSpec(name, ("run", role, "--config", str(config), "--name", name, *more), inherited)

    handed = {"--listen-fd": listener, "--tls-listen-fd": tls_listener}
    options = [part for name, number in handed.items() if number is not None for part in (name, str(number))]
    inherited = tuple(number for number in handed.values() if number is not None)
    receive = [spec(f"receive-{number}", *options, inherited=inherited) for number in range(receivers)]
    retrieve = [spec("retrieve-0")] if retriever else []
    return (*receive, *retrieve, spec("analyse-0"), spec("deliver-0"), spec("clock-0"))


class Supervisor:
    """Start children and keep them running until told to stop.

    A child is known by its process id only. When this process dies, however it dies, the pipe that each child holds
    the read end of closes, and the children leave by themselves.

    Parameters
    ----------
    specs
        The processes, in the order in which they are stopped.
    clock
        Monotonic seconds.
    """

    def __init__(self, specs: Sequence[ChildSpec], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._children = [Child(spec) for spec in specs]
        self._clock = clock
        self._lifeline_read, self._lifeline_write = os.pipe()

    def run(self, stop: threading.Event, beat: Callable[[dict[str, int]], None]) -> None:
        """Supervise until `stop` is set, then end all children.

        Parameters
        ----------
        beat
            Called in every round with the restarts of each child so far.
        """
        try:
            while not stop.is_set():
                self.round()
                beat(self.restarts())
                stop.wait(POLL_SECONDS)
        finally:
            self.end()

    def round(self) -> None:
        """Start what is not running and due; notice what has died."""
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._bury(child)
            if child.process is None and self._clock() >= child.start_after:
                self._start(child)

    def restarts(self) -> dict[str, int]:
        """Say how often each child had to be started again."""
        return {child.spec.name: child.restarts for child in self._children}

    def _start(self, child: Child) -> None:
        command = (sys.executable, "-m", "dcis_node", *child.spec.arguments, "--lifeline-fd", str(self._lifeline_read))
        child.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=(self._lifeline_read, *child.spec.inherited)
        )
        child.started = self._clock()

    def _bury(self, child: Child) -> None:
        assert child.process is not None  # noqa: S101 -- for the type checker; the caller has looked
        lived = self._clock() - child.started
        child.failures = 1 if lived >= PROVEN_SECONDS else child.failures + 1
        child.restarts += 1
        wait = min(BACKOFF_MOST_SECONDS, BACKOFF_FIRST_SECONDS * 2 ** (child.failures - 1))
        child.start_after = self._clock() + wait
        log.error(
            "event=child_died process=%s pid=%d exit=%s lived_seconds=%.1f restart_in_seconds=%.1f",
            child.spec.name,
            child.process.pid,
            child.process.returncode,
            lived,
            wait,
        )
        child.process = None

    def end(self) -> None:
        """Tell every child to finish its item and leave; kill what has not left in `STOP_SECONDS`."""
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        deadline = self._clock() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, deadline - self._clock()))
            except subprocess.TimeoutExpired:
                log.error("event=child_killed pid=%d after_seconds=%.0f", process.pid, STOP_SECONDS)
                process.kill()
                process.wait()
        for child in self._children:
            child.process = None
        os.close(self._lifeline_write)
        os.close(self._lifeline_read)
