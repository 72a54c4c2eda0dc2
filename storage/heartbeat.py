"""The sign of life that each process leaves in the index."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.schema import Heartbeat


@dataclass(frozen=True)
class Beat:
    """One process as it last spoke; times are Unix seconds."""

    process: str
    pid: int
    started_at: float
    beat_at: float
    detail: str


def record_beat(session: Session, process: str, *, pid: int, started_at: float, now: float, detail: str = "") -> None:
    """Write the sign of life of `process`; there is one row for each name."""
    row = session.get(Heartbeat, process)
    if row is None:
        session.add(Heartbeat(process=process, pid=pid, started_at=started_at, beat_at=now, detail=detail))
        return
    row.pid, row.started_at, row.beat_at, row.detail = pid, started_at, now, detail


def forget_beat(session: Session, process: str) -> None:
    """Remove the sign of life of a process that left as it was told to."""
    row = session.get(Heartbeat, process)
    if row is not None:
        session.delete(row)


def beats(session: Session) -> tuple[Beat, ...]:
    """Read all signs of life, by name."""
    rows = session.scalars(select(Heartbeat).order_by(Heartbeat.process))
    return tuple(Beat(r.process, r.pid, r.started_at, r.beat_at, r.detail) for r in rows)
