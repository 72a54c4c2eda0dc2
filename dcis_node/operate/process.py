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
from dataclasses import dataclass

from dcis_node.config import Configuration
from dcis_node.errors import StorageError
from dcis_node.operate.lock import NameLock, folder_in_use
from storage.database import Database, open_database
from storage.files import FileStore
from storage.heartbeat import forget_beat, record_beat

log = logging.getLogger(__name__)

# Often enough that `status` notices a dead process soon, seldom enough to cost nothing (one commit each).
BEAT_SECONDS = 2.0


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
        Writes the sign of life, at most once in `BEAT_SECONDS`; to be called in every round.
    """

    name: str
    owner: str
    configuration: Configuration
    db: Database
    files: FileStore
    stop: threading.Event
    beat: Callable[..., None]


@contextmanager
def running_process(configuration: Configuration, name: str, *, lifeline: int | None = None) -> Iterator[Process]:
    """Set up a process of the node, and leave its name free at the end.

    Parameters
    ----------
    name
        `<role>-<number>`.
    lifeline
        Read end of a pipe whose write end the supervisor holds. Its end means that the supervisor is gone, however it
        died; the process then stops too, and does not keep the port from a new supervisor.

    Raises
    ------
    StorageError
        The index cannot be used, or a process of this name runs already.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
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
            beat=_Beater(db, name),
        )
        log.info("event=started process=%s pid=%d", name, os.getpid())
        process.beat()
        try:
            yield process
        finally:
            with db.write() as session:
                forget_beat(session, name)
            db.close()
            log.info("event=left process=%s pid=%d", name, os.getpid())


def _watch(lifeline: int, stop: threading.Event) -> None:
    os.read(lifeline, 1)
    stop.set()


class _Beater:
    """Write the sign of life when `BEAT_SECONDS` have passed or the detail has changed.

    One that cannot be written (the disk is full) is missing in `status` and stops nobody: the next may be.
    """

    def __init__(self, db: Database, name: str) -> None:
        self._db = db
        self._name = name
        self._started_at = time.time()
        self._last = float("-inf")
        self._detail = ""

    def __call__(self, detail: Mapping[str, object] | None = None) -> None:
        text = self._detail if detail is None else json.dumps(detail, sort_keys=True)
        if text == self._detail and time.monotonic() - self._last < BEAT_SECONDS:
            return
        self._last, self._detail = time.monotonic(), text
        try:
            with self._db.write() as session:
                record_beat(
                    session, self._name, pid=os.getpid(), started_at=self._started_at, now=time.time(), detail=text
                )
        except StorageError as error:
            log.warning("event=beat_not_written process=%s error=%r", self._name, str(error))
