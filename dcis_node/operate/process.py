"""What every process of the node has in common: its name, its stop, its sign of life."""

import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from dcis_node.config import Configuration
from dcis_node.errors import StorageError
from dcis_node.operate.lock import NameLock, folder_in_use
from dcis_node.operate.notify import Notifier
from dcis_node.operate.pulse import Pulse
from storage.database import Database, open_database
from storage.files import FileStore
from storage.heartbeat import forget_beat, record_beat
from storage.outage import Outage

log = logging.getLogger(__name__)

# Often enough that `status` notices a dead process soon, seldom enough to cost nothing (one commit each).
BEAT_SECONDS = 2.0
# The first comes before the role has begun, from the second on its loop goes round.
BEATS_OF_A_START = 2


@dataclass(frozen=True)
class Process:
    """One running process of the node.

    Parameters
    ----------
    owner
        Name under which it leases work: `<role>-<number>@<host>`. Stable over restarts, so that a successor takes
        back at once what a killed predecessor had leased.
    stop
        Set when the process is to finish its current item and leave.
    beat
        Shows the sign of life: to the supervisor at once, in the index at most once in `BEAT_SECONDS`; to be called in
        every round.
    drain
        Set when the process is to take nothing new, finish in peace what it has begun, and leave.
    notifier
        Tells the service manager of one that was started alone.
    """

    name: str
    owner: str
    configuration: Configuration
    db: Database
    files: FileStore
    stop: threading.Event
    beat: Callable[..., None]
    drain: threading.Event = field(default_factory=threading.Event)
    notifier: Notifier = field(default_factory=Notifier)


@contextmanager
def running_process(
    configuration: Configuration, name: str, *, lifeline: int | None = None, is_supervisor: bool = False
) -> Iterator[Process]:
    """Set up a process of the node, and leave its name free at the end.

    Parameters
    ----------
    name
        `<role>-<number>`.
    lifeline
        Read end of a pipe whose write end the supervisor holds. Its end means that the supervisor is gone, however it
        died; the process then stops too, and does not keep the port from a new supervisor.
    is_supervisor
        True for one that speaks to the service manager itself.

    Raises
    ------
    StorageError
        The index cannot be used, or a process of this name runs already.
    """
    stop, drain = threading.Event(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGUSR1, lambda *_: drain.set())
    # A whole group of processes may get it; the supervisor is the one that reloads, and sets its own handler.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Under a supervisor its pulse is what counts; whoever was started alone answers to the service manager.
    supervised = lifeline is not None
    pulse = Pulse.of(os.environ) if supervised else Pulse()
    notifier = Notifier() if supervised else Notifier.of(os.environ)
    if lifeline is not None:
        threading.Thread(target=_watch, args=(lifeline, stop), name="lifeline", daemon=True).start()
    with folder_in_use(configuration.folder, alone=False), NameLock(configuration.folder, name):
        db = open_database(configuration.index_url)
        process = Process(
            name=name,
            owner=f"{name}@{socket.gethostname()}"[:64],
            configuration=configuration,
            db=db,
            files=FileStore(configuration.folder / "store"),
            stop=stop,
            beat=_Beater(db, name, pulse, Notifier() if is_supervisor else notifier),
            drain=drain,
            notifier=notifier,
        )
        log.info("event=started process=%s pid=%d", name, os.getpid())
        process.beat()
        try:
            yield process
        finally:
            notifier.stopping()
            _forget(db, name)
            db.close()
            log.info("event=left process=%s pid=%d", name, os.getpid())


def _forget(db: Database, name: str) -> None:
    """Take the sign of life back; one that stays because the index cannot be written does no harm."""
    try:
        with db.write() as session:
            forget_beat(session, name)
    except StorageError as error:
        log.warning("event=beat_not_forgotten process=%s error=%r", name, str(error))


def _watch(lifeline: int, stop: threading.Event) -> None:
    os.read(lifeline, 1)
    stop.set()


class _Beater:
    """Show the supervisor a sign of life, and write it when `BEAT_SECONDS` have passed or the detail has changed.

    One that cannot be written (the disk is full) is missing in `status` and stops nobody: the next may be.
    """

    def __init__(self, db: Database, name: str, pulse: Pulse, notifier: Notifier) -> None:
        self._db = db
        self._name = name
        self._pulse = pulse
        self._notifier = notifier
        self._beats = 0
        self._started_at = time.time()
        self._last = float("-inf")
        self._detail = ""
        self._outage = Outage(log, "beat_not_written", f"process={name}")

    def __call__(self, detail: Mapping[str, object] | None = None) -> None:
        self._pulse.beat()
        self._notifier.alive()
        self._beats += 1
        if self._beats == BEATS_OF_A_START:
            self._notifier.ready()
        text = self._detail if detail is None else json.dumps(detail, sort_keys=True)
        if text == self._detail and time.monotonic() - self._last < BEAT_SECONDS:
            return
        self._last, self._detail = time.monotonic(), text
        try:
            with self._db.write() as session:
                record_beat(
                    session, self._name, pid=os.getpid(), started_at=self._started_at, now=time.time(), detail=text
                )
            self._outage.over()
        except StorageError as error:
            self._outage.failed(error)
