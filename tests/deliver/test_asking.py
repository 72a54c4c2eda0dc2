"""What an association tells that ends in the middle of a question, or speaks of something else."""

import random

from pydicom import Dataset
from pynetdicom.dimse_primitives import C_ECHO, N_EVENT_REPORT

from dcis_node.deliver import commitment, query
from storage import proofs
from tests.commitment_peer import CommitmentPeer
from tests.deliver.helpers import NOW
from tests.deliver.helpers import PROOF_DUE as DUE


def asked(association, rows):
    return query.find(association, rows, until=1.0, rng=random.SystemRandom(), clock=lambda: 0.0)


class Quiet:
    """An association whose peer has just ended it; `answers` are what a query brings before."""

    is_established = False

    def __init__(self, *answers):
        self._answers = answers

    def send_c_find(self, *_):
        yield from self._answers
        raise RuntimeError("the association with a peer SCP must be established")

    def send_n_action(self, *_):
        raise RuntimeError("the association with a peer SCP must be established")


def pending(uid, **values):
    answer, status = Dataset(), Dataset()
    status.Status = 0xFF00
    answer.SOPInstanceUID = uid
    for keyword, value in values.items():
        setattr(answer, keyword, value)
    return status, answer


def test_a_peer_that_ends_the_association_meanwhile_has_told_nothing(node, sent):
    sent(CommitmentPeer(), 2)
    rows = proofs.claim(node.db, "pacs", now=DUE, lease_seconds=60)
    there = pending(rows[0].sop_instance_uid)
    for association, why in (
        (Quiet(there), "the association ended before the query was answered"),
        (Quiet(there, (Dataset(), None)), "the query got no answer"),
    ):
        assert asked(association, rows) == query.QueryAnswer(frozenset(), frozenset(), why)
    assert commitment.ask(Quiet(), rows, "2.25.1") is None


def test_a_query_that_ends_without_an_answer_has_told_nothing(node, sent):
    class Silent(Quiet):
        def send_c_find(self, *_):
            yield from ()

    sent(CommitmentPeer(), 1)
    rows = proofs.claim(node.db, "pacs", now=DUE, lease_seconds=60)
    assert asked(Silent(), rows).failure == "the query got no answer"


def test_what_a_peer_lists_as_unavailable_or_cannot_name_is_not_there(node, sent):
    class Answering(Quiet):
        is_established = True

        def send_c_find(self, *_):
            done = Dataset()
            done.Status = 0x0000
            yield from (*self._answers, (pending("")[0], None), (done, None))

    sent(CommitmentPeer(), 2)
    one, other = rows = proofs.claim(node.db, "pacs", now=DUE, lease_seconds=60)
    offline = pending(one.sop_instance_uid, InstanceAvailability="UNAVAILABLE")
    online = pending(other.sop_instance_uid, InstanceAvailability="ONLINE")
    answer = asked(Answering(offline, online, pending("")), rows)
    assert answer == query.QueryAnswer({other.sop_instance_uid}, {one.sop_instance_uid}, "")


def test_a_request_that_is_no_report_or_of_another_service_changes_nothing(node, caplog):
    sent = []

    class Association:
        def __init__(self):
            self._accepted_cx = {}
            self.dimse = self

        def send_msg(self, message, context_id):
            sent.append((message.Status, context_id))

    event = N_EVENT_REPORT()
    listener = commitment.Listener(node.db, lambda: NOW)
    listener.serve(Association(), event, 1)
    listener.serve(Association(), C_ECHO(), 1)
    assert sent == []
    assert caplog.text.count("event=request_passed_over") == 2
    event.MessageID, event.EventTypeID = 1, 1
    event.AffectedSOPClassUID, event.AffectedSOPInstanceUID = "1.2.3", "1.2.4"
    listener.serve(Association(), event, 1)
    assert sent == [(0x0118, 1)]
