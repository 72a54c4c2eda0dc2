"""What was tried for seven days is given up; what only looks so, as the clock was wrong or the node was off, is not."""

import pytest

from dcis_node.deliver.lane import deliver_next
from dcis_node.deliver.outcome import Failure
from storage import destinations, outbox
from storage.destinations import condition
from tests.deliver.destinations import DOWN, Destination
from tests.deliver.helpers import NOW
from tests.deliver.living import DAY, HOUR, MINUTE, Clock, lane_to, live

# Few tries in a week, so that these tests are fast. What was to be waited for when a clock was set counts as tried.
RARELY = {"backoff_most_seconds": 6 * HOUR}
PASSING = [0xA700, 0x0122, Failure.NO_ANSWER, Failure.CLASS_NOT_ACCEPTED]


def exams(node, result_file, number=5, *, now=NOW):
    return [node.add(result_file(), study=f"1.2.{one}", now=now) for one in range(number)]


def tried(node, context, clock, *, until, of=5):
    """Live until a moment; true if all that was there still waits."""
    live(context, clock, until=until)
    return node.states() == {"due": of}


def test_a_week_of_silence_makes_dead_letters_that_requeue_revives(node, result_file, caplog):
    peer, clock = Destination(DOWN, there=False), Clock()
    uids = exams(node, result_file)
    context = lane_to(node, peer.route, **RARELY)
    assert tried(node, context, clock, until=NOW + 7 * DAY - 10)
    assert all(node.row(uid).first_try_at - NOW < MINUTE for uid in uids)  # those that were only probed for, too
    live(context, clock, until=NOW + 8 * DAY)
    assert node.states() == {"dead": 5}
    assert node.row(uids[0]).last_error == "given up after 7 days: nobody there"
    assert "event=given_up destination=pacs results=5" in caplog.text
    peer.answer, peer.there = 0x0000, True
    assert outbox.requeue(node.db, now=clock.now) == 5
    live(context, clock, until=clock.now + DAY)
    assert peer.got == uids


def test_a_week_is_a_week_though_the_courier_is_started_again_every_day(node, result_file):
    peer, clock = Destination(DOWN, there=False), Clock()
    exams(node, result_file)
    for day in range(7):
        assert tried(
            node, lane_to(node, peer.route, seed=day, **RARELY), clock, until=NOW + day * DAY + DAY - 50 * MINUTE
        )
        clock.now += 50 * MINUTE
    live(lane_to(node, peer.route, **RARELY), clock, until=NOW + 7.3 * DAY)
    assert node.states() == {"dead": 5}


@pytest.mark.parametrize("answer", PASSING)
def test_an_object_that_meets_passing_failures_for_a_week_is_given_up_with_the_last_reason(node, result_file, answer):
    clock = Clock()
    uid = node.add(result_file())
    context = lane_to(node, Destination(answer).route, **RARELY)
    assert tried(node, context, clock, until=NOW + 7 * DAY - 1, of=1)
    live(context, clock, until=NOW + 8 * DAY + HOUR)
    assert node.row(uid).state == "dead"
    assert node.row(uid).last_error.startswith("given up after 7 days: ")


def test_a_success_after_a_week_is_a_success(node, result_file):
    clock, peer = Clock(), Destination(0xA700)
    node.add(result_file())
    context = lane_to(node, peer.route, **RARELY)
    assert tried(node, context, clock, until=NOW + 7 * DAY - 1, of=1)
    peer.answer = 0x0000
    live(context, clock, until=NOW + 9 * DAY)
    assert node.states() == {"sent": 1}


def test_an_action_is_never_changed_by_the_limit_before_its_time(node, result_file):
    uid = node.add(result_file())
    deliver_next(lane_to(node, Destination(0xA900).route), now=NOW)
    assert node.row(uid).state == "dead"
    assert "given up" not in node.row(uid).last_error


@pytest.mark.parametrize("answer", [DOWN, 0xA700])
def test_a_clock_that_was_years_behind_at_the_start_and_is_set_right_gives_up_nothing(node, result_file, answer):
    peer, clock = Destination(answer, there=False), Clock()
    exams(node, result_file, 3)
    context = lane_to(node, peer.route, **RARELY)
    live(context, clock, until=NOW + DAY)
    clock.now = NOW - 3000 * DAY
    for study in ("1.9.1", "1.9.2"):
        node.add(result_file(), study=study, now=clock.now)
    assert tried(node, context, clock, until=clock.now + HOUR)
    clock.now = right = NOW + DAY + HOUR
    assert tried(node, context, clock, until=right + 6.7 * DAY)
    live(context, clock, until=right + 9 * DAY)
    assert node.states() == {"dead": 5}


@pytest.mark.parametrize("answer", [DOWN, 0xA700, Failure.CUT_OFF])
@pytest.mark.parametrize("step", [8 * DAY, 3000 * DAY])
def test_a_clock_that_is_ahead_for_a_minute_gives_up_nothing_and_nothing_is_kept_for_ever(
    node, result_file, answer, step
):
    peer, clock = Destination(answer, there=False), Clock()
    exams(node, result_file)
    context = lane_to(node, peer.route, **RARELY)
    live(context, clock, until=NOW + DAY)
    clock.now += step
    assert tried(node, context, clock, until=clock.now + MINUTE)
    clock.now -= step
    assert tried(node, context, clock, until=NOW + 6.7 * DAY)
    live(context, clock, until=NOW + 10 * DAY)
    assert node.states() == {"dead": 5}


@pytest.mark.parametrize("answer", [DOWN, 0xA700])
@pytest.mark.parametrize("number", [2, 6])  # fewer and more than open the breaker
def test_the_time_in_which_the_node_was_off_does_not_count(node, result_file, answer, number):
    peer, clock = Destination(answer, there=False), Clock()
    exams(node, result_file, number)
    context = lane_to(node, peer.route, **RARELY)
    assert tried(node, context, clock, until=NOW + 2 * DAY, of=number)
    clock.now += 10 * DAY
    assert tried(node, context, clock, until=NOW + (10 + 6.7) * DAY, of=number)
    live(context, clock, until=NOW + (10 + 9) * DAY)
    assert node.states() == {"dead": number}


def test_what_a_closed_breaker_had_not_come_to_is_not_given_up_by_the_first_probe(node, result_file):
    peer, clock = Destination(0xA700), Clock()
    exams(node, result_file, 8)
    context = lane_to(node, peer.route, **RARELY)
    live(context, clock, until=NOW + HOUR)
    clock.now += 10 * DAY
    peer.answer, peer.there = DOWN, False
    assert tried(node, context, clock, until=clock.now + HOUR, of=8)
    assert condition(node.db, "pacs").is_open


def test_the_probe_that_a_person_asks_for_before_the_start_hides_nothing(node, result_file):
    peer, clock = Destination(DOWN, there=False), Clock()
    exams(node, result_file)
    context = lane_to(node, peer.route, **RARELY)
    live(context, clock, until=NOW + DAY)
    clock.now += 10 * DAY
    destinations.hasten(node.db, "pacs", now=clock.now)
    assert destinations.probe_now(node.db, "pacs", now=clock.now)
    assert tried(node, context, clock, until=clock.now + 5 * DAY)


def test_an_answered_probe_after_a_long_time_off_leaves_each_object_its_days(node, result_file):
    peer, clock = Destination(DOWN, there=False), Clock()
    exams(node, result_file)
    context = lane_to(node, peer.route, **RARELY)
    live(context, clock, until=NOW + DAY)
    clock.now += 10 * DAY
    peer.answer, peer.there = 0xA700, True
    assert tried(node, context, clock, until=clock.now + 5 * DAY)
