"""The rule of restarts: waits double up to a limit, and only deaths close together are a crash loop."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dcis_node.operate.restarts import (
    BACKOFF_FIRST_SECONDS,
    BACKOFF_MOST_SECONDS,
    LOOP_DEATHS,
    LOOP_SECONDS,
    PROVEN_SECONDS,
    RECOVERED_SECONDS,
    Deaths,
)

LIVES = st.lists(st.floats(0.0, 5000.0), min_size=1, max_size=60)


def after(lives):
    """Die once after each of these lives, each begun when the wait was over."""
    now, deaths, waits = 0.0, Deaths(), []
    for lived in lives:
        now += lived
        deaths = deaths.after_life(lived).another(now=now, lived=lived)
        waits.append(deaths.wait_seconds())
        now += waits[-1]
    return deaths, waits


@given(LIVES)
def test_every_wait_is_between_the_first_and_the_longest(lives):
    assert all(BACKOFF_FIRST_SECONDS <= wait <= BACKOFF_MOST_SECONDS for wait in after(lives)[1])


@given(LIVES)
def test_a_wait_is_the_double_of_the_one_before_or_the_first(lives):
    waits = [0.0, *after(lives)[1]]
    for before, wait in pairwise(waits):
        assert wait in (BACKOFF_FIRST_SECONDS, min(BACKOFF_MOST_SECONDS, 2 * before))


@given(st.lists(st.floats(0.0, 1.0), min_size=LOOP_DEATHS, max_size=30))
def test_deaths_that_follow_each_other_are_a_crash_loop(lives):
    assert after(lives)[0].in_loop


@given(st.lists(st.floats(LOOP_SECONDS, 1e6), min_size=1, max_size=30))
def test_rare_deaths_are_none_however_many(lives):
    deaths, waits = after(lives)
    assert not deaths.in_loop
    assert set(waits) == {BACKOFF_FIRST_SECONDS}


def test_a_process_that_always_dies_after_a_minute_and_a_half_is_in_a_loop_too():
    assert after([PROVEN_SECONDS * 1.5] * 6)[0].in_loop


def test_a_loop_ends_with_a_life_that_is_long_enough():
    deaths, _ = after([0.0] * 8)
    assert deaths.after_life(RECOVERED_SECONDS - 1) == deaths
    assert deaths.after_life(RECOVERED_SECONDS) == Deaths()


def test_one_that_never_looped_keeps_its_count():
    deaths, _ = after([0.0, 0.0])
    assert deaths.after_life(1e6) == deaths
