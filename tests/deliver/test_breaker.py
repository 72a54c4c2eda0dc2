"""The circuit breaker: what opens it, what it holds back, and what happens when the peer is back."""

import random
import threading

import pytest

from dcis_node.config import DeliverSettings
from dcis_node.deliver.lane import Lane, deliver_next
from dcis_node.deliver.outcome import Failure
from dcis_node.deliver.routes import dicom_route
from dcis_node.deliver.sender import echo
from storage import destinations, outbox
from storage.destinations import condition
from tests.deliver.destinations import Destination
from tests.deliver.helpers import NOW, address
from tests.peers import StoragePeer, black_hole, free_port, rejecting_peer, resetting_peer

OF_DESTINATION = (
    Failure.NO_CONNECTION,
    Failure.CONNECT_TIMEOUT,
    Failure.TLS,
    Failure.REJECTED,
    Failure.NO_ASSOCIATION,
)
SETTINGS = DeliverSettings(breaker_failures=3, backoff_first_seconds=10.0, backoff_most_seconds=900.0)


@pytest.fixture
def lane(node):
    def make(route, **options):
        options = {
            "db": node.db,
            "files": node.files,
            "destination": "pacs",
            "settings": SETTINGS,
            "owner": "a",
            "rng": random.Random(1),  # noqa: S311 -- jitter, not a secret
            "stop": threading.Event(),
            **options,
        }
        return Lane(route=route, **options)

    return make


def exams(node, result_file, number):
    """One result in each of some exams."""
    return [node.add(result_file(), study=f"1.2.{n}") for n in range(number)]


def drain(context, *, now):
    while deliver_next(context, now=now):
        pass


def opened(node, context, result_file):
    """Open the breaker by three exams that meet a dead peer; two more wait behind them."""
    uids = exams(node, result_file, 5)
    drain(context, now=NOW)
    assert condition(node.db, "pacs").is_open
    return uids


@pytest.mark.parametrize("failure", OF_DESTINATION)
def test_failures_of_the_destination_in_a_row_open_it_and_the_others_are_not_tried(
    node, lane, result_file, failure, caplog
):
    peer = Destination(failure, there=False)
    uids = opened(node, lane(peer.route), result_file)
    assert [len(node.attempts(uid)) for uid in uids] == [1, 1, 1, 0, 0]
    assert [node.row(uid).attempts for uid in uids] == [0] * 5  # the objects themselves were not tried
    assert condition(node.db, "pacs").failures == 3
    assert caplog.text.count("event=breaker_open destination=pacs failures=3") == 1


def test_an_exam_that_nobody_takes_counts_once_however_many_objects_it_has(node, lane, result_file):
    for _ in range(7):
        node.add(result_file())
    assert deliver_next(lane(Destination(Failure.NO_CONNECTION).route), now=NOW)
    assert condition(node.db, "pacs").failures == 1


def test_an_answer_in_between_begins_the_count_anew(node, lane, result_file):
    peer = Destination(Failure.NO_CONNECTION)
    context = lane(peer.route)
    for answer in (Failure.NO_CONNECTION, Failure.NO_CONNECTION, 0xA700, Failure.REJECTED, Failure.NO_CONNECTION):
        peer.answer = answer
        node.add(result_file(), study=f"1.{answer}.{random.random()}")  # noqa: S311 -- a name
        assert deliver_next(context, now=NOW)
    assert not condition(node.db, "pacs").is_open
    assert condition(node.db, "pacs").failures == 2


@pytest.mark.parametrize(
    "answer", [0xA700, 0xA900, 0xC000, 0x0122, Failure.CLASS_NOT_ACCEPTED, Failure.SYNTAX_NOT_ACCEPTED]
)
def test_a_refusal_of_objects_is_none_of_the_destination(node, lane, result_file, answer):
    exams(node, result_file, 6)
    drain(lane(Destination(answer).route), now=NOW)
    assert condition(node.db, "pacs").failures == 0


@pytest.mark.parametrize("failure", [Failure.NO_ANSWER, Failure.CUT_OFF])
def test_one_object_without_an_answer_is_that_objects_matter_however_often(node, lane, result_file, failure):
    exams(node, result_file, 6)
    drain(lane(Destination(failure).route), now=NOW)
    assert condition(node.db, "pacs").failures == 0


def test_three_objects_of_an_exam_without_an_answer_open_it_and_the_rest_of_the_exam_is_given_back(
    node, lane, result_file
):
    uids = [node.add(result_file()) for _ in range(6)]
    assert deliver_next(lane(Destination(Failure.NO_ANSWER).route), now=NOW)
    assert condition(node.db, "pacs").is_open
    assert [node.row(uid).attempts for uid in uids] == [1, 1, 1, 0, 0, 0]
    assert node.states() == {"due": 6}


def test_while_it_is_open_nothing_is_claimed_and_probes_come_ever_more_rarely_but_within_the_bound(
    node, lane, result_file
):
    peer = Destination(Failure.NO_CONNECTION, there=False)
    context = lane(peer.route)
    uids = opened(node, context, result_file)
    longest = []
    for _ in range(40):
        before = condition(node.db, "pacs").next_probe_at
        assert not deliver_next(context, now=before - 0.001)
        number = peer.probes
        assert not deliver_next(context, now=before)
        assert peer.probes == number + 1
        longest.append(condition(node.db, "pacs").next_probe_at - before)
    assert [len(node.attempts(uid)) for uid in uids] == [1, 1, 1, 0, 0]
    assert max(longest[:1]) <= 20
    assert max(longest) > 400
    assert all(0 <= wait <= 0.9 * 900 for wait in longest)
    assert condition(node.db, "pacs").last_error == "nobody there"


def test_when_the_peer_is_back_everything_leaves_at_once_oldest_first(node, lane, result_file, caplog):
    caplog.set_level("INFO")
    peer = Destination(Failure.NO_CONNECTION, there=False)
    context = lane(peer.route)
    uids = opened(node, context, result_file)
    assert not deliver_next(context, now=NOW + 1e5)
    uids += [node.add(result_file(), study=f"1.9.{n}", now=NOW + 1e5 + n) for n in range(3)]
    peer.answer, peer.there = 0x0000, True
    drain(context, now=NOW + 2e5)
    assert peer.got == uids
    assert node.states() == {"sent": 8}
    assert condition(node.db, "pacs").failures == 0
    assert "event=breaker_closed destination=pacs open_seconds=200000 results_due=8" in caplog.text


def test_what_the_peer_refused_for_a_reason_of_the_object_keeps_its_own_wait(node, lane, result_file):
    peer = Destination(0xC000)
    context = lane(peer.route)
    refused = node.add(result_file(), study="1.1")
    assert deliver_next(context, now=NOW)
    wait = node.row(refused).next_try_at
    peer.answer, peer.there = Failure.NO_CONNECTION, False
    opened(node, context, result_file)
    peer.answer, peer.there = 0x0000, True
    drain(context, now=NOW + 30)
    assert node.states() == {"sent": 5, "due": 1}
    assert node.row(refused).next_try_at == wait


def test_a_peer_that_answers_probes_and_takes_nothing_opens_it_again_at_the_first_failure(node, lane, result_file):
    peer = Destination(Failure.REJECTED, there=False)
    context = lane(peer.route)
    opened(node, context, result_file)
    peer.there = True
    waits = []
    for _ in range(12):
        now = condition(node.db, "pacs").next_probe_at
        tried = sum(len(node.attempts(uid)) for uid in _uids(node))
        drain(context, now=now)
        assert condition(node.db, "pacs").is_open
        assert sum(len(node.attempts(uid)) for uid in _uids(node)) == tried + 1
        waits.append(condition(node.db, "pacs").next_probe_at - now)
    assert max(waits) > 200


def _uids(node):
    with node.db.read() as session:
        return [uid for (uid,) in session.query(outbox.Result.sop_instance_uid)]


def test_the_breaker_survives_a_restart_and_is_shared(node, lane, result_file):
    opened(node, lane(Destination(Failure.NO_CONNECTION, there=False).route), result_file)
    other = Destination()
    context = lane(other.route, owner="b")
    drain(context, now=condition(node.db, "pacs").next_probe_at - 1)
    assert (other.got, other.probes) == ([], 0)
    drain(context, now=condition(node.db, "pacs").next_probe_at)
    assert len(other.got) == 5


def test_of_two_couriers_one_probes_and_one_closes(node, lane, result_file, caplog):
    caplog.set_level("INFO")
    peer = Destination(Failure.NO_CONNECTION, there=False)
    context = lane(peer.route)
    opened(node, context, result_file)
    seen = condition(node.db, "pacs")
    assert not context.breaker.probe(seen, now=seen.next_probe_at)
    assert not context.breaker.probe(seen, now=seen.next_probe_at)
    assert peer.probes == 1
    peer.there = True
    again = condition(node.db, "pacs")
    assert destinations.close_breaker(node.db, "pacs", now=NOW + 1) == 5
    assert not context.breaker.probe(again, now=again.next_probe_at)
    assert peer.probes == 1
    assert "event=breaker_closed" not in caplog.text


def test_a_courier_that_finds_the_peer_back_after_another_did_goes_on_without_a_word(node, lane, result_file, caplog):
    peer = Destination(Failure.NO_CONNECTION, there=False)
    context = lane(peer.route)
    opened(node, context, result_file)
    seen = condition(node.db, "pacs")
    probe = peer._probe

    def closed_meanwhile():
        destinations.close_breaker(node.db, "pacs", now=NOW + 1)
        peer.there = True
        return probe()

    peer._probe = closed_meanwhile
    assert lane(peer.route).breaker.probe(seen, now=seen.next_probe_at)
    assert "event=breaker_closed" not in caplog.text


def test_two_couriers_that_fail_at_the_same_time_open_it_once(node, lane, result_file, caplog):
    opened(node, lane(Destination(Failure.NO_CONNECTION, there=False).route), result_file)
    before = condition(node.db, "pacs")
    lane(Destination().route, owner="b").breaker.failed(count=1, now=NOW + 5, text="down")
    after = condition(node.db, "pacs")
    assert (after.failures, after.next_probe_at, after.changed_at) == (4, before.next_probe_at, before.changed_at)
    assert caplog.text.count("event=breaker_open") == 1


def test_a_peer_without_the_verification_service_counts_as_there():
    with StoragePeer(echo=False) as peer:
        answer = echo(address(peer.port))
    assert (answer.ok, answer.is_there) == (False, True)


def test_peers_that_refuse_reset_swallow_or_reject_are_not_there():
    answers = [echo(address(free_port()))]
    for misbehaving in (black_hole(), resetting_peer(), rejecting_peer(2, 3, 1), rejecting_peer(1, 1, 7)):
        with misbehaving as port:
            answers.append(echo(address(port, timeout_seconds=0.3)))
    assert [(answer.ok, answer.is_there) for answer in answers] == [(False, False)] * 5


def test_a_real_peer_that_was_down_gets_everything_by_one_probe(node, lane, result_file):
    peer = StoragePeer(port=free_port())
    context = lane(dicom_route(address(peer.port, timeout_seconds=20.0)))
    uids = opened(node, context, result_file)
    with peer:
        drain(context, now=condition(node.db, "pacs").next_probe_at)
    assert peer.uids() == uids


def test_a_clock_that_was_ahead_delays_neither_a_probe_nor_a_result(node, lane, result_file):
    peer = Destination(Failure.NO_CONNECTION, there=False)
    context = lane(peer.route)
    uids = exams(node, result_file, 5)
    drain(context, now=NOW + 1e8)
    assert condition(node.db, "pacs").is_open
    peer.answer, peer.there = 0x0000, True
    drain(context, now=NOW)
    assert (peer.probes, sorted(peer.got)) == (1, sorted(uids))


def test_a_result_that_was_put_off_by_a_clock_that_was_ahead_is_tried(node, lane, result_file):
    node.add(result_file())
    peer = Destination(0xA700)
    context = lane(peer.route)
    deliver_next(context, now=NOW + 1e8)
    peer.answer = 0x0000
    deliver_next(context, now=NOW)
    assert node.states() == {"sent": 1}
