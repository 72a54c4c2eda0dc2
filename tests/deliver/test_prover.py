"""Proving, against a real peer that answers as it likes: the right state each time."""

import pytest

from dcis_node.commitment import Report
from dcis_node.config import DeliverSettings, DestinationSettings
from dcis_node.deliver import commitment, dicom_proof, proof_policy, prover
from dcis_node.deliver.dicom_proof import DicomProof
from dcis_node.deliver.prover import Prover, prove_next
from dcis_node.deliver.provers import prover_of
from dcis_node.errors import StorageError
from storage import outbox
from storage.commitments import Taken
from storage.schema import Commitment, CommitmentItem
from tests.commitment_peer import CommitmentPeer
from tests.deliver.helpers import PROOF_DUE as DUE
from tests.deliver.helpers import SENT_AT as SENT
from tests.deliver.helpers import address
from tests.peers import black_hole, free_port, rejecting_peer, wait_until

TIMEOUT = 1000.0


@pytest.fixture
def context(node):
    def make(peer, mode="auto", *, seconds=0.0, **changes):
        port = peer if isinstance(peer, int) else peer.port
        asks = DicomProof(address(port, timeout_seconds=2.0), TIMEOUT, report_seconds=seconds)
        return Prover(
            node.db, "pacs", mode, **{"give_up_seconds": 604800.0, "lease_seconds": 300.0, "ask": asks.ask} | changes
        )

    return make


def take(node, request, *, committed=None, failed=None, now=DUE + 1):
    """Take a report as a receiver does."""
    failed = failed or {}
    committed = [uid for uid in request.uids if uid not in failed] if committed is None else committed
    return commitment.record(node.db, Report(request.transaction_uid, frozenset(committed), failed), now=now)


def rows(node, table):
    with node.db.read() as session:
        return session.query(table).order_by(table.id).all()


def requests_of(node):
    return [request.state for request in rows(node, Commitment)]


def test_before_the_delay_nobody_is_asked(node, sent, context):
    with CommitmentPeer() as peer:
        sent(peer)
        # The objects of an exam that are due so soon after the first go with it; none is due yet.
        assert not prove_next(context(peer), now=SENT)
        assert peer.requests == []


def test_a_report_on_the_same_association_proves(node, sent, context):
    with CommitmentPeer(answer=CommitmentPeer.report_here) as peer:
        uids = sent(peer)
        assert prove_next(context(peer, seconds=20.0), now=DUE)
        assert not prove_next(context(peer), now=DUE + 10 * TIMEOUT)
        (request,) = peer.requests
    assert sorted(request.uids) == sorted(uids)
    assert node.states() == {"proven": 3}
    row = node.row(uids[0])
    assert (row.proven_by, row.proof_due_at, row.proof_error) == ("commitment", None, "")
    assert row.proven_at >= DUE
    assert peer.answers == [0x0000]
    assert {item.outcome for item in rows(node, CommitmentItem)} == {"committed"}


def test_a_report_that_comes_to_another_process_proves_and_a_second_one_changes_nothing(node, sent, context):
    with CommitmentPeer() as peer:
        uids = sent(peer)
        prove_next(context(peer), now=DUE)
        (request,) = peer.requests
    assert node.states() == {"sent": 3}
    assert node.row(uids[0]).proof_due_at == pytest.approx(DUE + TIMEOUT, abs=30)
    assert take(node, request) is Taken.NEW
    assert node.states() == {"proven": 3}
    proven_at = node.row(uids[0]).proven_at
    assert take(node, request, failed={uids[0]: 0x0112}, now=DUE + 99) is Taken.REPEATED
    assert (node.states(), node.row(uids[0]).proven_at) == ({"proven": 3}, proven_at)


def test_what_is_not_there_is_sent_again_later_each_time_and_set_aside_at_last(node, sent, context):
    now = DUE
    waits = []
    with CommitmentPeer() as peer:
        uids = sent(peer, 1)
        for number in range(proof_policy.MOST_RESENDS + 1):
            assert prove_next(context(peer), now=now)
            take(node, peer.requests[number], failed={uids[0]: 0x0112}, now=now + 1)
            row = node.row(uids[0])
            if row.state == "dead":
                break
            assert (row.state, row.attempts, row.first_try_at) == ("due", 0, None)
            waits.append(row.next_try_at - (now + 1))
            now = row.next_try_at
            (parcel,) = outbox.claim(node.db, owner="a", now=now, lease_seconds=60)
            outbox.mark_sent(node.db, parcel, now=now + 1, status=0, proof_due_at=now + 2)
            now += 2
    assert waits == pytest.approx([60.0, 300.0, 1500.0])
    row = node.row(uids[0])
    assert (row.state, row.proof_due_at) == ("dead", None)
    assert "0x0112 no such object instance, though it has taken it 4 times" in row.last_error
    assert outbox.requeue(node.db, now=now) == 1
    assert (node.row(uids[0]).proof_attempts, node.row(uids[0]).proof_error) == (0, "")


def test_a_partial_failure_touches_only_what_failed(node, sent, context):
    with CommitmentPeer() as peer:
        uids = sent(peer)
        prove_next(context(peer), now=DUE)
    take(node, peer.requests[0], failed={uids[0]: 0x0119, uids[1]: 0x0110})
    assert node.states() == {"proven": 1, "dead": 1, "sent": 1}
    assert "another object under this UID" in node.row(uids[0]).last_error
    assert "0x0110 processing failure" in node.row(uids[1]).proof_error


def test_what_a_report_leaves_out_is_asked_after_again_under_a_new_uid(node, sent, context):
    with CommitmentPeer() as peer:
        uids = sent(peer)
        prove_next(context(peer, "commitment"), now=DUE)
        take(node, peer.requests[0], committed=uids[:2])
        assert node.states() == {"proven": 2, "sent": 1}
        assert "leaves it out" in node.row(uids[2]).proof_error
        assert not prove_next(context(peer, "commitment"), now=DUE + 10)
        assert prove_next(context(peer, "commitment"), now=DUE + 60)
        assert peer.requests[1].uids == (uids[2],)
    assert len({request.transaction_uid for request in peer.requests}) == 2


def test_without_a_report_it_is_asked_anew_and_a_late_report_on_the_first_request_counts(node, sent, context):
    with CommitmentPeer() as peer:
        uids = sent(peer)
        prove_next(context(peer), now=DUE)
        assert not prove_next(context(peer), now=DUE + TIMEOUT / 2)
        assert prove_next(context(peer), now=DUE + TIMEOUT + 60)
        first, second = peer.requests
        assert first.transaction_uid != second.transaction_uid
        assert requests_of(node) == ["expired", "asked"]
    assert take(node, first, failed={uids[0]: 0x0112}) is Taken.NEW
    assert node.states() == {"proven": 2, "sent": 1}, "what a late report denies is left to the newer request"
    assert take(node, second) is Taken.NEW
    assert node.states() == {"proven": 3}


def test_a_courier_that_died_after_the_request_is_followed_by_one_that_asks_after_the_lease(node, sent, context):
    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    with CommitmentPeer() as peer:
        sent(peer)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dicom_proof.commitment, "ask", die)
            with pytest.raises(Killed):
                prove_next(context(peer), now=DUE)
        assert requests_of(node) == ["asked"]
        assert not prove_next(context(peer), now=DUE + 200)
        assert prove_next(context(peer), now=DUE + 330)
        assert requests_of(node) == ["expired", "asked"]
        take(node, peer.requests[0])
    assert node.states() == {"proven": 3}


@pytest.mark.parametrize(("status", "wait"), [(0x0213, 30), (0x0110, 30), (0x0124, 3600)])
def test_a_refused_request_is_told_and_asked_again(node, sent, context, status, wait):
    with CommitmentPeer(action_status=status) as peer:
        uids = sent(peer)
        prove_next(context(peer), now=DUE)
    row = node.row(uids[0])
    assert (row.state, requests_of(node)) == ("sent", ["refused"])
    assert row.proof_due_at == pytest.approx(DUE + wait, abs=20)
    assert f"refused: 0x{status:04X}" in row.proof_error


def test_a_peer_that_hangs_up_on_the_request_may_have_it_and_is_asked_again(node, sent, context):
    with CommitmentPeer(action_status=None) as peer:
        uids = sent(peer)
        prove_next(context(peer), now=DUE)
        row = node.row(uids[0])
        assert (row.state, requests_of(node)) == ("sent", ["asked"])
        assert row.proof_due_at == pytest.approx(DUE + 30, abs=20)
        take(node, peer.requests[0])
    assert node.states() == {"proven": 3}


def test_without_commitment_a_query_proves(node, sent, context):
    with CommitmentPeer(offers=("query",)) as peer:
        uids = sent(peer)
        assert prove_next(context(peer), now=DUE)
        assert len(peer.queries) == 1
        assert sorted(peer.queries[0].SOPInstanceUID) == sorted(uids)
    assert node.states() == {"proven": 3}
    assert node.row(uids[0]).proven_by == "query"


def test_where_both_are_offered_the_setting_decides(node, sent, context):
    with CommitmentPeer(offers=("commitment", "query")) as peer:
        sent(peer, 1)
        prove_next(context(peer, "query"), now=DUE)
        assert (len(peer.requests), len(peer.queries)) == (0, 1)
        sent(peer, 1)
        prove_next(context(peer, "auto"), now=DUE)
        assert (len(peer.requests), len(peer.queries)) == (1, 1)


def test_auto_falls_back_to_a_query_where_commitment_brought_nothing(node, sent, context):
    with CommitmentPeer(offers=("commitment", "query")) as peer:
        uids = sent(peer, 1)
        prove_next(context(peer), now=DUE)
        assert node.states() == {"sent": 1}
        prove_next(context(peer), now=DUE + TIMEOUT + 60)
        assert node.row(uids[0]).proven_by == "query"
        other = sent(peer, 1)
        prove_next(context(peer), now=DUE)
        take(node, peer.requests[-1], failed={other[0]: 0x0122})
        assert prove_next(context(peer), now=DUE + 60)
        assert node.row(other[0]).proven_by == "query"


def test_a_class_that_gets_no_commitment_is_asked_after_daily_where_commitment_is_demanded(node, sent, context):
    with CommitmentPeer(offers=("commitment", "query")) as peer:
        uids = sent(peer, 1)
        for now in (DUE, DUE + 60):
            prove_next(context(peer, "commitment"), now=now)
            take(node, peer.requests[-1], failed={uids[0]: 0x0122}, now=now + 1)
        assert peer.queries == []
    row = node.row(uids[0])
    assert row.state == "sent"
    assert row.proof_due_at == pytest.approx(DUE + 60 + 86400, abs=20)


def test_a_query_that_misses_an_object_waits_for_a_slow_peer_and_then_sends_it_again(node, sent, context):
    with CommitmentPeer(offers=("query",)) as peer:
        uids = sent(peer)
        peer.stored.remove(uids[1])
        prove_next(context(peer), now=DUE)
        assert node.states() == {"proven": 2, "sent": 1}
        assert node.row(uids[1]).proof_error.endswith("does not list the object yet")
        prove_next(context(peer), now=DUE + proof_policy.UNLISTED_SECONDS)
        row = node.row(uids[1])
    assert (row.state, row.proof_attempts) == ("due", 1)


def only_all_of_the_series(there, query):
    return [*there, "1.2.3.999"] if not query.SOPInstanceUID else []


def only_one_at_a_time(there, query):
    wanted = query.SOPInstanceUID
    return [wanted] if isinstance(wanted, str) and wanted in there else []


@pytest.mark.parametrize("listed", [only_all_of_the_series, only_one_at_a_time])
def test_a_peer_that_knows_no_lists_of_uids_is_asked_otherwise(node, sent, context, listed):
    with CommitmentPeer(offers=("query",), listed=listed) as peer:
        sent(peer)
        prove_next(context(peer), now=DUE)
    assert node.states() == {"proven": 3}


def test_a_query_that_fails_says_nothing_of_the_objects(node, sent, context):
    with CommitmentPeer(offers=("query",), find_status=0xA700) as peer:
        uids = sent(peer)
        prove_next(context(peer), now=DUE + proof_policy.UNLISTED_SECONDS)
    row = node.row(uids[0])
    assert (row.state, row.proof_attempts, row.proof_error) == ("sent", 0, "the query failed: 0xA700")


def test_a_query_without_end_is_cut_off(node, sent, context, monkeypatch):
    monkeypatch.setattr("dcis_node.deliver.query.MOST_RESPONSES", 5)
    with CommitmentPeer(offers=("query",), listed=lambda *_: [f"1.2.{n}" for n in range(50)]) as peer:
        uids = sent(peer)
        prove_next(context(peer), now=DUE)
    assert node.row(uids[0]).proof_error == "the query got more than 5 answers"


def test_a_peer_that_offers_nothing_is_asked_daily_and_all_of_it_waits(node, sent, context):
    with CommitmentPeer(offers=()) as peer:
        uids = [*sent(peer, 1, study="1.2"), *sent(peer, 1, study="1.3")]
        asks = context(peer)
        assert prove_next(asks, now=DUE)
        assert not prove_next(asks, now=DUE + 3600)
        for uid in uids:
            row = node.row(uid)
            assert (row.state, row.proof_error) == ("sent", prover.NOT_OFFERED["auto"])
            assert row.proof_due_at == pytest.approx(DUE + 86400, abs=20)
        sent(peer, 1, study="1.4")
        assert prove_next(asks, now=DUE)
        assert not prove_next(asks, now=DUE + 3600)
        assert node.states() == {"sent": 3}


@pytest.mark.parametrize("mode", ["commitment", "query"])
def test_what_the_setting_demands_and_the_peer_lacks_is_told(node, sent, context, mode):
    with CommitmentPeer(offers=()) as peer:
        uids = sent(peer, 1)
        prove_next(context(peer, mode), now=DUE)
    assert node.row(uids[0]).proof_error == prover.NOT_OFFERED[mode]


def test_a_peer_that_is_down_is_told_once_for_all_that_is_due(node, sent, context):
    class Down:
        port, stored = free_port(), []

    uids = [*sent(Down, 1, study="1.2"), *sent(Down, 1, study="1.3")]
    assert prove_next(context(Down), now=DUE)
    assert not prove_next(context(Down), now=DUE + 5)
    assert all("no connection to" in node.row(uid).proof_error for uid in uids)
    with rejecting_peer(1, 1, 3) as port:
        prove_next(context(port), now=DUE + 60)
    assert "does not know our AE title 'NODE'" in node.row(uids[0]).proof_error
    with black_hole() as port:
        prove_next(context(port), now=DUE + 3700)
    assert "did not answer the association request" in node.row(uids[0]).proof_error


def test_after_seven_days_it_stays_sent_and_is_asked_after_no_more(node, sent, context, caplog):
    with CommitmentPeer() as peer:
        uids = sent(peer)
        assert prove_next(context(peer), now=DUE + 604800)
        assert len(peer.requests) == 1, "it is asked after once, however late"
        assert prove_next(context(peer), now=DUE + 604800 + 2 * TIMEOUT)
        assert not prove_next(context(peer), now=DUE + 1e9)
        assert len(peer.requests) == 1
    row = node.row(uids[0])
    assert (row.state, row.proof_due_at) == ("sent", None)
    assert row.proof_error == "not proven within 7 days: it is not asked after any more"
    assert "event=proof_given_up destination=pacs results=3" in caplog.text


def test_an_error_of_ours_is_recorded_and_the_row_is_asked_after_later(node, sent, context):
    def fail(*_):
        raise ZeroDivisionError

    with CommitmentPeer() as peer:
        uids = sent(peer)
        assert prove_next(context(peer, ask=fail), now=DUE)
    row = node.row(uids[0])
    assert (row.state, row.proof_error) == ("sent", "an error of this program (ZeroDivisionError)")
    assert row.proof_due_at == pytest.approx(DUE + 30, abs=1)


def test_a_report_that_the_index_cannot_take_is_refused_and_may_come_again(node, sent, context, monkeypatch):
    answers = []

    def busy(*_, **__):
        raise StorageError("the index was busy for ten seconds")

    def twice(peer, request):
        with monkeypatch.context() as patch:
            patch.setattr(commitment.commitments, "take_report", busy)
            peer.report_here(request)
        answers.append(peer.answers[-1])
        peer.report_here(request)

    with CommitmentPeer(answer=twice) as peer:
        sent(peer)
        prove_next(context(peer, seconds=20.0), now=DUE)
        wait_until(lambda: len(peer.answers) == 2, "both reports are answered")
    assert peer.answers == [0x0213, 0x0000]
    assert node.states() == {"proven": 3}


def test_reports_that_are_none_are_answered_on_the_association_of_the_request(node, sent, context, monkeypatch):
    def garbled(peer, request):
        peer.report_here(type(request)("1.2.3.4", request.uids, request.association))
        status, _ = request.association.send_n_event_report(
            None, 1, commitment.STORAGE_COMMITMENT, commitment.WELL_KNOWN_INSTANCE
        )
        peer.answers.append(status.get("Status"))
        with monkeypatch.context() as patch:
            patch.setattr(commitment, "record", lambda *_, **__: 1 / 0)
            peer.report_here(request)
        peer.report_here(request)

    with CommitmentPeer(answer=garbled) as peer:
        sent(peer)
        prove_next(context(peer, seconds=20.0), now=DUE)
        wait_until(lambda: len(peer.answers) == 4, "all reports are answered")
    assert peer.answers == [0x0110, 0x0115, 0x0110, 0x0000]
    assert node.states() == {"proven": 3}


def test_only_a_dicom_destination_that_wants_it_has_a_prover(node, tmp_path):
    def made(**options):
        destination = DestinationSettings(name="pacs", host="127.0.0.1", port=1, aet="PACS", **options)
        return prover_of(destination, DeliverSettings(), db=node.db, aet="NODE", base=tmp_path)

    assert made(proof="none") is None
    assert made().mode == "auto"
    assert made(timeout_seconds=10.0).lease_seconds == 380.0
