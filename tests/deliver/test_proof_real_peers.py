"""The proof of delivery, held against software that others wrote."""

import pytest

from dcis_node.deliver.dicom_proof import DicomProof
from dcis_node.deliver.prover import Prover, prove_next
from dcis_node.deliver.sender import outgoing_from_file, send_files
from storage import outbox
from tests.deliver.helpers import NOW, address
from tests.peers import free_port, orthanc, qrscp, storescp

pytestmark = pytest.mark.peer
DUE = NOW + 10


@pytest.fixture
def delivered(node, result_file):
    """Results that a peer has taken by C-STORE."""

    def make(port, aet, number=3):
        paths = [result_file() for _ in range(number)]
        peer = address(port, aet=aet)
        assert [sent.status for sent in send_files([outgoing_from_file(path) for path in paths], peer)] == [0] * number
        uids = [node.add(path, study="1.2.826.0.1.9", series="1.2.826.0.1.9.0") for path in paths]
        for parcel in outbox.claim(node.db, owner="a", now=NOW, lease_seconds=60):
            outbox.mark_sent(node.db, parcel, now=NOW + 1, status=0, proof_due_at=NOW + 6)
        return uids, Prover(node.db, "pacs", "auto", 604800.0, 300.0, DicomProof(peer, 1000.0).ask)

    return make


def test_dcmqrscp_proves_by_query_and_does_not_find_what_it_never_had(node, delivered, result_file, tmp_path):
    with qrscp(tmp_path) as peer:
        uids, prover = delivered(peer.port, peer.aet)
        stranger = node.add(result_file(), study="1.2.826.0.1.9", series="1.2.826.0.1.9.0")
        for parcel in outbox.claim(node.db, owner="a", now=NOW, lease_seconds=60):
            outbox.mark_sent(node.db, parcel, now=NOW + 1, status=0, proof_due_at=NOW + 6)
        assert prove_next(prover, now=DUE + 1000)
    assert node.states() == {"proven": 3, "due": 1}
    assert node.row(uids[0]).proven_by == "query"
    assert node.row(stranger).proof_attempts == 1


def test_storescp_offers_neither_and_the_results_stay_sent(node, delivered, tmp_path):
    with storescp(tmp_path) as peer:
        uids, prover = delivered(peer.port, peer.aet)
        assert prove_next(prover, now=DUE)
    assert node.states() == {"sent": 3}
    assert "neither storage commitment nor query" in node.row(uids[0]).proof_error


def test_orthanc_whose_report_finds_nobody_is_asked_by_query_after_the_time_is_over(node, delivered, tmp_path):
    with orthanc(tmp_path, node=("NODE", free_port())) as peer:
        uids, prover = delivered(peer.dicom_port, peer.aet)
        assert prove_next(prover, now=DUE)
        assert node.states() == {"sent": 3}
        assert node.row(uids[0]).proof_due_at == pytest.approx(DUE + 1000, abs=30)
        assert prove_next(prover, now=DUE + 1100)
    assert node.states() == {"proven": 3}
    assert node.row(uids[0]).proven_by == "query"


def test_orthanc_that_does_not_know_us_hangs_up_and_the_results_stay_sent_with_the_reason(node, delivered, tmp_path):
    with orthanc(tmp_path) as peer:
        uids, prover = delivered(peer.dicom_port, peer.aet)
        assert prove_next(prover, now=DUE)
    row = node.row(uids[0])
    assert (row.state, row.proof_error) == ("sent", "the request for commitment got no answer")
    assert row.proof_due_at == pytest.approx(DUE + 30, abs=30)
