"""Whether the wall clock may be believed when it says how old something is: a rule, and the row that keeps its answer.

After a step ahead everything looks older than it is. Whoever reads only the clock cannot tell a step from time that has
passed; so the index keeps when the clock was looked at last, which tells of a step that no process has lived through.
"""

from dataclasses import dataclass, replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.maintenance import CLOCK_DOUBT
from storage.schema import Exam, Maintenance

# For so long the node runs before a clock that was set ahead is believed. A smaller step hardly counts.
DOUBT_SECONDS, DOUBTED_STEP_SECONDS = 86400.0, 3600.0
# A node is rarely off for longer than a weekend. One that was is in doubt too, which only costs it a day.
ABSENCE_SECONDS = 3 * 86400.0


@dataclass(frozen=True)
class Doubt:
    """How far ahead the wall clock may be.

    Parameters
    ----------
    ahead_seconds
        Sum of its steps since the first that was doubted; 0 if it is believed.
    ran_seconds
        For how long the node has run since the last of them, over all its starts.
    """

    ahead_seconds: float = 0.0
    ran_seconds: float = 0.0

    @property
    def lasts(self) -> bool:
        """True while the clock is not believed."""
        return self.ahead_seconds > 0

    @property
    def left_seconds(self) -> float:
        """For how long the node has to run until it believes the clock."""
        return DOUBT_SECONDS - self.ran_seconds if self.lasts else 0.0

    def after_running(self, seconds: float) -> "Doubt":
        """Go on after the node has run; who is in doubt for a day of running believes the clock in the end."""
        ran = self.ran_seconds + seconds
        return replace(self, ran_seconds=ran) if self.lasts and ran < DOUBT_SECONDS else Doubt()

    def after_step(self, seconds: float) -> "Doubt":
        """Go on after a step of the clock; one that leads back to where it came from ends the doubt."""
        is_large = seconds > DOUBTED_STEP_SECONDS
        ahead = self.ahead_seconds + seconds if self.lasts or is_large else 0.0
        if ahead <= DOUBTED_STEP_SECONDS:
            return Doubt()
        return Doubt(ahead, 0.0 if is_large else self.ran_seconds)

    def after_absence(self, seconds: float) -> "Doubt":
        """Go on where nobody has looked at the clock meanwhile.

        Parameters
        ----------
        seconds
            By how much it has moved: the time that has passed and its steps, which nobody can tell apart.
        """
        return self.after_step(seconds) if seconds < 0 or seconds > ABSENCE_SECONDS else self


def last_seen(session: Session) -> tuple[float | None, Doubt]:
    """Give when the wall clock was looked at last (Unix seconds; None in a fresh index), and the doubt there was.

    An index in which nobody has kept it yet knows when work was done there last, or else when an image came.
    """
    row = session.get(Maintenance, CLOCK_DOUBT)
    if row is not None:
        ahead, ran = (float(str(row.detail[name])) for name in ("ahead_seconds", "ran_seconds"))
        return row.finished_at, Doubt(ahead, ran)
    worked = session.scalar(select(func.max(Maintenance.finished_at)))
    return (worked if worked is not None else session.scalar(select(func.max(Exam.last_image_at)))), Doubt()


def keep_seen(session: Session, doubt: Doubt, *, now: float) -> None:
    """Keep that the wall clock says `now` (Unix seconds), and how far it is believed."""
    detail: dict[str, object] = {"ahead_seconds": doubt.ahead_seconds, "ran_seconds": doubt.ran_seconds}
    session.merge(Maintenance(name=CLOCK_DOUBT, started_at=now, finished_at=now, ok=True, detail=detail))
