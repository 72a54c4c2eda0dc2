"""Say once in the log what a person should know of: results that could not be delivered for over an hour."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from storage.database import Database
from storage.destinations import conditions
from storage.undelivered import stuck

log = logging.getLogger(__name__)

LONG_SECONDS = 3600.0  # a result that is this late is an alarm, and so is a breaker that is open this long
WATCH_SECONDS = 30.0


@dataclass
class Watch:
    """Looks at the outbox from time to time; remembers what it has told, so that each alarm is told once.

    Parameters
    ----------
    names
        The destinations of the configuration: a breaker of another one is nobody's concern any more.
    """

    db: Database
    names: Sequence[str]
    told: set[str] = field(default_factory=set)

    def look(self, *, now: float) -> None:
        """Tell what is new.

        Raises
        ------
        StorageError
            The index cannot be read.
        """
        with self.db.read() as session:
            late = stuck(session, before=now - LONG_SECONDS)
            known = conditions(session)
        alarms = {
            f"stuck {name}": f"event=results_stuck destination={name} results={found['results']:.0f} "
            f"oldest_seconds={now - found['since']:.0f}"
            for name, found in late.items()
        }
        for one in known:
            if one.is_open and one.destination in self.names and now - one.changed_at >= LONG_SECONDS:
                seconds = f"open_seconds={now - one.changed_at:.0f}"
                alarms[f"breaker {one.destination}"] = (
                    f"event=breaker_open_long destination={one.destination} {seconds} text={one.last_error!r}"
                )
        for key, line in alarms.items():
            if key not in self.told:
                log.error("%s", line)
        self.told = set(alarms)
