"""Send the audit trail to the repository in order, at least once; remove what is old and sent."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from dcis_node.config import Configuration
from dcis_node.errors import DeliveryError
from dcis_node.operate.audit.folder import audit_folder
from dcis_node.operate.audit.journal import is_finished, journals, whole_lines
from dcis_node.operate.audit.progress import Progress, read_progress, write_progress
from dcis_node.operate.audit.repository import Repository, repository_of, send_batch

log = logging.getLogger(__name__)

BATCH = 500  # messages of one connection; a message has some 2 kB
POLL_SECONDS = 2.0
BACKOFF_FIRST_SECONDS = 5.0
BACKOFF_MOST_SECONDS = 300.0
CLEAN_SECONDS = 3600.0
DAY_SECONDS = 86400.0


@dataclass(frozen=True)
class Waiting:
    """One message that the repository does not have yet; `end` is the offset behind it in its file."""

    line: bytes
    path: Path
    end: int

    @property
    def at(self) -> bytes:
        """When it was written: behind "<85>1 " (RFC 5424 6), of one length, so that its order is that of time."""
        return self.line[6:33]


@dataclass
class Forwarder:
    """The sending side; one in a data folder, in one thread.

    Parameters
    ----------
    repository
        None keeps the trail here only.
    send
        Sends a batch; raises DeliveryError if it does not count as taken.
    """

    folder: Path
    repository: Repository | None
    keep_days: int
    clock: Callable[[], float] = time.time
    send: Callable[[Repository, Sequence[bytes]], None] = send_batch
    failures: int = field(default=0, init=False)

    def forward_next(self) -> bool:
        """Send one batch of what waits, the oldest first.

        A death at any line sends a batch again; nothing is passed over.

        Returns
        -------
        bool
            True if there was one and the repository took it.
        """
        if self.repository is None:
            return False
        progress = read_progress(self.folder)
        batch = list(itertools.islice(waiting(self.folder, progress), BATCH))
        if not batch:
            return False
        try:
            self.send(self.repository, [message.line for message in batch])
        except DeliveryError as error:
            self._failed(progress, str(error))
            return False
        offsets = progress.offsets | {message.path.name: message.end for message in batch}
        write_progress(self.folder, Progress(offsets, self.clock()))
        if self.failures:
            log.warning("event=audit_forwarded_again attempts=%d", self.failures + 1)
        self.failures = 0
        return True

    def wait_seconds(self) -> float:
        """Say how long to wait when there is nothing to do, or after failures."""
        if not self.failures:
            return POLL_SECONDS
        return float(min(BACKOFF_MOST_SECONDS, BACKOFF_FIRST_SECONDS * 2 ** min(self.failures - 1, 30)))

    def clean(self) -> int:
        """Remove files that nobody writes, that are older than `keep_days` and, with a repository, sent whole.

        Returns
        -------
        int
            How many.
        """
        progress = read_progress(self.folder)
        old = [path for path in journals(self.folder) if self._may_go(path, progress)]
        for path in old:
            path.unlink(missing_ok=True)
        if old:
            gone = {path.name for path in old}
            offsets = {name: end for name, end in progress.offsets.items() if name not in gone}
            write_progress(self.folder, replace(progress, offsets=offsets))
            log.info("event=audit_removed files=%d keep_days=%d", len(old), self.keep_days)
        return len(old)

    def _may_go(self, path: Path, progress: Progress) -> bool:
        if self.clock() - path.stat().st_mtime < self.keep_days * DAY_SECONDS or not is_finished(path):
            return False
        is_sent = not any(True for _ in whole_lines(path, progress.offsets.get(path.name, 0)))
        return is_sent or self.repository is None

    def _failed(self, progress: Progress, text: str) -> None:
        self.failures += 1
        log.warning("event=audit_not_forwarded attempt=%d text=%r", self.failures, text)
        write_progress(self.folder, replace(progress, failed_at=self.clock(), failure=text))


def waiting(folder: Path, progress: Progress) -> Iterator[Waiting]:
    """Go through what was not sent yet, in order of time; each file in its own order whatever the clocks did."""
    starts = ((path, progress.offsets.get(path.name, 0)) for path in journals(folder))
    open_ends = [_of_file(path, start) for path, start in starts if path.stat().st_size > start]
    return heapq.merge(*open_ends, key=lambda message: message.at)


def _of_file(path: Path, start: int) -> Iterator[Waiting]:
    for line, end in whole_lines(path, start):
        yield Waiting(line, path, end)


def forwarder_of(configuration: Configuration) -> Forwarder:
    """Give the forwarder of a configuration."""
    return Forwarder(
        audit_folder(configuration),
        repository_of(configuration.audit, configuration.base),
        configuration.audit.keep_days,
    )


@contextmanager
def forwarding(forwarder: Forwarder) -> Iterator[None]:
    """Forward in a thread until the end of the block; the batch that is under way then is finished."""
    stop = threading.Event()
    thread = threading.Thread(target=run_forwarder, args=(forwarder,), kwargs={"stop": stop}, name="audit", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def run_forwarder(forwarder: Forwarder, *, stop: threading.Event) -> None:
    """Forward until `stop` is set, after the batch that is under way; whatever goes wrong is logged and tried again."""
    clean_at = time.monotonic()
    while not stop.is_set():
        try:
            if time.monotonic() >= clean_at:
                forwarder.clean()
                clean_at = time.monotonic() + CLEAN_SECONDS
            if forwarder.forward_next():
                continue
        except Exception as error:  # noqa: BLE001 -- the edge of the thread: recorded, and it goes on
            forwarder.failures += 1
            log.error("event=audit_forwarder_failed error=%s", type(error).__name__)
        stop.wait(forwarder.wait_seconds())
