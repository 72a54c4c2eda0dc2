"""What is known of each destination as a whole: its circuit breaker, shared by all couriers and kept over restarts.

Every change is a compare-and-set, so that of several couriers one opens it, one probes at a time, and one closes it.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from storage.database import Database
from storage.losses import LOST_OFTEN
from storage.outbox import LONGEST_TEXT
from storage.schema import DestinationState, Outbox
from storage.trying import first_try

# Refusals that say nothing of the object: the peer had no room, or failed (PS3.7 C.4.2, C.5.8; PS3.4 Table B.2-1).
PASSING_STATUSES = (0x0110, 0x0213)
OUT_OF_RESOURCES = (0xA700, 0xA7FF)


@dataclass(frozen=True)
class Condition:
    """How a destination is.

    Parameters
    ----------
    is_open
        True while its breaker is open: results wait, and only a probe goes there.
    failures
        How often in a row it failed as a whole since it last answered for an object, probes included.
    changed_at
        When the breaker was opened or closed last (Unix seconds).
    next_probe_at
        When it is asked next whether it is there.
    last_error
        Why it failed last, in an administrator's words.
    """

    destination: str
    is_open: bool = False
    failures: int = 0
    changed_at: float = 0.0
    next_probe_at: float = 0.0
    last_error: str = ""


def condition(db: Database, destination: str) -> Condition:
    """Give the condition of a destination; one of which nothing is known is well."""
    with db.read() as session:
        row = session.get(DestinationState, destination)
        return Condition(destination) if row is None else _condition(row)


def conditions(session: Session) -> list[Condition]:
    """List every destination that has ever failed, by name."""
    return [_condition(row) for row in session.scalars(select(DestinationState).order_by(DestinationState.destination))]


def note_failures(db: Database, destination: str, *, count: int, now: float, error: str) -> Condition:
    """Count failures of a destination as a whole; gives its condition then."""
    with db.write() as session:
        _ensure(session, destination, now)
        _change(session, destination, failures=DestinationState.failures + count, last_error=error[:LONGEST_TEXT])
        return _condition(session.get_one(DestinationState, destination))


def note_answer(db: Database, destination: str) -> None:
    """Take note that it has answered for an object: failures are no longer in a row."""
    if condition(db, destination).failures:
        with db.write() as session:
            _change(session, destination, failures=0)


def open_breaker(db: Database, destination: str, *, now: float, next_probe_at: float) -> bool:
    """Open the breaker: from now on each probe is a try of all that waits.

    Returns
    -------
    bool
        False if another courier has opened it.
    """
    with db.write() as session:
        values = {"breaker": "open", "changed_at": now, "next_probe_at": next_probe_at}
        if not _change(session, destination, *_is("closed"), **values):
            return False
        _set(session, and_(*_waiting(destination)), first_try_at=first_try(now - Outbox.next_try_at, now=now))
        return True


def take_probe(db: Database, seen: Condition, *, now: float, next_probe_at: float) -> bool:
    """Take a probe that is due, and set the next one: it comes even if this courier dies over its own.

    If it comes long after its time nobody tried in between, and that time does not count for what waits.

    Returns
    -------
    bool
        False if another courier has it, or the breaker is closed.
    """
    with db.write() as session:
        unchanged = (*_is("open"), DestinationState.next_probe_at == seen.next_probe_at)
        failures = DestinationState.failures + 1
        if not _change(session, seen.destination, *unchanged, next_probe_at=next_probe_at, failures=failures):
            return False
        late = literal(now - seen.next_probe_at)
        _set(session, and_(*_waiting(seen.destination)), first_try_at=first_try(late, now=now))
        return True


def note_silence(db: Database, destination: str, *, now: float, error: str) -> None:
    """Record that a probe failed: to all that waits there this was a try."""
    with db.write() as session:
        _change(session, destination, *_is("open"), last_error=error[:LONGEST_TEXT])
        waiting = and_(*_waiting(destination), or_(Outbox.first_try_at.is_(None), Outbox.first_try_at > now))
        _set(session, waiting, first_try_at=now)


def close_breaker(db: Database, destination: str, *, now: float) -> int | None:
    """Close the breaker, and make everything due at once that waited for the destination, oldest first.

    What the peer refused for a reason of the object keeps its own wait, and so does an object for which no answer came
    several times: it may be what ended the peer.

    Returns
    -------
    int | None
        How many results are due; None if another courier has closed it.
    """
    with db.write() as session:
        if not _change(session, destination, *_is("open"), breaker="closed", changed_at=now):
            return None
        # What is due by itself becomes due now as well: until now the probes were its tries, and count.
        due = or_(and_(_passing(), Outbox.losses < LOST_OFTEN), Outbox.next_try_at < now)
        return _set(session, and_(*_waiting(destination), due), next_try_at=now)


def probe_now(db: Database, destination: str, *, now: float) -> bool:
    """Probe a destination at once, as a person has repaired something; False if its breaker is not open."""
    with db.write() as session:
        at_latest = _at_latest(DestinationState.next_probe_at, now)
        return _change(session, destination, *_is("open"), next_probe_at=at_latest)


def hasten(db: Database, destination: str, *, now: float) -> int:
    """Try everything at once that waits for a destination, but what it refused for a reason of the object.

    Returns
    -------
    int
        How many results that is; with an open breaker they go once a probe was answered.
    """
    with db.write() as session:
        chosen = and_(*_waiting(destination), _passing())
        return _set(session, chosen, next_try_at=_at_latest(Outbox.next_try_at, now))


def _passing() -> ColumnElement[bool]:
    answer = Outbox.last_status
    return or_(answer.is_(None), answer.in_(PASSING_STATUSES), answer.between(*OUT_OF_RESOURCES))


def _at_latest(moment: InstrumentedAttribute[float], now: float) -> ColumnElement[float]:
    """Bring a moment to now; one that is past stays, as it says how late the try is (see `storage.trying`)."""
    return case((moment > now, now), else_=moment)


def _waiting(destination: str) -> tuple[ColumnElement[bool], ...]:
    return (Outbox.state == "due", Outbox.destination == destination)


def _set(session: Session, chosen: ColumnElement[bool], **values: object) -> int:
    statement = update(Outbox).where(chosen).values(**values).execution_options(synchronize_session=False)
    return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]


def _is(breaker: str) -> tuple[ColumnElement[bool], ...]:
    return (DestinationState.breaker == breaker,)


def _ensure(session: Session, destination: str, now: float) -> None:
    known = select(func.count()).select_from(DestinationState).where(DestinationState.destination == destination)
    if not session.scalar(known):
        session.add(DestinationState(destination=destination, breaker="closed", changed_at=now))
        session.flush()


def _change(session: Session, destination: str, *chosen: ColumnElement[bool], **values: object) -> bool:
    statement = update(DestinationState).where(DestinationState.destination == destination, *chosen).values(**values)
    found = session.execute(statement.execution_options(synchronize_session="fetch"))
    return int(found.rowcount) == 1  # type: ignore[attr-defined]


def _condition(row: DestinationState) -> Condition:
    is_open = row.breaker == "open"
    return Condition(row.destination, is_open, row.failures, row.changed_at, row.next_probe_at, row.last_error)
