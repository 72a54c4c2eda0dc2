"""Keep the node's processes alive: start them, restart what dies or falls silent, renew them, end them in order."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from dcis_node.operate.children import SILENT_STOP_SECONDS, Child, ChildSpec, exit_words, named

__all__ = ["Child", "ChildSpec", "Supervisor", "child_specs"]

log = logging.getLogger(__name__)

# An analysis of four views on a slow processor ends within this; systemd's own default is 90 s.
STOP_SECONDS = 60.0
# A process that is to take new settings may finish its item first; one that hangs falls silent before.
RENEW_SECONDS = 900.0
# How long the associations of a receiver that gives way may go on. The longest studies take minutes.
DRAIN_SECONDS = 1800.0
POLL_SECONDS = 0.1
# A round that comes so late says that the machine, or this process, stood still: so may the children have.
LATE_SECONDS = 5.0
# Two of these may run side by side on the same sockets, so that none is refused while one gives way to the other.
OVERLAPPING = frozenset({"receive"})


def child_specs(
    config: Path,
    *,
    receivers: int,
    listener: int | None,
    tls_listener: int | None = None,
    retriever: bool = False,
    settings: int | None = None,
) -> tuple[ChildSpec, ...]:
    """List the processes of a whole node (design: receivers, one analysis worker, one courier, one clock).

    Parameters
    ----------
    retriever
        True if missing views are asked for somewhere.
    settings
        Descriptor of the settings as they were taken; None: each process reads the file at `config` as it is then.
    """
    taken = () if settings is None else ("--config-fd", str(settings))

    def spec(name: str, *more: str, inherited: tuple[int, ...] = ()) -> ChildSpec:
        role = name.rpartition("-")[0]
        handed_on = inherited if settings is None else (*inherited, settings)
        return ChildSpec(name, ("run", role, "--config", str(config), "--name", name, *taken, *more), handed_on)

    handed = {"--listen-fd": listener, "--tls-listen-fd": tls_listener}
    options = [part for name, number in handed.items() if number is not None for part in (name, str(number))]
    inherited = tuple(number for number in handed.values() if number is not None)
    receive = [spec(f"receive-{number}", *options, inherited=inherited) for number in range(receivers)]
    retrieve = [spec("retrieve-0")] if retriever else []
    return (*receive, *retrieve, spec("analyse-0"), spec("deliver-0"), spec("clock-0"))


class Supervisor:
    """Start children and keep them running until told to stop. Used by one thread; `told` may be read by any.

    A child is known by its process id only. When this process dies, however it dies, the pipe that each child holds
    the read end of closes, and the children leave by themselves. A child shows its life through a pipe of its own
    (`pulse`): nothing here waits for the index, a disk or a child.

    Parameters
    ----------
    specs
        The processes, in the order in which they are stopped.
    left_over
        Receivers of a supervisor before, to be started once more: they close what they left open, and leave.
    clock
        Monotonic seconds.
    """

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        *,
        left_over: Sequence[ChildSpec] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._children = [*map(Child, specs), *(Child(spec, retiring=True) for spec in left_over)]
        self._clock = clock
        self._last_round = clock()
        self._lifeline_read, self._lifeline_write = os.pipe()
        self.told: dict[str, dict[str, Any]] = {}

    def run(
        self,
        stop: threading.Event,
        beat: Callable[[dict[str, int]], None],
        *,
        leaving: Callable[[], None] = lambda: None,
    ) -> None:
        """Supervise until `stop` is set, then end all children.

        Parameters
        ----------
        beat
            Called in every round with the restarts of each child so far; must not wait.
        leaving
            Called before the children are ended.
        """
        try:
            while not stop.is_set():
                self.round()
                beat(self.restarts())
                stop.wait(POLL_SECONDS)
        finally:
            leaving()
            self.end()

    def round(self) -> None:
        """Start what is not running and due; notice what has died, has fallen silent, or does not leave."""
        now = self._clock()
        late = now - self._last_round
        self._last_round = now
        for child in self._children[:]:
            if late > LATE_SECONDS:
                child.heard += late
            self._tend(child, now)
        self.told = {child.spec.name: child.told() for child in self._children}

    def restarts(self) -> dict[str, int]:
        """Say how often each child had to be started again."""
        return {child.slot: child.restarts for child in self._children if not child.retiring}

    @property
    def is_started(self) -> bool:
        """True if every child that is to stay has shown its first sign of life, but for those in a crash loop."""
        stay = [child for child in self._children if not child.retiring and not child.deaths.in_loop]
        return all(child.beats and not child.ending for child in stay)

    def try_at_once(self) -> None:
        """Start what waits for its next try."""
        for child in self._children:
            child.try_at_once(self._clock())

    def apply(self, specs: Sequence[ChildSpec], *, renew: Collection[str]) -> None:
        """Go on with other processes, or the same ones with other settings.

        Parameters
        ----------
        specs
            All processes, as given to the constructor.
        renew
            Roles that have to be started anew. Receivers are renewed side by side: new ones on the same sockets first,
            then the old ones take no more and leave when their associations have ended. Others finish their item.
        """
        now = self._clock()
        slots = {spec.name for spec in specs}
        for child in self._children:
            if child.slot not in slots and not child.retiring:
                child.retiring = True
                if child.spec.role not in OVERLAPPING:
                    child.end("retire", now=now, seconds=RENEW_SECONDS)
        for spec in specs:
            current = next((c for c in self._children if c.slot == spec.name and not c.retiring), None)
            if current is None:
                self._children.insert(0, Child(spec))
            elif spec.role in renew:
                self._renew(current, spec, now)
            else:
                current.spec = named(spec, current.spec.name)
        self._refresh_retiring(specs)

    def _renew(self, child: Child, spec: ChildSpec, now: float) -> None:
        if spec.role in OVERLAPPING and child.process is not None:
            successor = Child(
                named(spec, self._free_name(spec.name)),
                spec.name,
                restarts=child.restarts,
                silent_ends=child.silent_ends,
            )
            child.retiring = True
            self._children.insert(self._children.index(child), successor)
            return
        child.spec = named(spec, child.spec.name)
        if child.process is None:
            child.try_at_once(now)
        elif not child.ending:
            child.end("renew", now=now, seconds=RENEW_SECONDS)

    def _free_name(self, slot: str) -> str:
        """Give a name that no process of this slot has: two with one name would wait for each other."""
        names = {child.spec.name for child in self._children}
        return next(
            name for number in range(len(names) + 1) if (name := f"{slot}.{number}" if number else slot) not in names
        )

    def _refresh_retiring(self, specs: Sequence[ChildSpec]) -> None:
        """Give those on their way out the settings of now, for the case that they have to be started once more."""
        for child in self._children:
            like = next((spec for spec in specs if spec.role == child.spec.role), None)
            if child.retiring and like is not None:
                child.spec = named(like, child.spec.name)

    def _tend(self, child: Child, now: float) -> None:
        child.listen(now=now)
        if child.process is not None and child.process.poll() is not None:
            self._ended(child, now)
        if child.process is not None:
            self._watch(child, now)
        elif child in self._children and now >= child.start_after:
            child.start(self._lifeline_read, now=now)

    def _watch(self, child: Child, now: float) -> None:
        """Look after one that runs."""
        child.kill_if_late(now)
        silent = child.silent_seconds(now)
        # Whoever was told to leave finishes what it has in hand, and has its time for that: it need show nothing more.
        if silent and not child.ending:
            child.silent_ends += 1
            log.error("event=child_silent process=%s silent_seconds=%.0f", child.spec.name, silent)
            child.end("silent", now=now, seconds=SILENT_STOP_SECONDS)
        elif child.retiring and not child.ending and child.beats:
            self._drain(child, now)

    def _drain(self, child: Child, now: float) -> None:
        """Let a receiver give way once another has begun; end it when it has taken too long."""
        stays = [c for c in self._children if c.slot == child.slot and not c.retiring]
        if not child.drain_told:
            if all(c.beats for c in stays):
                log.info("event=draining process=%s most_seconds=%.0f", child.spec.name, DRAIN_SECONDS)
                child.drain_told, child.started = True, now
                child.tell(signal.SIGUSR1)
        elif now - child.started > DRAIN_SECONDS:
            log.warning("event=drain_too_long process=%s", child.spec.name)
            child.end("retire", now=now, seconds=STOP_SECONDS)

    def _ended(self, child: Child, now: float) -> None:
        """Note that one has ended: as it was told, or by dying."""
        code, words = child.release()
        was, child.ending, child.kill_at = child.ending, "", float("inf")
        if child.retiring and (code == 0 or child.spec.role not in OVERLAPPING):
            log.info("event=child_retired process=%s exit=%r", child.spec.name, exit_words(code))
            self._children.remove(child)
        elif was == "renew" or (code == 0 and words is not None and not words.kind):
            log.info("event=child_renewed process=%s why=%r", child.spec.name, words.text if words else was)
            child.start_after = now
        else:
            silent = f"was silent, then {exit_words(code)}" if was == "silent" else exit_words(code)
            child.bury(silent, now=now, kind=words.kind if words else "", reason=words.text if words else "")

    def end(self) -> None:
        """Tell every child to finish its item and leave; kill what has not left in `STOP_SECONDS`."""
        now = self._clock()
        for child in self._children:
            child.end("stop", now=now, seconds=STOP_SECONDS)
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children:
            if child.process is not None and not _left(child, deadline):
                log.error(
                    "event=child_killed process=%s pid=%d after_seconds=%.0f",
                    child.spec.name,
                    child.process.pid,
                    STOP_SECONDS,
                )
                child.process.kill()
                child.process.wait()
            if child.process is not None:
                child.release()
        os.close(self._lifeline_write)
        os.close(self._lifeline_read)


def _left(child: Child, deadline: float) -> bool:
    """Wait for a child until the deadline; tell whether it has left."""
    pause = threading.Event()
    assert child.process is not None  # noqa: S101 -- for the type checker; the caller has looked
    while child.process.poll() is None and time.monotonic() < deadline:
        pause.wait(POLL_SECONDS / 5)
    return child.process.poll() is not None
