"""Objects for which no answer comes, again and again: one of them may be what brings its destination down."""

from collections.abc import Iterable

from sqlalchemy import and_, update

from storage.database import Database
from storage.outbox import Parcel
from storage.schema import Outbox

# Lost so often in a row, an object is not hastened by the return of its destination, which it may have ended.
LOST_OFTEN = 3
LONGEST_PUT_OFF_SECONDS = 86400.0


def note_losses(db: Database, losses: Iterable[tuple[Parcel, float | None]]) -> None:
    """Count that no answer came for some objects, and that it was theirs.

    Parameters
    ----------
    losses
        Each parcel with its next try (Unix seconds); None if that stays as it is. One that was handed out again
        meanwhile, or is dead, stays as it is.
    """
    with db.write() as session:
        for parcel, next_try_at in losses:
            values: dict[str, object] = {"losses": parcel.losses + 1}
            if next_try_at is not None:
                values["next_try_at"] = next_try_at
            waits = and_(Outbox.id == parcel.outbox_id, Outbox.state == "due", Outbox.attempts == parcel.attempts)
            session.execute(update(Outbox).where(waits).values(**values).execution_options(synchronize_session=False))
