"""Queries to peers that are slow, or that break off: limited in time, and each object gets its turn."""

import random
import threading

import pytest
from pydicom import Dataset

from dcis_node.deliver import query
from dcis_node.deliver.dicom_proof import DicomProof
from dcis_node.deliver.prover import Prover, prove_next
from storage import outbox
from storage.proofs import Unproven
from tests.commitment_peer import CommitmentPeer
from tests.deliver.helpers import NOW, PROOF_DUE, SENT_AT, address

ANSWER_SECONDS = 25.0
LIMIT_SECONDS = 60.0


class SlowPeer:
    """An association whose peer takes its time for each answer, by a clock of its own.

    Parameters
    ----------
    there
        The SOP Instance UIDs that it has; those of a series are asked after together.
    deadly
        A Series Instance UID: the peer hangs up when it is asked after.
    parts
        Answers that each query gets before its last; each takes its time.
    """

    def __init__(self, there=(), *, deadly="", parts=0):
        self.there, self.deadly, self.parts = set(there), deadly, parts
        self.now = 0.0
        self.is_established = True
        self.asked = []

    def clock(self):
        return self.now

    def abort(self):
        self.is_established = False

    def send_c_find(self, identifier, _model):
        self.asked.append(str(identifier.SeriesInstanceUID))
        if identifier.SeriesInstanceUID == self.deadly:
            self.abort()
            raise RuntimeError
        for _ in range(self.parts):
            self.now += ANSWER_SECONDS
            yield _answer(0xFF00), Dataset()
        self.now += ANSWER_SECONDS
        wanted = identifier.SOPInstanceUID or []
        for uid in [wanted] if isinstance(wanted, str) else wanted:
            if uid in self.there:
                found = Dataset()
                found.SOPInstanceUID = uid
                yield _answer(0xFF00), found
        yield _answer(0x0000), None


def _answer(status):
    answer = Dataset()
    answer.Status = status
    return answer


def unproven(number, *, in_series=1):
    return [Unproven(n, "1.2", f"1.2.{n}", "1.2.3", f"1.2.3.{n // in_series}", 0.0, 0) for n in range(1, number + 1)]


def find(peer, rows, rng):
    return query.find(peer, rows, until=LIMIT_SECONDS, rng=rng, clock=peer.clock)


def order(seed=1):
    return random.Random(seed)  # noqa: S311 -- the order of questions


def uids(rows):
    return {row.sop_instance_uid for row in rows}


def test_what_was_not_asked_in_time_is_not_known_and_what_was_answered_is():
    rows = unproven(12)
    peer = SlowPeer(uids(rows))
    answer = find(peer, rows, order())
    assert len(peer.asked) == len(answer.found) == 3, "none is begun after the limit"
    assert answer.missing == set()
    assert answer.failure == query.TOO_SLOW


def test_a_peer_that_answers_in_time_is_asked_after_everything():
    rows = unproven(2)
    assert find(SlowPeer(uids(rows)), rows, order()) == query.QueryAnswer(frozenset(uids(rows)))


def test_an_object_is_missing_only_if_all_ways_to_ask_were_gone_in_time():
    rows = unproven(3, in_series=100)
    peer = SlowPeer()
    answer = find(peer, rows, order())
    assert answer == query.QueryAnswer(failure=query.TOO_SLOW, missing=answer.missing)
    assert len(answer.missing) == 1, "of three queries two were for all of the series"


def test_an_answer_in_endless_parts_is_cut_off():
    rows = unproven(2)
    peer = SlowPeer(uids(rows), parts=query.MOST_RESPONSES)
    answer = find(peer, rows, order())
    assert answer == query.QueryAnswer(failure=query.TOO_SLOW)
    assert not peer.is_established
    assert peer.now <= LIMIT_SECONDS + ANSWER_SECONDS


def test_what_a_peer_has_listed_until_it_was_cut_off_is_there():
    rows = unproven(2, in_series=100)
    peer = SlowPeer(uids(rows), parts=2)
    answer = find(peer, rows, order())
    assert answer == query.QueryAnswer(answer.found, failure=query.TOO_SLOW)
    assert len(answer.found) == 1


@pytest.mark.parametrize("seed", range(5))
def test_what_tells_nothing_each_time_keeps_no_other_from_its_turn(seed):
    """Neither slow queries that find nothing nor one at which the peer hangs up come first each time."""
    rows, rng, asked, found = unproven(12), order(seed), set(), set()
    for _ in range(40):
        peer = SlowPeer(deadly="1.2.3.1")
        find(peer, rows, rng)
        asked |= set(peer.asked)
        left = [row for row in rows if row.sop_instance_uid not in found]
        found |= find(SlowPeer(uids(rows), deadly="1.2.3.1"), left, rng).found
    assert asked == {row.series_instance_uid for row in rows}
    assert found == uids(rows) - {"1.2.1"}


def test_a_slow_archive_proves_everything_in_several_questions_each_well_within_its_lease(node, result_file):
    number, answer_seconds, lease_seconds = 6, 0.25, 2.4
    wanted = [node.add(result_file(), series=f"1.2.3.{n}") for n in range(number)]
    for parcel in outbox.claim(node.db, owner="a", now=NOW, lease_seconds=60):
        outbox.mark_sent(node.db, parcel, now=SENT_AT, status=0, proof_due_at=PROOF_DUE)

    def slow(there, asked):
        threading.Event().wait(answer_seconds)
        return [uid for uid in there if uid == asked.SOPInstanceUID]

    with CommitmentPeer(offers=("query",), listed=slow, stored=wanted) as peer:
        asks = DicomProof(address(peer.port), 1000.0)
        prover = Prover(node.db, "pacs", "query", 604800.0, lease_seconds, asks.ask)
        assert prove_next(prover, now=PROOF_DUE)
        assert 1 <= len(peer.queries) <= 3, "a quarter of the lease, and the answer in hand"
        errors = {node.row(uid).proof_error for uid in wanted}
        assert errors <= {"", query.TOO_SLOW}
        assert query.TOO_SLOW in errors
        for turn in range(1, 10 * number):
            prove_next(prover, now=PROOF_DUE + 7200.0 * turn)
    assert node.states() == {"proven": number}
