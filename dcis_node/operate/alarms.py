"""When a job rings next: triggers for the alarm clock that a step of the wall clock neither stops nor floods.

APScheduler's own interval trigger counts on from the moment before (after a step of a day ahead it walks through every
second of that day, and after one back it waits until the old time has come again), and its cron trigger rings a night
twice, or leaves one out. What remains to be done after a step is in `dcis_node.operate.clock`.
"""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, tzinfo

from apscheduler.triggers.base import BaseTrigger

# Two nights are a day apart; the shortest is 23 hours (summer time). Whatever rings within this is the same night.
SAME_NIGHT_SECONDS = 12 * 3600.0


class Every(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Ring every so many seconds, and once for all that was slept through."""

    def __init__(self, seconds: float) -> None:
        self._interval = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Give the next moment; never one that is past."""
        following = (previous_fire_time or now) + self._interval
        return following if following > now else now + self._interval


class Nightly(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Ring once a night.

    Parameters
    ----------
    at
        `HH:MM`, local time.
    zone
        The time zone.
    since_last
        Gives the seconds since it rang for a night, in monotonic time; None before it did.
    """

    def __init__(self, at: str, zone: tzinfo, since_last: Callable[[], float | None]) -> None:
        self._at = at
        self._zone = zone
        self._since_last = since_last

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Give the next moment."""
        # Asked as it rings: what it is asked for is the night after this one.
        rings_now = previous_fire_time is not None and previous_fire_time <= now
        return next_night(now, self._at, self._zone, since_last=0.0 if rings_now else self._since_last())

    def after_step(self, due: datetime, now: datetime) -> datetime:
        """Give the moment to ring at after a step of the wall clock.

        Parameters
        ----------
        due
            When it would have rung.
        """
        since_last = self._since_last()
        if due <= now and (since_last is None or since_last >= SAME_NIGHT_SECONDS):
            return now
        return next_night(now, self._at, self._zone, since_last=since_last)


def next_night(now: datetime, at: str, zone: tzinfo, *, since_last: float | None) -> datetime:
    """Give the next time of day `at` that is not the night that was rung for already.

    A time that a change to summer time leaves out is taken an hour later; of one that comes twice the first counts.

    Parameters
    ----------
    now
        With its time zone.
    since_last
        Seconds since the last night was rung for; None if none was.
    """
    hour, _, minute = at.partition(":")
    rest = 0.0 if since_last is None else max(0.0, SAME_NIGHT_SECONDS - since_last)
    earliest = now + timedelta(seconds=rest)
    day = earliest.astimezone(zone).date()
    while (found := datetime.combine(day, time(int(hour), int(minute)), tzinfo=zone)).astimezone(UTC) <= earliest:
        day += timedelta(days=1)
    return found.astimezone(UTC)
