"""Implicit VR Little Endian for a peer that takes nothing else: the same object, the same bytes each time."""

import io

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from dcis_node.config import DeliverSettings, DestinationSettings
from dcis_node.deliver import sender
from dcis_node.deliver.acceptance import ask_acceptance
from dcis_node.deliver.outcome import Failure
from dcis_node.deliver.routes import peer_of
from dcis_node.deliver.sender import send_files
from tests.deliver.helpers import SECONDARY_CAPTURE, address, encoded_dataset
from tests.peers import StoragePeer

IMPLICIT_ONLY = [(SECONDARY_CAPTURE, ImplicitVRLittleEndian)]


def read(data, syntax):
    """Decode a data set without its file meta information."""
    return pydicom.filereader.read_dataset(io.BytesIO(data), syntax == ImplicitVRLittleEndian, True)


def test_a_peer_that_takes_implicit_only_gets_the_same_object_re_encoded_and_the_same_bytes_again(outgoing):
    (item,) = outgoing()
    with StoragePeer(contexts=IMPLICIT_ONLY) as peer:
        for _ in range(3):
            (sent,) = send_files([item], address(peer.port, implicit=True))
            assert sent.status == 0
    assert {one.transfer_syntax_uid for one in peer.received} == {ImplicitVRLittleEndian}
    assert len({one.dataset for one in peer.received}) == 1
    ours = read(encoded_dataset(item.path), ExplicitVRLittleEndian)
    theirs = read(peer.received[0].dataset, ImplicitVRLittleEndian)
    assert [(e.tag, e.value) for e in theirs] == [(e.tag, e.value) for e in ours]
    assert peer.received[0].sop_instance_uid == item.sop_instance_uid


def test_a_peer_that_takes_explicit_gets_the_stored_bytes_also_where_implicit_is_allowed(outgoing):
    (item,) = outgoing()
    with StoragePeer() as peer:
        list(send_files([item], address(peer.port, implicit=True)))
    assert peer.received[0].transfer_syntax_uid == ExplicitVRLittleEndian
    assert peer.received[0].dataset == encoded_dataset(item.path)


def test_without_the_setting_nothing_is_re_encoded(outgoing):
    with StoragePeer(contexts=IMPLICIT_ONLY) as peer:
        (sent,) = send_files(outgoing(), address(peer.port))
    assert sent.failure is Failure.SYNTAX_NOT_ACCEPTED
    assert peer.received == []


def test_a_compressed_object_is_never_re_encoded(outgoing):
    with StoragePeer(contexts=IMPLICIT_ONLY) as peer:
        (sent,) = send_files(outgoing(syntax=RLELossless), address(peer.port, implicit=True))
    assert sent.failure is Failure.SYNTAX_NOT_ACCEPTED


def test_a_disk_without_room_for_the_copy_is_said_and_the_association_goes_on(outgoing, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sender, "implicit_copy", full)
    with StoragePeer(contexts=IMPLICIT_ONLY) as peer:
        outcomes = list(send_files(outgoing(2), address(peer.port, implicit=True)))
        assert peer.associations == 1
    told = [(Failure.UNREADABLE, "No space left on device")] * 2
    assert [(sent.failure, sent.detail) for sent in outcomes] == told


@pytest.mark.parametrize(("syntaxes", "refused"), [(["explicit"], True), (["explicit", "implicit"], False)])
def test_the_self_test_asks_for_what_may_be_sent(syntaxes, refused, tmp_path):
    with StoragePeer(contexts=IMPLICIT_ONLY) as peer:
        destination = DestinationSettings(
            name="pacs", host="127.0.0.1", port=peer.port, aet="PACS", transfer_syntaxes=syntaxes
        )
        to = peer_of(destination, DeliverSettings(timeout_seconds=5.0), aet="NODE", base=tmp_path)
        acceptance = ask_acceptance(to, [SECONDARY_CAPTURE])
    assert (SECONDARY_CAPTURE in acceptance.refused) == refused
