"""What a step back of the wall clock would freeze, brought back: moments that lie further ahead than any that is set.

Everything in the index that waits does so until a moment of the wall clock. After a step of a day back it would wait a
day longer. No wait is set for longer than its bound, so a moment beyond it was set by a clock that was ahead, and what
waits for it is due. A step ahead needs nothing: what waited is due early, which all waiting here can bear, and what is
late counts less (see `storage.trying`).
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.database import Database
from storage.losses import LONGEST_PUT_OFF_SECONDS, LOST_OFTEN
from storage.schema import Association, Commitment, DestinationState, Exam, Heartbeat, Instance, Outbox, Retrieval
from storage.work import affected

SLACK_SECONDS = 60.0


@dataclass(frozen=True)
class LongestWaits:
    """The longest wait of each sort that the settings allow, seconds; `proof` is also that for a report."""

    delivery: float
    proof: float
    delivery_lease: float
    analysis_lease: float
    retry: float = 3600.0


def bring_back(db: Database, waits: LongestWaits, *, now: float) -> int:
    """Let nothing wait longer than it may; gives how many rows were changed.

    A lease on a view or an exam whose owner shows a sign of life stays as it is: its holder writes by it, and a
    successor of the same name takes it back at its start. One that no one holds any more ends after its usual time.

    Raises
    ------
    StorageError
        The index cannot be used; nothing was changed.
    """
    with db.write() as session:
        living = set(session.scalars(select(Heartbeat.process)))
        return sum(
            _bring(session, column, now + most, to, *chosen)
            for column, most, to, chosen in _waiting(waits, living, now)
        )


Waiting = tuple[InstrumentedAttribute[Any], float, float, tuple[ColumnElement[bool], ...]]


def _waiting(waits: LongestWaits, living: set[str], now: float) -> tuple[Waiting, ...]:
    """Give for each column: how far ahead it may lie, what it becomes if it lies further, and of which rows."""
    abandoned = tuple(~Instance.lease_owner.startswith(f"{name}@", autoescape=True) for name in sorted(living))
    left = tuple(~Exam.lease_owner.startswith(f"{name}@", autoescape=True) for name in sorted(living))
    return (
        (Outbox.next_try_at, max(waits.delivery, waits.retry), now,
         (Outbox.state == "due", Outbox.losses < LOST_OFTEN)),
        (Outbox.next_try_at, LONGEST_PUT_OFF_SECONDS, now, (Outbox.state == "due",)),
        (Outbox.lease_until, waits.delivery_lease, now + waits.delivery_lease, (Outbox.state == "leased",)),
        (Outbox.proof_due_at, waits.proof, now, (Outbox.proof_due_at.is_not(None),)),
        # Until then its objects are asked after by nobody; and how long they wait counts from when they were sent.
        (Commitment.due_at, waits.proof, now, (Commitment.state == "asked",)),
        (Outbox.sent_at, 0.0, now, (Outbox.state == "sent",)),
        (DestinationState.next_probe_at, max(waits.delivery, waits.retry), now, ()),
        (Instance.next_try_at, waits.retry, now, (Instance.analysis == "pending",)),
        (Instance.lease_until, waits.analysis_lease, now + waits.analysis_lease,
         (Instance.analysis == "leased", *abandoned)),
        (Exam.lease_until, max(waits.analysis_lease, waits.retry), now, (Exam.state == "due", *left)),
        (Exam.opened_at, 0.0, now, (Exam.state == "open",)),
        (Exam.last_image_at, 0.0, now, (Exam.state == "open",)),
        (Association.closed_at, 0.0, now, (Association.closed_at.is_not(None),)),
        (Retrieval.next_try_at, waits.retry, now, (Retrieval.state == "due",)),
        (Retrieval.lease_until, waits.retry, now + waits.retry, (Retrieval.state == "leased",)),
    )  # fmt: skip


def _bring(
    session: Session,
    column: InstrumentedAttribute[Any],
    most: float,
    to: float,
    *chosen: ColumnElement[bool],
) -> int:
    return affected(
        session, update(column.class_).where(column > most + SLACK_SECONDS, *chosen).values({column.key: to})
    )
