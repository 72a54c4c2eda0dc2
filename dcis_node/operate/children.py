"""One child of the supervisor through all its lives: started, heard, ended, buried."""

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from typing import Any

from dcis_node.operate import notify, pulse
from dcis_node.operate.process import BEATS_OF_A_START
from dcis_node.operate.pulse import LastWords, Listener
from dcis_node.operate.restarts import BACKOFF_MOST_SECONDS, INDEX_MOST_SECONDS, Deaths

log = logging.getLogger(__name__)

# From its start until its loop goes round: imports and a model bundle on a slow, busy machine.
START_SILENT_SECONDS = 300.0
# The loop writes into the index, which may be busy for 10 s, and for 30 s more if other threads wait for it too. A
# worker beats from a second thread while it computes; what holds the interpreter for longer it should not do.
SILENT_SECONDS = {"analyse": 180.0}
SILENT_SECONDS_OTHERS = 90.0
# Errors by which a child says that the index cannot be used.
INDEX_KINDS = frozenset({"StorageError", "SchemaError", "UnusableIndexError", "DamagedIndexError"})
# From SIGTERM to SIGKILL for one that was silent: it will hardly hear.
SILENT_STOP_SECONDS = 10.0


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
        File descriptors it gets (the listening sockets, the settings).
    """

    name: str
    arguments: tuple[str, ...]
    inherited: tuple[int, ...] = ()

    @property
    def role(self) -> str:
        """What it does."""
        return self.name.rpartition("-")[0]


@dataclass
class Child:
    """One supervised process.

    Parameters
    ----------
    slot
        Name of its work, the same through all reloads; a process that takes it over beside its predecessor has another
        name meanwhile.
    started, heard
        Monotonic seconds of its start, and of its last sign of life.
    ending
        Why it was told to leave ("silent", "renew", "retire"), or "".
    kill_at
        When it is killed if it has not left by then.
    next_try_at
        When it is started again, in Unix seconds: for people.
    retiring
        True for one that ends for good, in peace: what it began is finished, nothing new is taken.
    """

    spec: ChildSpec
    slot: str = ""
    process: "subprocess.Popen[bytes] | None" = None
    listener: Listener | None = None
    pid: int = 0
    started: float = 0.0
    heard: float = 0.0
    beats: int = 0
    restarts: int = 0
    silent_ends: int = 0
    deaths: Deaths = field(default_factory=Deaths)
    start_after: float = float("-inf")
    next_try_at: float = 0.0
    last_exit: str = ""
    reason: str = ""
    ending: str = ""
    kill_at: float = float("inf")
    retiring: bool = False
    drain_told: bool = False

    def __post_init__(self) -> None:
        self.slot = self.slot or self.spec.name

    @property
    def state(self) -> str:
        """What is shown: `running`, `starting`, `leaving`, `draining`, `waiting` (to be started) or `crash_loop`."""
        if self.deaths.in_loop and not self.retiring:
            return "crash_loop"
        if self.process is None:
            return "waiting"
        if self.retiring:
            return "draining"
        if self.ending:
            return "leaving"
        return "running" if self.beats else "starting"

    def start(self, lifeline: int, *, now: float) -> None:
        """Start it; it gets the lifeline and its end of the pulse."""
        self.listener = Listener()
        command = (sys.executable, "-m", "dcis_node", *self.spec.arguments, "--lifeline-fd", str(lifeline))
        environment = {name: value for name, value in os.environ.items() if name not in notify.VARIABLES}
        environment[pulse.VARIABLE] = str(self.listener.handed)
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=(lifeline, self.listener.handed, *self.spec.inherited),
                env=environment,
            )
        except OSError as error:  # the machine has no process or no memory left: as if it had died at once
            self.listener.close()
            self.listener.close_handed()
            self.listener = None
            self.started = now
            self.bury(f"not started: {error.strerror}", now=now)
            return
        self.listener.close_handed()
        self.pid = self.process.pid
        self.started = self.heard = now
        self.beats, self.ending, self.kill_at, self.drain_told = 0, "", float("inf"), False

    def listen(self, *, now: float) -> None:
        """Take what it has said since the last round."""
        count = self.listener.heard() if self.listener else 0
        if count:
            self.heard = now
            self.beats += count
            self.deaths = self.deaths.after_life(now - self.started)

    def silent_seconds(self, now: float) -> float:
        """For how long it has been silent beyond what it may be; 0.0 if it is not."""
        started = self.beats >= BEATS_OF_A_START
        allowed = SILENT_SECONDS.get(self.spec.role, SILENT_SECONDS_OTHERS) if started else START_SILENT_SECONDS
        silent = now - self.heard
        return silent if silent > allowed else 0.0

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal if it runs."""
        if self.process is not None:
            self.process.send_signal(number)

    def end(self, why: str, *, now: float, seconds: float) -> None:
        """Tell it to finish its item and leave, and kill it after so many seconds."""
        self.ending, self.kill_at = why, now + seconds
        self.tell(signal.SIGTERM)

    def kill_if_late(self, now: float) -> None:
        """Kill it if it was told to leave and has not left in time."""
        if self.process is not None and now >= self.kill_at:
            log.error("event=child_killed process=%s pid=%d why=%s", self.spec.name, self.process.pid, self.ending)
            self.kill_at = float("inf")
            self.process.kill()

    def release(self) -> tuple[int, LastWords | None]:
        """Take the exit code and the last words of one that has ended, and let go of it."""
        assert self.process is not None  # noqa: S101 -- for the type checker; the caller has looked
        code, words = self.process.returncode, None
        if self.listener is not None:
            self.listener.heard()
            words = self.listener.words
            self.listener.close()
        self.process, self.listener, self.beats = None, None, 0
        return code, words

    def bury(self, exit_text: str, *, now: float, kind: str = "", reason: str = "") -> None:
        """Note a death, and when to start it again.

        Parameters
        ----------
        exit_text
            How it ended, in words.
        kind, reason
            Its last words.
        """
        lived = now - self.started
        was_in_loop = self.deaths.in_loop
        self.deaths = self.deaths.another(now=now, lived=lived)
        self.restarts += 1
        self.last_exit, self.reason = exit_text, reason or kind
        wait = self.deaths.wait_seconds(most=INDEX_MOST_SECONDS if kind in INDEX_KINDS else BACKOFF_MOST_SECONDS)
        self.start_after, self.next_try_at = now + wait, round(time.time() + wait)
        log.error(
            "event=child_died process=%s pid=%d exit=%r lived_seconds=%.1f restart_in_seconds=%.1f reason=%r",
            self.spec.name,
            self.pid,
            exit_text,
            lived,
            wait,
            self.reason,
        )
        if self.deaths.in_loop and not was_in_loop:
            log.critical(
                "event=crash_loop process=%s deaths=%d exit=%r reason=%r text='the others go on; it is tried again, at "
                "last every %.0f s'",
                self.spec.name,
                len(self.deaths.moments),
                exit_text,
                self.reason,
                BACKOFF_MOST_SECONDS,
            )

    def try_at_once(self, now: float) -> None:
        """Do not wait any longer."""
        self.start_after = min(self.start_after, now)

    def told(self) -> dict[str, Any]:
        """Give what the status shows of it; the same until something happens."""
        return {
            "state": self.state,
            "restarts": self.restarts,
            "silent_ends": self.silent_ends,
            "last_exit": self.last_exit,
            "reason": self.reason,
            "next_try_at": self.next_try_at if self.process is None else None,
        }


def named(spec: ChildSpec, name: str) -> ChildSpec:
    """Give the same process under another name."""
    return replace(spec, name=name, arguments=tuple(name if part == spec.name else part for part in spec.arguments))


def exit_words(code: int) -> str:
    """Say how a process ended."""
    if code >= 0:
        return f"code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
