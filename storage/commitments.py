"""Requests for storage commitment (PS3.4 J.3) in the index: written before they are sent, so that no report is unknown.

A report may come in any process, late, twice, or after a restart: everything is in the rows, changed by
compare-and-set. The state of a request is the truth (see `storage.schema.Commitment`).
"""

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from storage.database import Database
from storage.proofs import LONGEST_WAIT_SECONDS, Next, Unproven, is_sent, load, prove_in, settle_in
from storage.schema import Commitment, CommitmentItem, Outbox, Result

# What becomes of an object that a report does not confirm: given the row, the Failure Reason, whether the report names
# the object at all, and the moment.
Judge = Callable[[Unproven, int | None, bool, float], Next]
NO_REPORT = "no report on the request for commitment came in time"


class Taken(StrEnum):
    """What a report was."""

    NEW = "new"
    REPEATED = "repeated"  # the same request was reported before
    UNKNOWN = "unknown"  # no request of ours


def open_request(
    db: Database, rows: Collection[Unproven], *, destination: str, transaction_uid: str, now: float, due_at: float
) -> None:
    """Write a request that is about to be sent; its objects are asked after anew at `due_at`, whatever happens."""
    with db.write() as session:
        request = Commitment(
            transaction_uid=transaction_uid, destination=destination, state="asked", asked_at=now, due_at=due_at
        )
        session.add(request)
        session.flush()
        session.add_all(CommitmentItem(commitment_id=request.id, outbox_id=row.outbox_id) for row in rows)
        _ask_again_at(session, [row.outbox_id for row in rows], due_at)


def await_report(db: Database, transaction_uid: str, *, due_at: float, text: str = "") -> bool:
    """Give the peer until `due_at` to report on a request; False if its report has come already.

    Parameters
    ----------
    text
        What is wrong with its answer, if anything is.
    """
    with db.write() as session:
        request = _request(session, transaction_uid)
        if request is None or request.state != "asked":
            return False
        request.due_at = due_at
        _ask_again_at(session, _objects(session, request), due_at, text)
        return True


def refuse_request(db: Database, transaction_uid: str, *, now: float, judge: Callable[[Unproven], Next]) -> None:
    """Record that the peer did not take a request; `judge` says what becomes of its objects."""
    with db.write() as session:
        request = _request(session, transaction_uid)
        if request is None or request.state != "asked":
            return
        request.state, request.reported_at = "refused", now
        session.flush()
        for row in load(session, _objects(session, request)):
            settle_in(session, row, judge(row))


def expire(db: Database, *, now: float) -> int:
    """Close requests of all destinations whose report did not come in time; their objects are due by themselves.

    Returns
    -------
    int
        How many; the index is only read if there are none.
    """
    over = or_(Commitment.due_at <= now, Commitment.due_at > now + LONGEST_WAIT_SECONDS)
    late = (Commitment.state == "asked", over)
    with db.read() as session:
        if session.scalar(select(Commitment.id).where(*late).limit(1)) is None:
            return 0
    with db.write() as session:
        asked = select(CommitmentItem.outbox_id).join(Commitment).where(*late)
        unproven = update(Outbox).where(Outbox.id.in_(asked), is_sent())
        session.execute(unproven.values(proof_error=NO_REPORT).execution_options(synchronize_session=False))
        statement = update(Commitment).where(*late).values(state="expired")
        return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]


def take_report(
    db: Database,
    *,
    transaction_uid: str,
    committed: Collection[str],
    failed: Mapping[str, int | None],
    now: float,
    judge: Judge,
) -> Taken:
    """Record a peer's report, durably: whoever answers it answers after this.

    A report on a request that had expired or was refused is late, not wrong: what it confirms is proven. What it does
    not confirm stays as it is then, as the objects were asked after anew, or sent again, meanwhile.

    Parameters
    ----------
    committed, failed
        SOP Instance UIDs that the peer will keep; and those that it will not, with its reasons.

    Raises
    ------
    StorageError
        The index cannot be written; nothing is recorded.
    """
    with db.write() as session:
        request = _request(session, transaction_uid)
        if request is None:
            return Taken.UNKNOWN
        if request.state == "reported":
            return Taken.REPEATED
        in_time = request.state == "asked"
        items = session.scalars(select(CommitmentItem).where(CommitmentItem.commitment_id == request.id)).all()
        uids = _uids(session, items)
        rows = load(session, list(uids))  # as they are before this report
        request.state, request.reported_at = "reported", now
        for item in items:
            uid = uids[item.outbox_id]
            if uid in committed:
                item.outcome = "committed"
            elif uid in failed:
                item.outcome, item.reason = "failed", failed[uid]
        session.flush()
        prove_in(session, [i.outbox_id for i in items if i.outcome == "committed"], by="commitment", now=now)
        left = {item.outbox_id: item for item in items if item.outcome != "committed"}
        for row in rows if in_time else ():
            if (open_item := left.get(row.outbox_id)) is not None:
                settle_in(session, row, judge(row, open_item.reason, open_item.outcome == "failed", now))
        return Taken.NEW


def _request(session: Session, transaction_uid: str) -> Commitment | None:
    return session.scalars(select(Commitment).where(Commitment.transaction_uid == transaction_uid)).first()


def _objects(session: Session, request: Commitment) -> list[int]:
    return list(session.scalars(select(CommitmentItem.outbox_id).where(CommitmentItem.commitment_id == request.id)))


def _uids(session: Session, items: Collection[CommitmentItem]) -> dict[int, str]:
    chosen = select(Outbox.id, Result.sop_instance_uid).join(Result, Result.id == Outbox.result_id)
    rows = session.execute(chosen.where(Outbox.id.in_({item.outbox_id for item in items})))
    return {row[0]: row[1] for row in rows}


def _ask_again_at(session: Session, outbox_ids: Collection[int], moment: float, text: str = "") -> None:
    chosen = update(Outbox).where(Outbox.id.in_(outbox_ids), is_sent())
    session.execute(chosen.values(proof_due_at=moment, proof_error=text).execution_options(synchronize_session=False))
