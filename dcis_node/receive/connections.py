"""The connections of one receiver process, on whichever listener they came, until the last of them has ended."""

import itertools
import logging
import threading
import time

from dcis_node.receive.admission import to_displace
from dcis_node.receive.association import ABORT_SECONDS, NodeAssociation

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
# Connections of one process that have not asked for an association yet; a newcomer displaces one (`to_displace`).
MOST_PENDING = 64
# A peer is silent if it has not asked within this time. Those that have only just come, or wait for their answer, are
# not cut off: each sender of a burst gets its answer, up to so many.
SILENT_SECONDS = 1.0
MOST_UNANSWERED = 256


class Connections:
    """What is open in this process; callable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        # In order of arrival; True once an association was asked for and not refused.
        self._open: dict[NodeAssociation, bool] = {}

    def number(self) -> int:
        """Give the number of the next connection; it names it in the logs."""
        return next(self._numbers)

    def add(self, association: NodeAssociation) -> None:
        """Take in a connection that has not asked for an association yet."""
        with self._lock:
            self._open[association] = False

    def admit(self, association: NodeAssociation) -> None:
        """Note that it has asked for an association and may have it."""
        with self._lock:
            self._open[association] = True

    def forget(self, association: NodeAssociation) -> None:
        """Note that it has ended."""
        with self._lock:
            self._open.pop(association, None)

    def make_room(self) -> NodeAssociation | None:
        """Displace a connection that is silent if there are too many; give the one that had to go."""
        with self._lock:
            pending = [association for association, admitted in self._open.items() if not admitted]
        if len(pending) < MOST_PENDING:
            return None
        silent = [association for association in pending if association.silent_seconds > SILENT_SECONDS]
        if not silent and len(pending) < MOST_UNANSWERED:
            return None
        candidates = silent or pending
        out = candidates[to_displace([association.address for association in candidates])]
        log.warning(
            "event=connection_displaced association=%d address=%s text='silent, and no place left'",
            out.number,
            out.address,
        )
        self.forget(out)
        out.drop()
        return out

    @property
    def count(self) -> int:
        """How many are open."""
        with self._lock:
            return len(self._open)

    def finish(self, grace_seconds: float) -> None:
        """Let what is being stored end, abort the rest, and wait for their threads."""
        deadline = time.monotonic() + grace_seconds
        while (left := self._all()) and time.monotonic() < deadline:
            for association in left:
                association.leave()
            left[0].join(POLL_SECONDS)
        for end in (NodeAssociation.abort_now, NodeAssociation.drop):
            for association in self._all():
                end(association)
            for association in self._all():
                association.join(ABORT_SECONDS)

    def _all(self) -> list[NodeAssociation]:
        with self._lock:
            return list(self._open)
