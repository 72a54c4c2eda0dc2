"""What a destination has taken: for the audit trail of a courier whose predecessor was killed."""

from sqlalchemy import func, select

from storage.database import Database
from storage.schema import Outbox, Result


def sent_since(db: Database, destination: str, study_instance_uid: str, *, since: float) -> tuple[tuple[str, int], ...]:
    """Count the results of a study that a destination has taken since a moment.

    Parameters
    ----------
    since
        Unix seconds.

    Returns
    -------
    tuple
        SOP Class UID and number of objects, sorted by UID.
    """
    with db.read() as session:
        rows = session.execute(
            select(Result.sop_class_uid, func.count())
            .join(Outbox, Outbox.result_id == Result.id)
            .where(
                Result.study_instance_uid == study_instance_uid,
                Outbox.destination == destination,
                Outbox.sent_at >= since,
            )
            .group_by(Result.sop_class_uid)
            .order_by(Result.sop_class_uid)
        ).all()
    return tuple((uid, count) for uid, count in rows)
