"""For how long a result was really tried: what `give_up` counts since `first_try_at`.

The wall clock alone does not say it. A machine that begins with a clock of years ago and is set right, a clock that is
ahead for a minute, a node that was off for a fortnight: each time a result looks as if it had been tried for weeks. But
each try and each probe has its time; one that comes long after shows that nobody tried in between.
"""

from sqlalchemy import ColumnElement, case

from storage.schema import Outbox

# A try may come so much late in a node that runs: a restart, a queue. More was not spent trying, and does not count.
MOST_LATE_SECONDS = 3600.0


def first_try(late: ColumnElement[float], *, now: float) -> ColumnElement[float | None]:
    """Give `first_try_at` moved by what does not count; never later than now.

    Parameters
    ----------
    late
        Seconds since the try, or the probe, was due.
    """
    moved = case((late > MOST_LATE_SECONDS, Outbox.first_try_at + late), else_=Outbox.first_try_at)
    # What lies ahead was set by a clock that was ahead.
    return case((moved > now, now), else_=moved)
