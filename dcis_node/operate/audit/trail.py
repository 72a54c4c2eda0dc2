"""The audit trail of one process: what it tells is on disk before it goes on."""

import errno
import logging
import os
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dcis_node.config import Configuration
from dcis_node.operate.audit.events import Event, NodeStarted, NodeStopped, RecordingGap
from dcis_node.operate.audit.flood import Flood
from dcis_node.operate.audit.folder import audit_folder
from dcis_node.operate.audit.journal import Journal
from dcis_node.operate.audit.message import AuditSource
from dcis_node.operate.audit.syslog import syslog_line
from dcis_node.operate.audit.telling import messages_of
from dcis_node.receive.events import PeerRefused

log = logging.getLogger(__name__)

# Messages that wait in memory while the disk takes none; 2 MB.
MOST_WAITING = 1000
ROUND_SECONDS = 1.0


class Trail:
    """Takes events from all threads of a process.

    A message is written (so that no kill of this process loses it) and put on disk (so that no power cut does) before
    `tell` returns. Alerts are put on disk within a second, by `round`: a scanner must not keep the accepting thread
    waiting for the disk. While the disk takes nothing, messages wait in memory; what does not fit there is counted, and
    told as a gap in the recording.

    Parameters
    ----------
    clock, monotonic
        Unix seconds; seconds that never go back.
    """

    def __init__(
        self,
        journal: Journal,
        source: AuditSource,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._source = source
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._flood = Flood()
        self._count = 0
        self._waiting: deque[bytes] = deque()
        self._unsynced = False
        self._refused: Counter[str] = Counter()
        self._gap: RecordingGap | None = None

    def tell(self, event: Event) -> None:
        """Take one event; never raises: what goes wrong here must not stop what is told of."""
        try:
            with self._lock:
                self._tell(event)
        except Exception as error:  # noqa: BLE001 -- the edge to all that tell: recorded
            log.error("event=audit_failed told=%s error=%s", type(event).__name__, type(error).__name__)

    def round(self, *, everything: bool = False) -> None:
        """Tell the counts of refusals whose minute is over, write what could not be written, put all on disk."""
        with self._lock:
            for again in self._flood.due(now=self._monotonic(), everything=everything):
                self._add(again)
            if self._waiting or self._unsynced:
                self._write(sync=True)

    def close(self) -> None:
        """Write what is left and let go of the file; what the disk does not take now is lost, and the log says so."""
        self.round(everything=True)
        with self._lock:
            if self._waiting:
                log.error("event=audit_lost messages=%d", len(self._waiting))
            self._journal.close()

    def refused(self) -> dict[str, int]:
        """Count the refusals of this process by rule, all of them."""
        with self._lock:
            return dict(self._refused)

    def _tell(self, event: Event) -> None:
        if isinstance(event, PeerRefused):
            self._refused[event.rule] += 1
        if isinstance(event, PeerRefused) and not self._flood.is_first(event, now=self._monotonic()):
            return
        self._add(event)
        self._write(sync=not isinstance(event, PeerRefused))

    def _add(self, event: Event) -> None:
        if len(self._waiting) >= MOST_WAITING and self._gap is not None:
            self._gap = RecordingGap(self._gap.lost + 1, self._gap.since, self._gap.why)
            return
        for message in messages_of(event, self._source, at=self._clock()):
            self._count += 1
            self._waiting.append(syslog_line(message, self._source, number=self._count))

    def _write(self, *, sync: bool) -> None:
        try:
            while self._waiting:
                self._journal.append(self._waiting[0])
                self._waiting.popleft()
                self._unsynced = True
            if sync:
                self._journal.sync()
                self._unsynced = False
        except OSError as error:
            self._failed(error)
            return
        if self._gap is not None:
            self._recovered(self._gap)

    def _failed(self, error: OSError) -> None:
        if self._gap is None:
            why = errno.errorcode.get(error.errno or 0, type(error).__name__)
            self._gap = RecordingGap(0, self._clock(), why)
            log.error("event=audit_not_written error=%s text='kept in memory until the disk takes it'", why)

    def _recovered(self, gap: RecordingGap) -> None:
        log.warning("event=audit_written_again lost=%d", gap.lost)
        self._gap = None
        self._add(gap)
        self._write(sync=True)


@contextmanager
def audit_trail(configuration: Configuration, name: str, *, is_node: bool) -> Iterator[Trail]:
    """Keep the audit trail of a process until the end of the block.

    Parameters
    ----------
    name
        Of the process, unique on this data folder.
    is_node
        True for what an administrator has started: its start and its end are events.
    """
    source = AuditSource(
        configuration.node.aet, socket.gethostname(), name, os.getpid(), site=configuration.node.institution
    )
    trail = Trail(Journal(audit_folder(configuration), name), source)
    stop = threading.Event()
    thread = threading.Thread(target=_rounds, args=(trail, stop), name="audit", daemon=True)
    thread.start()
    try:
        if is_node:
            trail.tell(NodeStarted())
        yield trail
    finally:
        stop.set()
        thread.join()
        if is_node:
            trail.tell(NodeStopped())
        trail.close()


def _rounds(trail: Trail, stop: threading.Event) -> None:
    while not stop.wait(ROUND_SECONDS):
        trail.round()
