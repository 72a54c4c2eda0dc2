"""`dcis-node check` holds the objects of each destination's profile to what the peer takes."""

import pytest
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit

from dcis_node.config import configuration_from
from dcis_node.deliver.acceptance import ask_acceptance
from dcis_node.deliver.outcome import PeerAddress
from dcis_node.operate.doctor import _destinations
from dcis_node.operate.findings import Verdict
from dcis_node.results.kinds import SOP_CLASS_UIDS, ResultKind
from tests.peers import StoragePeer, black_hole, rejecting_peer, storescp

EVERYTHING = frozenset(SOP_CLASS_UIDS.values())


def taking(kinds, syntax=ExplicitVRLittleEndian):
    """A PACS that takes these kinds of objects alone."""
    return StoragePeer(contexts=[(str(SOP_CLASS_UIDS[kind]), str(syntax)) for kind in kinds])


def findings(tmp_path, port, **keys):
    """What `check` says of one destination."""
    destination = {"name": "pacs", "host": "127.0.0.1", "port": port, "aet": "PACS", "proof": "none"} | keys
    values = {"destinations": [destination], "deliver": {"timeout_seconds": 5.0}}
    return list(_destinations(configuration_from(values, tmp_path / "config.toml")))


def test_a_pacs_that_takes_all_is_told_in_one_line(tmp_path):
    with taking(ResultKind) as pacs:
        echo, profile = findings(tmp_path, pacs.port)
    assert (echo.verdict, profile.verdict) == (Verdict.OK, Verdict.OK)
    assert profile.detail == "generic: takes all 5 kinds of objects"
    assert pacs.received == []


def test_what_it_does_not_take_is_named_in_words_with_what_to_do(tmp_path):
    with taking(set(ResultKind) - {ResultKind.PRESENTATION_STATE}) as pacs:
        _, profile = findings(tmp_path, pacs.port)
    assert profile.verdict is Verdict.FAIL
    assert profile.detail == (
        "pacs: does not take Grayscale Softcopy Presentation State, which profile generic sends: "
        "choose another profile or tell the PACS to take it"
    )


def test_what_the_profile_does_not_send_is_not_asked_for(tmp_path):
    with taking(set(ResultKind) - {ResultKind.PRESENTATION_STATE, ResultKind.CAD_REPORT}) as pacs:
        _, profile = findings(tmp_path, pacs.port, profile="ohif")
    assert profile.verdict is Verdict.OK


@pytest.mark.parametrize("profile", ["generic", "ohif"])
def test_the_switch_to_comprehensive_sr_is_advised_where_it_helps(tmp_path, profile):
    newer_class = {ResultKind.MEASUREMENT_REPORT, ResultKind.VIEW_MEASUREMENT_REPORT}
    with taking(set(ResultKind) - newer_class) as pacs:
        _, refused = findings(tmp_path, pacs.port, profile=profile)
        _, switched = findings(tmp_path, pacs.port, profile=profile, measurement_report="comprehensive")
    assert "Comprehensive 3D SR" in refused.detail
    assert 'measurement_report = "comprehensive"' in refused.detail
    assert switched.verdict is Verdict.OK


def test_a_pacs_that_takes_nothing_of_it_is_told_all(tmp_path):
    with taking([ResultKind.CAD_REPORT]) as pacs:
        _, profile = findings(tmp_path, pacs.port, profile="ohif")
    assert profile.verdict is Verdict.FAIL
    for kind in ("Enhanced SR", "Comprehensive 3D SR", "Segmentation", "Secondary Capture Image"):
        assert kind in profile.detail


def test_an_object_that_is_taken_only_compressed_is_not_taken_as_we_send_it():
    with taking([ResultKind.SUMMARY_IMAGE], JPEGBaseline8Bit) as pacs:
        peer = PeerAddress("127.0.0.1", pacs.port, "PACS", timeout_seconds=5.0)
        answer = ask_acceptance(peer, [SOP_CLASS_UIDS[ResultKind.SUMMARY_IMAGE]])
    assert answer.refused == {SOP_CLASS_UIDS[ResultKind.SUMMARY_IMAGE]}


def test_a_peer_that_rejects_or_says_nothing_is_no_peer_that_refuses_classes():
    with rejecting_peer(1, 1, 3) as port:
        rejected = ask_acceptance(PeerAddress("127.0.0.1", port, "PACS", timeout_seconds=2.0), EVERYTHING)
    with black_hole() as port:
        silent = ask_acceptance(PeerAddress("127.0.0.1", port, "PACS", timeout_seconds=0.3), EVERYTHING)
    assert "does not know our AE title" in rejected.failure
    assert "did not answer" in silent.failure
    assert rejected.refused == silent.refused == frozenset()


@pytest.mark.peer
def test_dcmtk_takes_every_object_we_send(tmp_path):
    with storescp(tmp_path) as scp:
        peer = PeerAddress("127.0.0.1", scp.port, scp.aet, timeout_seconds=5.0)
        answer = ask_acceptance(peer, EVERYTHING)
        strange = ask_acceptance(peer, [*EVERYTHING, UID("2.25.1")])
    assert (answer.refused, answer.failure) == (frozenset(), "")
    assert strange.refused == {"2.25.1"}


def test_a_pacs_without_the_verification_service_is_a_warning_and_its_profile_is_asked_for(tmp_path):
    contexts = [(str(uid), str(ExplicitVRLittleEndian)) for uid in EVERYTHING]
    with StoragePeer(contexts=contexts, echo=False) as pacs:
        echo, profile = findings(tmp_path, pacs.port)
    assert (echo.verdict, profile.verdict) == (Verdict.WARN, Verdict.OK)
    assert "does not offer the verification service" in echo.detail
