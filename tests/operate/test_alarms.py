"""When a job rings next: once a night and never twice in one, whatever the wall clock does."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.operate.alarms import SAME_NIGHT_SECONDS, Every, Nightly, next_night

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
HOUR = 3600.0


def at(text, zone=UTC):
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def test_the_next_night_is_the_next_time_of_day():
    assert next_night(at("2026-11-23T10:00"), "02:30", UTC, since_last=None) == at("2026-11-24T02:30")
    assert next_night(at("2026-11-23T02:29"), "02:30", UTC, since_last=None) == at("2026-11-23T02:30")


def test_the_night_is_that_of_the_place():
    assert next_night(at("2026-11-23T00:00"), "02:30", AMSTERDAM, since_last=None) == at("2026-11-23T01:30")


def test_a_time_that_summer_time_leaves_out_is_taken_an_hour_later_and_one_that_comes_twice_once():
    spring = next_night(at("2026-03-28T12:00"), "02:30", AMSTERDAM, since_last=None)
    assert spring == at("2026-03-29T01:30")
    autumn = next_night(at("2026-10-24T12:00"), "02:30", AMSTERDAM, since_last=None)
    assert autumn == at("2026-10-25T00:30")
    # An hour later it is half past two again.
    assert next_night(autumn + timedelta(hours=1, seconds=-1), "02:30", AMSTERDAM, since_last=HOUR) == at(
        "2026-10-26T01:30"
    )


class Night:
    """A night's alarm that rang so many seconds ago."""

    def __init__(self, since_last):
        self.alarm = Nightly("02:30", UTC, lambda: since_last)

    def after(self, *, due, now):
        return self.alarm.after_step(at(due), at(now))


@pytest.mark.parametrize(
    ("since_hours", "due", "now", "rings"),
    [
        (0.5, "2026-11-24T02:30", "2026-11-23T02:00", "2026-11-24T02:30"),  # an hour back, just after it rang
        (23.5, "2026-11-23T02:30", "2026-11-23T01:00", "2026-11-23T02:30"),  # an hour back, before it rings
        (23.5, "2026-11-23T02:30", "2026-11-23T03:00", "2026-11-23T03:00"),  # an hour ahead, over its moment: now
        (7.5, "2026-11-24T02:30", "2026-11-24T10:00", "2026-11-25T02:30"),  # a day ahead, after it rang
        (8.5, "2026-11-25T02:30", "2026-11-23T11:00", "2026-11-24T02:30"),  # and back again
        (None, "2076-11-25T02:30", "2026-11-23T11:00", "2026-11-24T02:30"),  # from a time that never was
    ],
)
def test_after_a_step_no_night_is_left_out_and_none_rung_twice(since_hours, due, now, rings):
    since = None if since_hours is None else since_hours * HOUR
    assert Night(since).after(due=due, now=now) == at(rings)


@given(
    minutes=st.integers(0, 3 * 366 * 1440),
    since=st.none() | st.floats(0, 3 * 86400),
    hour=st.integers(0, 23),
    minute=st.integers(0, 59),
)
def test_it_rings_within_37_hours_and_not_within_the_same_night(minutes, since, hour, minute):
    now = at("2025-01-01T00:00") + timedelta(minutes=minutes)
    rings = next_night(now, f"{hour:02d}:{minute:02d}", AMSTERDAM, since_last=since)
    assert now < rings <= now + timedelta(hours=37)
    if since is not None:
        assert (rings - now).total_seconds() + since >= SAME_NIGHT_SECONDS


def test_asked_as_it_rings_it_gives_the_night_after():
    alarm = Nightly("02:30", UTC, lambda: None)
    due = at("2026-11-23T02:30")
    assert alarm.get_next_fire_time(due, due + timedelta(milliseconds=2)) == at("2026-11-24T02:30")


@given(interval=st.floats(0.05, 1e5), behind=st.floats(-1e9, 1e9))
def test_an_interval_never_gives_a_moment_that_is_past_nor_one_further_than_two_intervals_after_the_last(
    interval, behind
):
    now = at("2026-11-23T02:30")
    previous = now - timedelta(seconds=behind)
    following = Every(interval).get_next_fire_time(previous, now)
    assert following > now
    assert following <= max(previous, now) + timedelta(seconds=interval)
