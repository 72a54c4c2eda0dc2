import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.deliver import policy
from dcis_node.deliver.outcome import Failure, Outgoing, PeerAddress, Sent
from dcis_node.deliver.policy import Action
from dcis_node.requestor import Rejection

PEER = PeerAddress("pacs.example", 104, aet="PACS", calling_aet="NODE", timeout_seconds=30.0)
ITEM = Outgoing("1.2", "1.3", "1.4", Path("x"))


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (0x0000, Action.DONE),
        (0x0111, Action.DONE),
        (0xB000, Action.DONE),
        (0xB006, Action.DONE),
        (0xB007, Action.DONE),
        (0x0107, Action.DONE),
        (0x0116, Action.DONE),
        (0xA700, Action.RETRY),
        (0xA7FF, Action.RETRY),
        (0x0110, Action.RETRY),
        (0x0213, Action.RETRY),
        (None, Action.RETRY),
        (0x0122, Action.RETRY_SLOW),
        (0x0124, Action.RETRY_SLOW),
        (0xA900, Action.DEAD),
        (0xA9FF, Action.DEAD),
        (0xC000, Action.RETRY),
        (0xC211, Action.RETRY),
        (0xCFFF, Action.RETRY),
        (0x0117, Action.RETRY),
        (0xFF00, Action.RETRY),
    ],
)
def test_each_status_has_its_action(status, action):
    assert policy.judge_status(status).action is action


@pytest.mark.parametrize("status", [0xC000, 0xC211, 0xCFFF, 0x0117])
def test_what_the_peer_cannot_understand_is_tried_three_more_times_within_an_hour_and_then_left_to_a_person(status):
    waits = [policy.judge_status(status, refusals=number) for number in range(4)]
    assert [verdict.action for verdict in waits] == [Action.RETRY] * 3 + [Action.DEAD]
    assert sum(verdict.wait_seconds for verdict in waits[:3]) == 3600
    assert "4 times" in waits[3].text


def test_lack_of_resources_at_the_peer_is_never_given_up():
    assert all(policy.judge_status(0xA700, refusals=number).action is Action.RETRY for number in (0, 10, 10_000))


@given(st.integers(0, 0xFFFF), st.integers(0, 10))
def test_every_status_has_a_verdict_with_words_and_only_known_successes_are_done(status, refusals):
    verdict = policy.judge_status(status, refusals=refusals)
    done = status in {0x0000, 0x0111, 0x0107, 0x0116} or status >> 12 == 0xB
    assert (verdict.action is Action.DONE) == done
    assert status == 0 or f"0x{status:04X}" in verdict.text


@given(st.one_of(st.none(), st.integers(0, 0xFFFF)))
def test_answers_are_counted_exactly_for_statuses_that_lead_to_death(status):
    counted = policy.counted_range(status)
    dies_by_counting = (
        policy.judge_status(status, refusals=0).action is Action.RETRY
        and policy.judge_status(status, refusals=99).action is Action.DEAD
    )
    assert (counted is not None) == dies_by_counting
    assert counted is None or status in counted
    assert status is None or not 0xC000 <= status <= 0xCFFF or counted == range(0xC000, 0xD000)


@pytest.mark.parametrize(
    ("rejection", "action", "words"),
    [
        (Rejection(1, 1, 7), Action.RETRY_SLOW, "'PACS'"),
        (Rejection(1, 1, 3), Action.RETRY_SLOW, "'NODE'"),
        (Rejection(1, 1, 2), Action.RETRY_SLOW, "application context"),
        (Rejection(1, 2, 2), Action.RETRY_SLOW, "protocol version"),
        (Rejection(1, 1, 1), Action.RETRY, "no reason given (permanent"),
        (Rejection(2, 3, 1), Action.RETRY, "temporary congestion (transient"),
        (Rejection(2, 3, 2), Action.RETRY, "limit of associations"),
        (Rejection(2, 2, 1), Action.RETRY, "no reason given (transient"),
        (Rejection(2, 1, 7), Action.RETRY, "an unlisted reason (transient, source 1, reason 7)"),
        (Rejection(1, 9, 9), Action.RETRY, "an unlisted reason (permanent, source 9, reason 9)"),
    ],
)
def test_each_rejection_has_its_action_and_names_what_to_repair(rejection, action, words):
    verdict = policy.judge(Sent(ITEM, failure=Failure.REJECTED, rejection=rejection), PEER)
    assert verdict.action is action
    assert words in verdict.text
    assert "PACS at pacs.example:104" in verdict.text
    assert verdict.wait_seconds == (3600 if action is Action.RETRY_SLOW else None)


@pytest.mark.parametrize("failure", Failure)
def test_no_failure_without_a_status_ever_ends_an_object(failure):
    verdict = policy.judge(Sent(ITEM, failure=failure, detail="the detail"), PEER)
    configuration = {Failure.CLASS_NOT_ACCEPTED, Failure.SYNTAX_NOT_ACCEPTED, Failure.UNREADABLE, Failure.INTERNAL}
    configuration |= {Failure.TLS, Failure.FORBIDDEN, Failure.NO_SERVICE}
    configuration |= {Failure.TOO_LARGE, Failure.MEDIA_TYPE, Failure.BAD_REQUEST}
    assert verdict.action is (Action.RETRY_SLOW if failure in configuration else Action.RETRY)
    assert verdict.text
    assert "{" not in verdict.text
    assert verdict.wait_seconds == (3600 if failure in configuration else None)


def test_the_words_name_the_peer_and_the_detail():
    refused = policy.judge(Sent(ITEM, failure=Failure.NO_CONNECTION, detail="Connection refused"), PEER)
    assert refused.text == "no connection to PACS at pacs.example:104 (Connection refused)"
    late = policy.judge(Sent(ITEM, failure=Failure.CONNECT_TIMEOUT), PEER)
    assert "within 30 s" in late.text


def test_a_status_is_judged_as_a_status():
    assert policy.judge(Sent(ITEM, status=0xA700), PEER) == policy.judge_status(0xA700)
    assert policy.judge(Sent(ITEM, status=0xC000), PEER, refusals=3).action is Action.DEAD


ATTEMPTS = st.integers(-3, 10**9)
SECONDS = st.floats(0.01, 1e5)


@given(ATTEMPTS, SECONDS, SECONDS, st.randoms(use_true_random=False))
def test_the_wait_lies_between_zero_and_the_cap_and_needs_no_luck_with_large_numbers(attempt, first, most, rng):
    wait = policy.backoff(attempt, first=first, most=most, rng=rng)
    assert 0 <= wait <= most
    assert attempt > 1 or wait <= first


@given(st.integers(1, 40), SECONDS, SECONDS)
def test_the_longest_wait_doubles_until_the_cap(attempt, first, most):
    class Highest(random.Random):
        def random(self):
            return 1.0

    longest = policy.backoff(attempt, first=first, most=most, rng=Highest())
    assert longest == pytest.approx(min(most, first * 2.0 ** min(attempt - 1, 32)))


def test_waits_are_spread_over_the_whole_range():
    rng = random.Random(1)  # noqa: S311 -- jitter, not a secret
    waits = [policy.backoff(8, first=10, most=900, rng=rng) for _ in range(2000)]
    assert min(waits) < 20
    assert max(waits) > 880
    assert sum(waits) / len(waits) == pytest.approx(450, rel=0.1)


def test_the_same_randomness_gives_the_same_wait():
    rngs = (random.Random(7), random.Random(7))  # noqa: S311 -- jitter, not a secret
    waits = [policy.backoff(5, first=10, most=900, rng=rng) for rng in rngs]
    assert waits[0] == waits[1]


def test_an_object_that_is_lost_again_and_again_waits_twice_as_long_each_time_up_to_a_day():
    hour = 3600.0
    assert [policy.put_off(losses) for losses in range(1, 10)] == [
        None, None, hour, 2 * hour, 4 * hour, 8 * hour, 16 * hour, 24 * hour, 24 * hour,
    ]  # fmt: skip
    assert policy.put_off(100_000) == 24 * hour
