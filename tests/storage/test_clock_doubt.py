"""When the wall clock is doubted, when it is believed again, and that no restart forgets it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.clock_doubt import (
    ABSENCE_SECONDS,
    DOUBT_SECONDS,
    DOUBTED_STEP_SECONDS,
    Doubt,
    keep_seen,
    last_seen,
)
from storage.maintenance import WorkDone, record_work, work_done
from tests.storage.exam_rows import receive

DAY = 86400.0
AHEAD = Doubt().after_step(40 * DAY)


def seen(db):
    with db.read() as session:
        return last_seen(session)


def test_a_small_step_and_one_back_are_believed():
    assert not Doubt().after_step(DOUBTED_STEP_SECONDS).lasts
    assert not Doubt().after_step(-40 * DAY).lasts
    assert Doubt().after_step(DOUBTED_STEP_SECONDS + 1.0).lasts


def test_a_doubt_ends_after_a_day_of_running():
    almost = AHEAD.after_running(DOUBT_SECONDS - 1.0)
    assert (almost.lasts, almost.left_seconds) == (True, 1.0)
    assert almost.after_running(1.0) == Doubt()


def test_only_a_step_back_to_where_the_clock_came_from_ends_a_doubt():
    nearer = AHEAD.after_running(60.0).after_step(-2 * 3600.0)
    assert (nearer.lasts, nearer.ran_seconds) == (True, 60.0)
    assert nearer.ahead_seconds == 40 * DAY - 2 * 3600.0
    assert not nearer.after_step(-40 * DAY + 2 * 3600.0).lasts


def test_another_step_ahead_begins_the_day_anew():
    again = AHEAD.after_running(DOUBT_SECONDS - 1.0).after_step(2 * 3600.0)
    assert (again.ahead_seconds, again.ran_seconds) == (40 * DAY + 2 * 3600.0, 0.0)


@given(st.lists(st.floats(-1e9, 1e9), max_size=8))
def test_a_doubt_lasts_as_long_as_its_steps_add_up_to_one_that_is_doubted(steps):
    doubt, ahead = Doubt(), 0.0
    for step in steps:
        doubt = doubt.after_step(step)
        ahead = ahead + step if ahead > DOUBTED_STEP_SECONDS or step > DOUBTED_STEP_SECONDS else 0.0
        ahead = ahead if ahead > DOUBTED_STEP_SECONDS else 0.0
        assert doubt.lasts == (ahead > 0)


@pytest.mark.parametrize(
    ("moved", "lasts"), [(0.5, False), (ABSENCE_SECONDS, False), (ABSENCE_SECONDS + 1.0, True), (-DAY, False)]
)
def test_a_node_that_was_off_for_longer_than_a_weekend_may_have_a_clock_that_is_ahead(moved, lasts):
    assert Doubt().after_absence(moved).lasts == lasts


def test_a_doubt_outlives_an_absence_and_ends_where_the_clock_is_back():
    assert AHEAD.after_absence(2.0) == AHEAD
    assert AHEAD.after_absence(-40 * DAY + 1800.0) == Doubt()


def test_what_was_seen_is_kept(db):
    with db.write() as session:
        keep_seen(session, AHEAD.after_running(60.0), now=1000.0)
    assert seen(db) == (1000.0, Doubt(40 * DAY, 60.0))
    with db.write() as session:
        keep_seen(session, Doubt(), now=2000.0)
    assert seen(db) == (2000.0, Doubt())


def test_it_is_no_work_of_the_night(db):
    with db.write() as session:
        keep_seen(session, AHEAD, now=1000.0)
    with db.read() as session:
        assert work_done(session) == ()


def test_an_index_that_never_kept_it_knows_when_something_was_done_there_last(db):
    assert seen(db) == (None, Doubt())
    receive(db, 1, now=500.0)
    assert seen(db) == (500.0, Doubt())
    with db.write() as session:
        record_work(session, WorkDone("sweep", 300.0, 400.0, ok=True, detail={}))
    assert seen(db) == (400.0, Doubt())
