"""What a person has looked at and dismissed: it is no alarm any more, and no longer keeps its exam's images here.

Nothing is deleted by it. `retry` and `requeue` take it back, as long as the files are here.
"""

from collections.abc import Collection

from sqlalchemy import and_, or_, update

from storage.database import Database
from storage.schema import Exam, Outbox
from storage.undelivered import rows_of_exams
from storage.work import affected, has_failed_in_part


def dismiss_failures(db: Database, exam_ids: Collection[int], *, now: float) -> int:
    """Dismiss the failure of exams: no answer, or one without its analysis or that of a view; gives of how many.

    Until it is decided again: what it comes to then is new.
    """
    with db.write() as session:
        chosen = update(Exam).where(Exam.id.in_(exam_ids), has_failed_in_part(), Exam.dismissed_at.is_(None))
        return affected(session, chosen.values(dismissed_at=now))


def dismiss_results(
    db: Database,
    *,
    now: float,
    destination: str | None = None,
    exam_ids: Collection[int] | None = None,
    gone: Collection[str] = (),
) -> int:
    """Dismiss results that need not arrive any more; gives how many.

    Parameters
    ----------
    destination, exam_ids
        Only those for it, only those of them; None for all.
    gone
        Destinations that nobody sends to any more: what waits for one of them is dismissed too, not only what is dead.
    """
    waits = or_(Outbox.state == "due", and_(Outbox.state == "leased", Outbox.lease_until <= now))
    chosen = [or_(Outbox.state == "dead", and_(Outbox.destination.in_(gone), waits))]
    if destination is not None:
        chosen.append(Outbox.destination == destination)
    with db.write() as session:
        if exam_ids is not None:
            chosen.append(Outbox.id.in_(rows_of_exams(session, list(exam_ids))))
        values = {"state": "dismissed", "dismissed_at": now, "lease_owner": "", "lease_until": 0.0}
        return affected(session, update(Outbox).where(*chosen).values(**values))
