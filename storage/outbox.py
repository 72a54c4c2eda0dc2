"""The outbox: which result still has to go where, handed out by compare-and-set under a lease.

At-least-once: a row leaves `leased` as `sent` only after the peer's answer, so a death at any line sends the same
bytes again. Rows are never deleted here.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Update, and_, func, or_, select, update
from sqlalchemy.orm import Session

from storage.database import Database
from storage.schema import DeliveryAttempt, Outbox, Result
from storage.trying import first_try

BATCH = 64  # rows of one claim; an exam has about ten results
STATES = ("due", "leased", "dead", "dismissed", "sent", "proven")  # nearly all rows end in one of the last two
THERE = ("sent", "proven")  # the peer has it
LONGEST_WAIT_SECONDS = 90000.0  # no try is put off for longer: the longest that may be configured is a day
LONGEST_TEXT = 500  # characters of an error that are kept


@dataclass(frozen=True)
class Parcel:
    """One result on its way to one destination, leased to the owner that claimed it.

    Parameters
    ----------
    outbox_id
        The row.
    sha256
        Digest of the stored file; the bytes are the same in every attempt.
    attempts
        Times this row was tried since it was enqueued or requeued, this time included.
    first_try_at
        Since when it is tried (Unix seconds), less the time in which nobody tried.
    losses
        How often in a row no answer came for it before.
    """

    outbox_id: int
    destination: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    study_instance_uid: str
    sha256: str
    attempts: int
    first_try_at: float
    losses: int = 0


def enqueue(session: Session, result_ids: Iterable[int], destinations: Collection[str], *, now: float) -> int:
    """Add a row for each result and destination, inside the caller's transaction.

    Rows that exist already stay as they are, so a decision that is written twice sends nothing twice.

    Returns
    -------
    int
        How many rows are new.
    """
    wanted = [(result_id, name) for result_id in dict.fromkeys(result_ids) for name in dict.fromkeys(destinations)]
    known = select(Outbox.result_id, Outbox.destination).where(Outbox.result_id.in_({key for key, _ in wanted}))
    there = {(result_id, name) for result_id, name in session.execute(known)}
    new = [key for key in wanted if key not in there]
    session.add_all(Outbox(result_id=key, destination=name, state="due", next_try_at=now) for key, name in new)
    session.flush()
    return len(new)


def claim(
    db: Database, *, owner: str, now: float, lease_seconds: float, destination: str | None = None
) -> list[Parcel]:
    """Lease what is due of one study for one destination, so that one association carries an exam's objects.

    Rows that were lost or tried least often come first: one that kills its courier, or the peer, each time cannot hold
    up the others. Leases that ran out are handed out again.

    Returns
    -------
    list[Parcel]
        Empty if nothing is due. The index is only read then, so that an idle courier takes no write lock.
    """
    while True:
        with db.read() as session:
            head = session.execute(
                select(Outbox.destination, Result.study_instance_uid)
                .join(Result, Result.id == Outbox.result_id)
                .where(_claimable(now), *_going_to(destination))
                .order_by(Outbox.losses, Outbox.attempts, Outbox.next_try_at, Outbox.id)
                .limit(1)
            ).first()
        if head is None:
            return []
        with db.write() as session:
            statement = lease_statement(
                head.destination, head.study_instance_uid, owner=owner, now=now, lease_seconds=lease_seconds
            )
            parcels = _parcels(session, session.scalars(statement).all())
        if parcels:
            return parcels


def lease_statement(
    destination: str, study_instance_uid: str, *, owner: str, now: float, lease_seconds: float
) -> Update:
    """Write the claim: the only place where rows become leased.

    Two claimants get different rows, as writers take turns (`storage.engines.write_engine`).
    """
    chosen = (
        select(Outbox.id)
        .join(Result, Result.id == Outbox.result_id)
        .where(_claimable(now), Outbox.destination == destination, Result.study_instance_uid == study_instance_uid)
        .order_by(Outbox.losses, Outbox.attempts, Outbox.id)
        .limit(BATCH)
    )
    return (
        update(Outbox)
        .where(Outbox.id.in_(chosen.scalar_subquery()), _claimable(now))
        .values(
            state="leased",
            lease_owner=owner,
            lease_until=now + lease_seconds,
            attempts=Outbox.attempts + 1,
            first_try_at=func.coalesce(first_try(now - Outbox.next_try_at, now=now), now),
        )
        .returning(Outbox.id)
        .execution_options(synchronize_session=False)
    )


def renew(db: Database, parcels: Collection[Parcel], *, owner: str, now: float, lease_seconds: float) -> bool:
    """Hold parcels longer; False if one of them is no longer this owner's."""
    ids = {parcel.outbox_id for parcel in parcels}
    with db.write() as session:
        return _change(session, _held(ids, owner), lease_until=now + lease_seconds) == len(ids)


def release(db: Database, parcels: Collection[Parcel], *, owner: str) -> None:
    """Give back parcels that were not tried: due at once, and the attempt does not count."""
    with db.write() as session:
        held = _held({parcel.outbox_id for parcel in parcels}, owner)
        _change(session, held, state="due", lease_owner="", lease_until=0.0, attempts=Outbox.attempts - 1)


def release_leases(db: Database, owner: str) -> int:
    """Give back everything a dead owner had leased; attempts stay counted, since one of them may have killed it.

    Returns
    -------
    int
        How many rows are due again.
    """
    with db.write() as session:
        mine = and_(Outbox.state == "leased", Outbox.lease_owner == owner)
        return _change(session, mine, state="due", lease_owner="", lease_until=0.0)


def mark_sent(
    db: Database, parcel: Parcel, *, now: float, status: int, note: str = "", proof_due_at: float | None = None
) -> bool:
    """Record that the peer has the object.

    It holds whoever has the lease by now: the object is there.

    Parameters
    ----------
    proof_due_at
        When its proof is to be asked for; None if it is not.

    Returns
    -------
    bool
        False if it was `sent` (or `proven`) already.
    """
    with db.write() as session:
        _add_attempt(session, parcel, now=now, status=status, error=note)
        unsent = and_(Outbox.id == parcel.outbox_id, Outbox.state.not_in(THERE))
        values = {"state": "sent", "sent_at": now, "last_status": status, "last_error": note[:LONGEST_TEXT]}
        values |= {"lease_owner": "", "lease_until": 0.0, "proof_due_at": proof_due_at, "losses": 0}
        return _change(session, unsent, **values) == 1


def mark_retry(
    db: Database,
    parcel: Parcel,
    *,
    owner: str,
    now: float,
    next_try_at: float,
    status: int | None,
    error: str,
    tried: bool = True,
) -> bool:
    """Record a failure that may pass, and push the row back in time.

    Parameters
    ----------
    tried
        False if the destination as a whole failed: the attempt does not count.

    Returns
    -------
    bool
        False if the lease was lost; the row then stays as its new owner has it.
    """
    values: dict[str, object] = {"state": "due", "next_try_at": next_try_at}
    if not tried:
        values["attempts"] = parcel.attempts - 1
    return _fail(db, parcel, owner, now, status, error, values)


def mark_dead(db: Database, parcel: Parcel, *, owner: str, now: float, status: int | None, error: str) -> bool:
    """Record a failure that a person has to look at; `requeue` revives it. False if the lease was lost."""
    return _fail(db, parcel, owner, now, status, error, {"state": "dead"})


def requeue(
    db: Database, *, now: float, destination: str | None = None, outbox_ids: Collection[int] | None = None
) -> int:
    """Make dead rows due again, as if never tried; their delivery attempts stay on record.

    What was dismissed is revived only by its own number: a person has asked for this very exam.

    Returns
    -------
    int
        How many rows were revived.
    """
    chosen = [Outbox.state == "dead", *_going_to(destination)]
    if outbox_ids is not None:
        chosen = [Outbox.state.in_(("dead", "dismissed")), Outbox.id.in_(outbox_ids), *_going_to(destination)]
    with db.write() as session:
        values = {"state": "due", "next_try_at": now, "attempts": 0, "first_try_at": None, "dismissed_at": None}
        return _change(session, and_(*chosen), **values, losses=0, proof_attempts=0, proof_error="")


def count_answers(db: Database, parcel: Parcel, *, lowest: int, highest: int) -> int:
    """Count earlier answers with a status of a range, since the parcel was enqueued or requeued."""
    with db.read() as session:
        found = session.scalar(
            select(func.count())
            .select_from(DeliveryAttempt)
            .where(
                DeliveryAttempt.outbox_id == parcel.outbox_id,
                DeliveryAttempt.tried_at >= parcel.first_try_at,
                DeliveryAttempt.status.between(lowest, highest),
            )
        )
    return found or 0


def counts(db: Database) -> dict[str, dict[str, int]]:
    """Count rows by destination and state."""
    with db.read() as session:
        return count_parcels(session)


def count_parcels(session: Session) -> dict[str, dict[str, int]]:
    """Count rows by destination and state, without looking at each of the very many that are done.

    What is not done is counted in an index. What is done is `proven`, or `sent` where nothing was ever proven: for all
    destinations but the last it is counted too, and for the last it is the rest of all rows. A database counts all
    rows of a table much faster than some.
    """
    going = {state: list(_destinations(session, state)) for state in STATES}
    names = sorted({name for named in going.values() for name in named})
    done = {name: "proven" if name in going["proven"] else "sent" for name in names}
    last = names[-1:]
    found = {
        name: {state: _rows(session, name, state) for state in STATES if name not in last or state != done[name]}
        for name in names
    }
    for name in last:
        every = session.scalar(select(func.count()).select_from(Outbox)) or 0
        found[name][done[name]] = every - sum(sum(states.values()) for states in found.values())
    return {name: {state: count for state, count in states.items() if count} for name, states in found.items()}


def _destinations(session: Session, state: str) -> Iterator[str]:
    """Give each destination of a state once: from one to the next in the index, not over all rows."""
    first = select(func.min(Outbox.destination)).where(Outbox.state == state)
    name = session.scalar(first)
    while name is not None:
        yield name
        name = session.scalar(first.where(Outbox.destination > name))


def _rows(session: Session, destination: str, state: str) -> int:
    chosen = (Outbox.destination == destination, Outbox.state == state)
    return session.scalar(select(func.count()).select_from(Outbox).where(*chosen)) or 0


def _claimable(now: float) -> ColumnElement[bool]:
    # A time that no wait can have set was set by a clock that was wrong: without this the row would wait for ever.
    come = or_(Outbox.next_try_at <= now, Outbox.next_try_at > now + LONGEST_WAIT_SECONDS)
    waiting = and_(Outbox.state == "due", come)
    abandoned = and_(Outbox.state == "leased", Outbox.lease_until <= now)
    return or_(waiting, abandoned)


def _going_to(destination: str | None) -> list[ColumnElement[bool]]:
    return [] if destination is None else [Outbox.destination == destination]


def _held(ids: Collection[int], owner: str) -> ColumnElement[bool]:
    return and_(Outbox.id.in_(ids), Outbox.state == "leased", Outbox.lease_owner == owner)


def _change(session: Session, chosen: ColumnElement[bool], **values: object) -> int:
    statement = update(Outbox).where(chosen).values(**values).execution_options(synchronize_session=False)
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]


def _parcels(session: Session, ids: Sequence[int]) -> list[Parcel]:
    rows = session.execute(
        select(
            Outbox.id, Outbox.destination, Result.sop_class_uid, Result.sop_instance_uid, Result.transfer_syntax_uid,
            Result.study_instance_uid, Result.sha256, Outbox.attempts,
            func.coalesce(Outbox.first_try_at, 0.0), Outbox.losses,
        )
        .join(Result, Result.id == Outbox.result_id)
        .where(Outbox.id.in_(ids))
        .order_by(Outbox.losses, Outbox.attempts, Outbox.id)
    )  # fmt: skip
    return [Parcel(*tuple(row)) for row in rows]


def _fail(
    db: Database, parcel: Parcel, owner: str, now: float, status: int | None, error: str, values: dict[str, object]
) -> bool:
    with db.write() as session:
        _add_attempt(session, parcel, now=now, status=status, error=error)
        values = {**values, "last_status": status, "last_error": error[:LONGEST_TEXT]}
        if status is not None:
            values["losses"] = 0
        held = _held({parcel.outbox_id}, owner)
        return _change(session, held, **values, lease_owner="", lease_until=0.0) == 1


def _add_attempt(session: Session, parcel: Parcel, *, now: float, status: int | None, error: str) -> None:
    attempt = DeliveryAttempt(outbox_id=parcel.outbox_id, tried_at=now, status=status, error=error[:LONGEST_TEXT])
    session.add(attempt)
    session.flush()
