"""How the nightly work ended: one row a work, replaced by each run."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.schema import Maintenance

CLOCK_DOUBT = "clock_doubt"  # no work, and none of them: see `storage.clock_doubt`


@dataclass(frozen=True)
class WorkDone:
    """The last run of one work.

    Parameters
    ----------
    name
        `sweep`, `backup` or `integrity`.
    started_at, finished_at
        Unix seconds.
    ok
        False if a person has to look.
    detail
        Counts and names of files, without patient data.
    """

    name: str
    started_at: float
    finished_at: float
    ok: bool
    detail: dict[str, Any]


def record_work(session: Session, done: WorkDone) -> None:
    """Keep how a work ended, in place of its run before."""
    session.merge(Maintenance(**vars(done)))


def work_done(session: Session) -> tuple[WorkDone, ...]:
    """Give the last run of each work, by name."""
    works = select(Maintenance).where(Maintenance.name != CLOCK_DOUBT).order_by(Maintenance.name)
    rows = session.scalars(works).all()
    return tuple(WorkDone(row.name, row.started_at, row.finished_at, row.ok, dict(row.detail)) for row in rows)
