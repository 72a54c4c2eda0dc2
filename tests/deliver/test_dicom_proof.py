"""What is remembered of a DICOM peer, and for how long."""

import pytest

from dcis_node.deliver.dicom_proof import DicomProof
from dcis_node.deliver.prover import NOT_OFFERED, Prover, prove_next
from tests.commitment_peer import CommitmentPeer
from tests.deliver.helpers import PROOF_DUE as DUE
from tests.deliver.helpers import address

DAY = 86400.0


@pytest.mark.parametrize("days", [2, 10, 400])
def test_what_a_wrong_clock_has_remembered_is_forgotten_and_the_peer_asked_anew(node, sent, days):
    with CommitmentPeer(offers=()) as peer:
        sent(peer, 1)
        asks = DicomProof(address(peer.port, timeout_seconds=2.0), 1000.0)
        prover = Prover(node.db, "pacs", "auto", 604800.0, 540.0, asks.ask)
        assert prove_next(prover, now=DUE + days * DAY)
        uid = sent(peer, 1, study="1.3")[0]
        assert prove_next(prover, now=DUE + 60)
        row = node.row(uid)
        assert row.proof_due_at == pytest.approx(DUE + 60 + DAY, abs=20)
        assert row.proof_error == NOT_OFFERED["auto"]
        assert asks.memory.nothing_until == pytest.approx(DUE + 60 + DAY, abs=20)
        prove_next(prover, now=DUE + 61)  # of the first study, where it was put off too far ahead
        assert not prove_next(prover, now=DUE + 62), "all of it waits: no step follows the next without a pause"
