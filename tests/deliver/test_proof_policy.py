"""What each answer about an object leads to: pure rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.deliver import proof_policy as policy
from dcis_node.deliver.proof_policy import Offers, Way
from storage.proofs import Unproven

SENT = 1_000_000.0
WEEK = 604800.0
REASONS = (None, 0x0110, 0x0112, 0x0119, 0x0122, 0x0131, 0x0213, 0x0001, 0xFFFF)


def row(denials=0, *, sent_at=SENT, error="", last_request="", last_reason=None):
    return Unproven(7, "1.2", "1.2.3", "1.2.4", "1.2.5", sent_at, denials, error, last_request, last_reason)


@pytest.mark.parametrize(
    ("reason", "state", "words"),
    [
        (0x0110, "sent", "0x0110 processing failure"),
        (0x0112, "due", "0x0112 no such object instance: it is sent again"),
        (0x0119, "dead", "0x0119 class / instance conflict"),
        (0x0122, "sent", "0x0122 it gives no commitment for objects of this SOP class"),
        (0x0131, "sent", "0x0131 duplicate Transaction UID"),
        (0x0213, "sent", "0x0213 resource limitation"),
        (0xC001, "sent", "no commitment: 0xC001"),
        (None, "sent", "no commitment, without a reason"),
    ],
)
def test_each_failure_reason_has_its_consequence(reason, state, words):
    fate = policy.judge_report(row(), reason, True, SENT + 10)
    assert fate.state == state
    assert words in fate.text
    assert (fate.at is None) == (state == "dead")


@given(
    reason=st.sampled_from(REASONS),
    named=st.booleans(),
    denials=st.integers(0, 10),
    age=st.floats(0, 10 * WEEK),
    last=st.sampled_from(["", "expired", "refused", "reported"]),
)
def test_nothing_is_asked_or_sent_again_at_once_and_nothing_is_sent_for_ever(reason, named, denials, age, last):
    now = SENT + age
    for fate in (
        policy.judge_report(row(denials, last_request=last), reason, named, now),
        policy.judge_missing(row(denials), now),
        policy.judge_refusal(row(denials), 0x0110, now),
        policy.judge_unasked(row(denials), "why", now),
    ):
        assert fate.text
        assert fate.at is None or fate.at >= now + policy.FIRST_WAIT_SECONDS
        if fate.state == "due":
            assert denials < policy.MOST_RESENDS


@given(st.floats(0, 10 * WEEK))
def test_the_wait_doubles_within_limits(age):
    seconds = policy.wait(row(), SENT + age)
    assert policy.FIRST_WAIT_SECONDS <= seconds <= policy.LONGEST_WAIT_SECONDS
    if policy.FIRST_WAIT_SECONDS < age < policy.LONGEST_WAIT_SECONDS:
        assert SENT + age + seconds == pytest.approx(SENT + 2 * age)


def test_a_peer_that_is_slow_to_list_is_given_time_and_only_then_sent_to_again():
    assert policy.judge_missing(row(), SENT + 599).state == "sent"
    assert policy.judge_missing(row(), SENT + 600).state == "due"
    assert policy.judge_missing(row(policy.MOST_RESENDS), SENT + 600).state == "dead"


def test_it_is_given_up_after_the_time_of_the_setting():
    asked = row(error="no answer")
    assert policy.too_old(asked, SENT + WEEK, give_up_seconds=WEEK) is None
    fate = policy.too_old(asked, SENT + WEEK + 1, give_up_seconds=WEEK)
    assert (fate.state, fate.at) == ("sent", None)


@pytest.mark.parametrize("never", [row(), row(sent_at=0.0, error="no answer")])
def test_what_was_not_asked_after_or_sent_at_an_unknown_time_is_not_given_up(never):
    assert policy.too_old(never, SENT + 10 * WEEK, give_up_seconds=WEEK) is None


@pytest.mark.parametrize(
    ("mode", "offers", "last", "expected"),
    [
        ("auto", Offers(True, True), row(), Way.COMMITMENT),
        ("auto", Offers(True, False), row(), Way.COMMITMENT),
        ("auto", Offers(False, True), row(), Way.QUERY),
        ("auto", Offers(False, False), row(), Way.NONE),
        ("auto", Offers(True, True), row(last_request="expired"), Way.QUERY),
        ("auto", Offers(True, True), row(last_request="refused"), Way.QUERY),
        ("auto", Offers(True, True), row(last_request="reported", last_reason=0x0122), Way.QUERY),
        ("auto", Offers(True, True), row(last_request="reported", last_reason=0x0112), Way.COMMITMENT),
        ("auto", Offers(True, False), row(last_request="expired"), Way.COMMITMENT),
        ("commitment", Offers(True, True), row(last_request="expired"), Way.COMMITMENT),
        ("commitment", Offers(False, True), row(), Way.NONE),
        ("query", Offers(True, True), row(), Way.QUERY),
        ("query", Offers(True, False), row(), Way.NONE),
    ],
)
def test_the_way_to_ask_follows_the_setting_the_offer_and_what_was_tried(mode, offers, last, expected):
    assert policy.way(mode, offers, last) is expected
