"""Proof of delivery: which `sent` results still have to be asked after, and what becomes of them.

A row of the outbox that is to be proven has `proof_due_at`, and is `sent`. Whoever asks pushes that moment into the
future first (compare-and-set: the lease of this room), so a death at any line only makes the row due again. The
row leaves `sent` as `proven`, or for `due` or `dead` if its destination says that it does not have the object.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from storage.database import Database
from storage.outbox import LONGEST_TEXT
from storage.schema import Commitment, CommitmentItem, Outbox, Report, Result

BATCH = 64  # rows of one claim; an exam has about ten results
# Objects of one study that are due so soon after the first are asked after with it.
GATHER_SECONDS = 10.0
MOST_RACES = 8  # claims of one call that others win; the next call follows soon
# No question waits for longer: a report may be given a week. What lies further ahead was set by a clock that was wrong.
LONGEST_WAIT_SECONDS = 700_000.0


@dataclass(frozen=True)
class Unproven:
    """One result that a destination has taken, and of which there is no proof yet.

    Parameters
    ----------
    outbox_id
        The row.
    sent_at
        When it was taken last (Unix seconds).
    denials
        How often the destination has said that it does not have it, since the row was enqueued or requeued.
    error
        What the last question came to; "" if it has not been asked after since it was sent or taken up.
    last_request
        What became of the last request for commitment that is closed: the state of its row; "" if there was none.
    last_reason
        Failure Reason of that request for this object; None without one.
    """

    outbox_id: int
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    sent_at: float
    denials: int
    error: str = ""
    last_request: str = ""
    last_reason: int | None = None


@dataclass(frozen=True)
class Next:
    """What becomes of a row that was asked after and is not proven.

    Parameters
    ----------
    state
        `sent`: to be asked after again at `at` (None: never). `due`: to be sent again at `at`. `dead`: a person has to
        look.
    text
        Why, in an administrator's words.
    """

    state: Literal["sent", "due", "dead"]
    at: float | None
    text: str


def take_up(db: Database, destination: str, *, now: float) -> int:
    """Let everything be asked after that a destination has taken, and that nobody asks after; gives how many rows.

    Such rows come from a time when nobody asked: an index that was made again, an older version of this program, a
    setting `proof` that was "none"; or their proof was given up. Each is asked after once at least.
    """
    with db.write() as session:
        unasked = and_(Outbox.destination == destination, Outbox.state == "sent", Outbox.proof_due_at.is_(None))
        return _change(session, unasked, {"proof_due_at": now, "proof_error": ""})


def claim(db: Database, destination: str, *, now: float, lease_seconds: float) -> list[Unproven]:
    """Take what is to be asked after of one study at a destination; it is due again after `lease_seconds`.

    Returns
    -------
    list[Unproven]
        Empty if nothing is due: the index is only read then. Empty also if others were faster `MOST_RACES` times.
    """
    for _ in range(MOST_RACES):
        with db.read() as session:
            chosen = _next_of_a_study(session, destination, now)
        if not chosen:
            break
        with db.write() as session:
            leased = session.scalars(_lease(chosen, destination, now=now, until=now + lease_seconds)).all()
            if leased:
                return _unproven(session, leased)
    return []


def prove(db: Database, rows: Collection[Unproven], *, by: str, now: float) -> int:
    """Record that objects are at their destination; gives how many rows are proven by it."""
    with db.write() as session:
        return prove_in(session, [row.outbox_id for row in rows], by=by, now=now)


def prove_in(session: Session, outbox_ids: Collection[int], *, by: str, now: float) -> int:
    """As `prove`, inside the caller's transaction. Rows that are not `sent` any more stay as they are."""
    values = {"state": "proven", "proven_at": now, "proven_by": by, "proof_due_at": None, "proof_error": ""}
    return _change(session, and_(Outbox.id.in_(outbox_ids), is_sent()), values)


def settle(db: Database, fates: Iterable[tuple[Unproven, Next]]) -> None:
    """Record what becomes of rows that are not proven."""
    with db.write() as session:
        for row, fate in fates:
            settle_in(session, row, fate)


def settle_in(session: Session, row: Unproven, fate: Next) -> bool:
    """As `settle`, inside the caller's transaction.

    Returns
    -------
    bool
        False if the row is not `sent` any more, or was sent again or denied meanwhile: then it stays as it is.
    """
    same = and_(
        Outbox.id == row.outbox_id,
        is_sent(),
        func.coalesce(Outbox.sent_at, 0.0) == row.sent_at,
        Outbox.proof_attempts == row.denials,
    )
    text = fate.text[:LONGEST_TEXT]
    if fate.state == "sent":
        return _change(session, same, {"proof_due_at": fate.at, "proof_error": text}) == 1
    values: dict[str, object] = {"state": fate.state, "proof_due_at": None, "proof_error": text, "last_error": text}
    values["proof_attempts"] = row.denials + 1
    if fate.state == "due":
        values |= {"next_try_at": fate.at, "attempts": 0, "first_try_at": None}
    return _change(session, same, values) == 1


def postpone(db: Database, destination: str, *, now: float, until: float, text: str) -> int:
    """Put off everything that is due at a destination which cannot be asked now; gives how many rows."""
    with db.write() as session:
        due = and_(_waits_for(destination), Outbox.proof_due_at <= now)
        return _change(session, due, {"proof_due_at": until, "proof_error": text[:LONGEST_TEXT]})


def waiting(session: Session) -> dict[str, dict[str, int]]:
    """Count for each destination what waits for its proof, and the requests for commitment without a report."""
    found: dict[str, dict[str, int]] = {}
    rows = session.execute(
        select(Outbox.destination, func.count())
        .where(Outbox.proof_due_at > 0.0)  # by its index; "is not null" is a look at every row to SQLite
        .group_by(Outbox.destination)
        .order_by(Outbox.destination)
    )
    for destination, count in rows:
        found[destination] = {"unproven": count, "open_requests": 0}
    asked = select(Commitment.destination, func.count()).where(Commitment.state == "asked")
    for destination, count in session.execute(asked.group_by(Commitment.destination)):
        found.setdefault(destination, {"unproven": 0})["open_requests"] = count
    return found


def requests_for(session: Session, outbox_id: int) -> list[dict[str, object]]:
    """Tell of each request for commitment of one row: when, what became of it, and why the peer does not commit."""
    rows = session.execute(
        select(Commitment, CommitmentItem)
        .join(CommitmentItem, CommitmentItem.commitment_id == Commitment.id)
        .where(CommitmentItem.outbox_id == outbox_id)
        .order_by(Commitment.id)
    )
    return [
        {
            "asked_at": r.asked_at,
            "state": r.state,
            "reported_at": r.reported_at,
            "outcome": i.outcome,
            "reason": i.reason,
        }
        for r, i in rows
    ]


def load(session: Session, outbox_ids: Sequence[int]) -> list[Unproven]:
    """Give those of some rows that are `sent`, inside the caller's transaction."""
    return _unproven(session, outbox_ids)


def is_sent() -> ColumnElement[bool]:
    """Ask for the state without its index: by what else is asked a row is one of few, by its state of very many."""
    return Outbox.state.concat("") == "sent"


def _next_of_a_study(session: Session, destination: str, now: float) -> list[int]:
    """Choose the row that is due first, and what is due so soon that it goes with it; only read."""
    head = _head(session, destination, Outbox.proof_due_at <= now)
    if head is None:  # asked by itself: with "or" in one statement the index would not give the order of the rows
        head = _head(session, destination, _too_far_ahead(now))
    if head is None:
        return []
    exam_id, study = session.execute(
        select(Report.exam_id, Result.study_instance_uid)
        .join(Result, Result.report_id == Report.id)
        .join(Outbox, Outbox.result_id == Result.id)
        .where(Outbox.id == head)
    ).one()
    # By way of the exam, as the results of a study are in no index, and what is due may be very many rows.
    rows = session.scalars(
        select(Outbox.id)
        .join(Result, Result.id == Outbox.result_id)
        .join(Report, Report.id == Result.report_id)
        .where(Report.exam_id == exam_id, Result.study_instance_uid == study)
        .where(_waits_for(destination), _may_go(now), ~_is_asked())
        .order_by(Outbox.proof_due_at, Outbox.id)
        .limit(BATCH)
    )
    return list(rows)


def _head(session: Session, destination: str, due: ColumnElement[bool]) -> int | None:
    chosen = select(Outbox.id).where(_waits_for(destination), due, ~_is_asked())
    return session.scalar(chosen.order_by(Outbox.proof_due_at, Outbox.id).limit(1))


def _lease(chosen: Collection[int], destination: str, *, now: float, until: float) -> ReturningUpdate[int]:
    """Write the claim of rows that were chosen by reading; it takes those of them for which all of it holds still.

    What is asked here is what was asked in the choice, with the same moments: a row that is chosen is also taken, or
    another process has changed it meanwhile.
    """
    return (
        update(Outbox)
        .where(Outbox.id.in_(chosen), _waits_for(destination), _may_go(now), ~_is_asked())
        .values(proof_due_at=until)
        .returning(Outbox.id)
        .execution_options(synchronize_session=False)
    )


def _waits_for(destination: str) -> ColumnElement[bool]:
    return and_(Outbox.destination == destination, is_sent())


def _may_go(now: float) -> ColumnElement[bool]:
    return or_(Outbox.proof_due_at <= now + GATHER_SECONDS, _too_far_ahead(now))


def _too_far_ahead(now: float) -> ColumnElement[bool]:
    return Outbox.proof_due_at > now + LONGEST_WAIT_SECONDS


def _is_asked() -> ColumnElement[bool]:
    """Go by the row, which is in few requests: of open requests there may be thousands."""
    return (
        select(CommitmentItem.id)
        .join(Commitment, Commitment.id == CommitmentItem.commitment_id)
        .where(CommitmentItem.outbox_id == Outbox.id, Commitment.state.concat("") == "asked")
        .exists()
    )


def _unproven(session: Session, outbox_ids: Sequence[int]) -> list[Unproven]:
    last = {
        outbox_id: (state, reason)
        for outbox_id, state, reason in session.execute(
            select(CommitmentItem.outbox_id, Commitment.state, CommitmentItem.reason)
            .join(Commitment, Commitment.id == CommitmentItem.commitment_id)
            .where(CommitmentItem.outbox_id.in_(outbox_ids), Commitment.state != "asked")
            .order_by(CommitmentItem.id)
        )
    }
    rows = session.execute(
        select(
            Outbox.id, Result.sop_class_uid, Result.sop_instance_uid, Result.study_instance_uid,
            Result.series_instance_uid, func.coalesce(Outbox.sent_at, 0.0), Outbox.proof_attempts, Outbox.proof_error,
        )
        .join(Result, Result.id == Outbox.result_id)
        .where(Outbox.id.in_(outbox_ids), is_sent())
        .order_by(Outbox.id)
    )  # fmt: skip
    return [Unproven(*row, *last.get(row.id, ("", None))) for row in rows]


def _change(session: Session, chosen: ColumnElement[bool], values: dict[str, object]) -> int:
    statement = update(Outbox).where(chosen).values(**values).execution_options(synchronize_session=False)
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]
