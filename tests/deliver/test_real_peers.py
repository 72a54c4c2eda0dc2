"""The same promises, held against software that others wrote."""

import pydicom
import pytest
from pydicom.uid import ImplicitVRLittleEndian

from dcis_node.bcp195 import ClientTls
from dcis_node.deliver import policy
from dcis_node.deliver.outcome import Failure
from dcis_node.deliver.sender import echo, send_files
from dcis_node.requestor import Rejection
from tests.certificates import Authority
from tests.deliver.helpers import address, encoded_dataset
from tests.peers import free_port, orthanc, storescp

pytestmark = pytest.mark.peer
UNKNOWN_CLASS = "1.2.826.0.1.3680043.9.9999.1"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    with orthanc(tmp_path_factory.mktemp("orthanc"), aet="ORTHANC", DicomCheckCalledAet=True) as running:
        yield running


def test_orthanc_stores_the_bytes_of_the_data_set_as_they_were(archive, outgoing):
    items = outgoing(3, size_bytes=40_000)
    outcomes = list(send_files(items, address(archive.dicom_port, aet="ORTHANC")))
    assert [sent.status for sent in outcomes] == [0, 0, 0]
    for item in items:
        (found,) = archive.find("Instance", {"SOPInstanceUID": item.sop_instance_uid})
        stored = archive.file(found)
        assert stored.endswith(encoded_dataset(item.path))


def test_orthanc_takes_the_same_object_again_without_a_second_copy(archive, outgoing):
    (item,) = outgoing()
    peer = address(archive.dicom_port, aet="ORTHANC")
    verdicts = [policy.judge(sent, peer).action for _ in range(2) for sent in send_files([item], peer)]
    assert verdicts == [policy.Action.DONE] * 2
    assert len(archive.find("Instance", {"SOPInstanceUID": item.sop_instance_uid})) == 1


def test_orthanc_refuses_a_wrong_called_ae_title_and_the_words_say_so(archive, outgoing):
    peer = address(archive.dicom_port, aet="WRONG")
    (sent,) = send_files(outgoing(), peer)
    assert sent.rejection == Rejection(1, 1, 7)
    verdict = policy.judge(sent, peer)
    assert verdict.action is policy.Action.RETRY_SLOW
    assert "'WRONG'" in verdict.text
    assert "'WRONG'" in echo(peer).text


def test_orthanc_refuses_an_unknown_class_and_takes_the_rest(archive, outgoing):
    items = [*outgoing(sop_class=UNKNOWN_CLASS), *outgoing()]
    outcomes = list(send_files(items, address(archive.dicom_port, aet="ORTHANC")))
    assert [(sent.status, sent.failure) for sent in outcomes] == [(None, Failure.CLASS_NOT_ACCEPTED), (0, None)]


def test_orthanc_answers_an_echo(archive):
    assert echo(address(archive.dicom_port, aet="ORTHANC")).ok


def test_storescp_stores_the_bytes_of_the_data_set_as_they_were(outgoing, tmp_path):
    items = outgoing(2, size_bytes=40_000)
    with storescp(tmp_path) as peer:
        outcomes = list(send_files(items, address(peer.port, aet=peer.aet)))
        assert echo(address(peer.port, aet="ANY")).ok
        stored = peer.files()
    assert [sent.status for sent in outcomes] == [0, 0]
    assert sorted(encoded_dataset(path) for path in stored) == sorted(encoded_dataset(item.path) for item in items)


def test_storescp_refuses_an_unknown_class_and_takes_the_rest(outgoing, tmp_path):
    items = [*outgoing(sop_class=UNKNOWN_CLASS), *outgoing()]
    with storescp(tmp_path) as peer:
        outcomes = list(send_files(items, address(peer.port, aet=peer.aet)))
        alone = list(send_files(items[:1], address(peer.port, aet=peer.aet)))
    assert [(sent.status, sent.failure) for sent in outcomes] == [(None, Failure.CLASS_NOT_ACCEPTED), (0, None)]
    assert [sent.failure for sent in alone] == [Failure.CLASS_NOT_ACCEPTED]


def test_storescp_that_takes_implicit_vr_only_gets_no_re_encoded_object(outgoing, tmp_path):
    with storescp(tmp_path, "+xi") as peer:
        (sent,) = send_files(outgoing(), address(peer.port, aet=peer.aet))
        assert peer.files() == []
    assert (sent.failure, sent.detail) == (Failure.SYNTAX_NOT_ACCEPTED, "accepted: Implicit VR Little Endian")


def test_storescp_that_refuses_everybody_is_told_with_its_reason(outgoing, tmp_path):
    with storescp(tmp_path, "--refuse") as peer:
        (sent,) = send_files(outgoing(), address(peer.port, aet=peer.aet))
    assert sent.failure is Failure.REJECTED
    assert policy.judge(sent, address(peer.port)).action is policy.Action.RETRY


def test_storescp_that_aborts_after_each_object_leaves_the_outcome_unknown(outgoing, tmp_path):
    with storescp(tmp_path, "--abort-after") as peer:
        outcomes = list(send_files(outgoing(2), address(peer.port, aet=peer.aet)))
    assert [sent.failure for sent in outcomes] == [Failure.CUT_OFF] * 2


def test_storescp_that_comes_back_on_its_port_gets_the_object(outgoing, tmp_path):
    port = free_port()
    (item,) = outgoing()
    (down,) = send_files([item], address(port, aet="STORESCP"))
    with storescp(tmp_path, port=port):
        (up,) = send_files([item], address(port, aet="STORESCP"))
    assert (down.failure, up.status) == (Failure.NO_CONNECTION, 0)


def test_storescp_with_tls_takes_what_comes_with_a_certificate_it_knows_and_nothing_else(outgoing, tmp_path):
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "other", "Other CA")
    theirs = authority.issue("pacs")
    items = outgoing(2, size_bytes=40_000)
    options = ("+tls", str(theirs.key), str(theirs.certificate), "+cf", str(authority.certificate))

    def sent_with(issued):
        tls = ClientTls(str(authority.certificate), str(issued.certificate), str(issued.key))
        return list(send_files(items, address(scp.port, aet=scp.aet, tls=tls, timeout_seconds=10.0)))

    with storescp(tmp_path, *options) as scp:
        refused = sent_with(stranger.issue("node"))
        taken = sent_with(authority.issue("node"))
        files = [path.read_bytes() for path in scp.files()]
    assert [sent.failure for sent in refused] == [Failure.TLS] * 2
    assert "it does not know who signed our certificate" in refused[0].detail
    assert [sent.status for sent in taken] == [0, 0]
    assert all(any(data.endswith(encoded_dataset(item.path)) for data in files) for item in items)


def test_storescp_that_takes_implicit_vr_only_gets_the_same_values(outgoing, tmp_path):
    items = outgoing(2, size_bytes=40_000)
    with storescp(tmp_path, accept="+xi") as scp:
        refused = list(send_files(items, address(scp.port, aet=scp.aet)))
        taken = list(send_files(items, address(scp.port, aet=scp.aet, implicit=True)))
        found = {str(ds.SOPInstanceUID): ds for ds in map(pydicom.dcmread, scp.files())}
    assert [sent.failure for sent in refused] == [Failure.SYNTAX_NOT_ACCEPTED] * 2
    assert [sent.status for sent in taken] == [0, 0]
    for item in items:
        ours, theirs = pydicom.dcmread(item.path), found[item.sop_instance_uid]
        assert theirs.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
        assert [(e.tag, e.value) for e in theirs] == [(e.tag, e.value) for e in ours]
