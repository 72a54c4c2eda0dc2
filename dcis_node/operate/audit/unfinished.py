"""Transfers that were announced and not told yet: a small file for each destination, so that a kill loses none.

The index knows what each destination has taken. What this adds is that somebody has to look.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from dcis_node.deliver.events import Event, ResultsSending, ResultsSent
from dcis_node.operate.audit.trail import Trail
from storage.database import Database
from storage.durable import replace_file
from storage.sent import sent_since

log = logging.getLogger(__name__)

SUFFIX = ".open"
# The time of a row and that of the file are taken one after the other.
SLACK_SECONDS = 1.0


class CourierTrail:
    """The audit trail of a courier: `tell` is its `Notify`, callable from the threads of all destinations.

    Parameters
    ----------
    folder
        Of the audit trail.
    process
        Name of the courier; the same after a restart, and no one else's.
    """

    def __init__(self, trail: Trail, folder: Path, process: str, *, clock: Callable[[], float] = time.time) -> None:
        self._trail = trail
        self._folder = folder
        self._process = process
        self._clock = clock

    def tell(self, event: Event) -> None:
        """Take an announcement, or what came of it."""
        if isinstance(event, ResultsSending):
            self._note(event)
            self._trail.tell(event)
        else:
            self._trail.tell(event)
            self._path(event.sending.destination).unlink(missing_ok=True)

    def tell_unfinished(self, db: Database) -> None:
        """Tell what a predecessor that was killed had sent, as the index has it.

        Raises
        ------
        StorageError
            The index cannot be read.
        """
        for path in sorted(self._folder.glob(f"{self._process}.*{SUFFIX}")):
            found = _read(path)
            if found is not None:
                sending, at = found
                taken = sent_since(db, sending.destination, sending.study_instance_uid, since=at - SLACK_SECONDS)
                self._trail.tell(ResultsSent(sending, taken))
            path.unlink(missing_ok=True)

    def _note(self, sending: ResultsSending) -> None:
        note = json.dumps({"at": self._clock(), "sending": asdict(sending)}).encode()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self._path(sending.destination), note, mode=0o600)
        except OSError as error:
            log.error("event=audit_not_written error=%s text='a transfer is not noted'", error.strerror)

    def _path(self, destination: str) -> Path:
        return self._folder / f"{self._process}.{destination}{SUFFIX}"


def _read(path: Path) -> tuple[ResultsSending, float] | None:
    """Read a note; one that is damaged says nothing."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        classes = tuple((str(uid), int(count)) for uid, count in values["sending"].pop("sop_classes"))
        return ResultsSending(**values["sending"], sop_classes=classes), float(values["at"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("event=audit_note_unreadable error=%s", type(error).__name__)
        return None
