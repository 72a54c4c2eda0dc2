"""What a hospital sends in a week, and what goes wrong in it: a plan of moments, drawn once from a seed. Pure."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

HOURS = 24.0
# Share of a day's exams by the hour in which they begin: a clinic with a rest at noon, and a screening unit that sends
# all of its day at six in the evening.
BY_HOUR = {8: 8, 9: 14, 10: 15, 11: 12, 12: 5, 13: 8, 14: 12, 15: 9, 16: 5, 18: 12}


AWAY, FULL, RESTART, KILL = "PACS away", "disk full", "restart", "kill -9 of all"
# Day (counted from 0), and hours from when to when; the two restarts are moments.
PLACES = {RESTART: (1, 11.0, 11.0), AWAY: (2, 10.0, 13.0), FULL: (4, 9.5, 11.0), KILL: (5, 14.5, 14.5)}


class Kind(StrEnum):
    """What an exam is like, and what the node has to make of it."""

    WHOLE = "four views at once"
    LATE = "the fourth view comes later: a new version of the report"
    RESENT = "everything is sent again hours later: nothing new"
    INCOMPLETE = "two views only: answered when it is quiet"
    INELIGIBLE = "raw images only: answered as not analysed"


SHARES = {Kind.WHOLE: 76, Kind.LATE: 8, Kind.RESENT: 8, Kind.INCOMPLETE: 4, Kind.INELIGIBLE: 4}
FIRST_VIEWS = {Kind.LATE: (0, 1, 2), Kind.INCOMPLETE: (0, 1)}
ALL_VIEWS = (0, 1, 2, 3)


@dataclass(frozen=True)
class Sending:
    """Something that a modality sends over one association, `at` hours after the week began.

    Parameters
    ----------
    places
        Which of the four views.
    raw
        True if they are sent FOR PROCESSING.
    """

    at: float
    exam: int
    name: str
    places: tuple[int, ...]
    raw: bool = False


@dataclass(frozen=True)
class Trouble:
    """Something that goes wrong, in hours after the week began; `until` is `at` if it is a moment."""

    name: str
    at: float
    until: float


def troubles(days: int, names: Collection[str]) -> tuple[Trouble, ...]:
    """Place what goes wrong, where it hurts: in clinic hours, each on a day of its own if there are enough."""
    placed = []
    for name, (day, at, until) in PLACES.items():
        midnight = min(day, days - 1) * HOURS
        placed += [Trouble(name, midnight + at, midnight + until)] if name in names else []
    return tuple(sorted(placed, key=lambda one: one.at))


def plan(*, days: int, exams_a_day: int, seed: int) -> tuple[Sending, ...]:
    """Draw all sendings of the days, in their order; exams count from 1."""
    source = random.Random(seed)  # noqa: S311 -- a load, no secret
    sendings: list[Sending] = []
    for day in range(days):
        for number in range(exams_a_day):
            begins = day * HOURS + _begins(source)
            sendings += _exam(day * exams_a_day + number + 1, begins, source)
    return tuple(sorted(sendings, key=lambda one: (one.at, one.exam)))


def count_images(sendings: Sequence[Sending]) -> int:
    """Count the different images."""
    return len({(one.exam, place, one.raw) for one in sendings for place in one.places})


def _begins(source: random.Random) -> float:
    hour = source.choices(list(BY_HOUR), list(BY_HOUR.values()))[0]
    return hour + (source.uniform(0.0, 0.2) if hour == 18 else source.random())


def _exam(number: int, begins: float, source: random.Random) -> list[Sending]:
    kind = source.choices(list(SHARES), list(SHARES.values()))[0]
    places = FIRST_VIEWS.get(kind, ALL_VIEWS)
    first = Sending(begins, number, f"exam-{number}", places, raw=kind is Kind.INELIGIBLE)
    if kind is Kind.LATE:
        return [first, Sending(begins + source.uniform(1.0, 3.0), number, f"late-{number}", (3,))]
    if kind is Kind.RESENT:
        return [first, Sending(begins + source.uniform(1.0, 5.0), number, f"again-{number}", places)]
    return [first]
