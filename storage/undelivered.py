"""Results that a person should know of: those that could not be delivered for long, and those that were given up."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from storage.database import Database
from storage.outbox import LONGEST_TEXT
from storage.schema import Outbox, Report, Result

WAITING = ("due", "leased")


def stuck(session: Session, *, before: float) -> dict[str, dict[str, float]]:
    """Count the results that were made before a moment and still wait, by destination.

    Parameters
    ----------
    before
        Unix seconds.

    Returns
    -------
    dict
        `results`, and when the oldest was made (`since`), by destination.
    """
    rows = session.execute(
        select(Outbox.destination, func.count(), func.min(Report.made_at))
        .join(Result, Result.id == Outbox.result_id)
        .join(Report, Report.id == Result.report_id)
        .where(Outbox.state.in_(WAITING), Report.made_at < before)
        .group_by(Outbox.destination)
        .order_by(Outbox.destination)
    )
    return {str(name): {"results": count, "since": since} for name, count, since in rows}


def dead_letters(session: Session, *, limit: int = 20) -> list[dict[str, Any]]:
    """Tell what was given up and why: one entry for each destination and reason, the most numerous first."""
    count = func.count()
    rows = session.execute(
        select(Outbox.destination, Outbox.last_error, count, func.min(Outbox.first_try_at))
        .where(Outbox.state == "dead")
        .group_by(Outbox.destination, Outbox.last_error)
        .order_by(count.desc(), Outbox.destination, Outbox.last_error)
        .limit(limit)
    )
    return [
        {"destination": name, "reason": error, "results": number, "first_try_at": since}
        for name, error, number, since in rows
    ]


def give_up(db: Database, destination: str, *, first_tried_before: float, reason: str) -> int:
    """Set aside as `dead` what waits for a destination and was tried first before a moment; gives how many."""
    with db.write() as session:
        statement = (
            update(Outbox)
            .where(Outbox.state == "due", Outbox.destination == destination, Outbox.first_try_at <= first_tried_before)
            .values(state="dead", last_error=reason[:LONGEST_TEXT])
            .execution_options(synchronize_session=False)
        )
        return int(session.execute(statement).rowcount)  # type: ignore[attr-defined]


def rows_of_exams(session: Session, exam_ids: Sequence[int]) -> list[int]:
    """List the outbox rows of some exams."""
    return list(
        session.scalars(
            select(Outbox.id)
            .join(Result, Result.id == Outbox.result_id)
            .join(Report, Report.id == Result.report_id)
            .where(Report.exam_id.in_(exam_ids))
            .order_by(Outbox.id)
        )
    )
