"""What the receiver tells the audit trail: who was refused and why, and what each association has brought."""

import logging
import socket

import pytest

from dcis_node.config import Peer
from dcis_node.receive import brought as brought_module
from dcis_node.receive.brought import Brought
from dcis_node.receive.events import PeerRefused, StudyReceived
from storage.index import ReceivedInstance, Recorded
from storage.schema import Association, Instance
from tests.peers import wait_until
from tests.receive.helpers import Image, associated, image, send
from tests.receive.wire import request_pdu

MG = image().SOPClassUID


def told(receiver, number=1):
    wait_until(lambda: len(receiver.told) >= number, "the audit trail was told")
    return receiver.told


@pytest.fixture(autouse=True)
def quiet(caplog):
    caplog.set_level(logging.CRITICAL, logger="pynetdicom")


def test_each_association_tells_what_it_has_brought_of_each_study(receiver):
    one, other = Image(), Image(patient_id="OTHER")
    send(receiver.port, one.dataset(), one.dataset(), other.dataset())
    events = sorted(told(receiver, 2), key=lambda event: event.exam)
    assert [(e.study_instance_uid, e.sop_classes, e.outcome) for e in events] == [
        (one.study, ((MG, 2),), "new"),
        (other.study, ((MG, 1),), "new"),
    ]
    assert {(e.calling_aet, e.address) for e in events} == {("PACS", "127.0.0.1")}
    assert {e.exam for e in events} == {1, 2}


def test_the_same_again_and_other_bytes_are_told_as_such(receiver):
    first = Image()
    ds = first.dataset()
    send(receiver.port, ds)
    told(receiver)
    changed = first.dataset(SOPInstanceUID=ds.SOPInstanceUID, Manufacturer="OTHER")
    changed.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    send(receiver.port, ds, changed)
    assert sorted(event.outcome for event in told(receiver, 3)[1:]) == ["conflict", "duplicate"]


def test_an_association_that_stores_nothing_tells_nothing(receiver):
    with associated(receiver.port) as association:
        assert association.send_c_echo().Status == 0
    receiver.stop.set()
    receiver.thread.join(20)
    assert receiver.told == []


def test_an_association_of_very_many_studies_is_told_in_parts(receiver, monkeypatch):
    monkeypatch.setattr(brought_module, "MOST_STUDIES", 2)
    send(receiver.port, *(Image(patient_id=f"P{number}").dataset() for number in range(5)))
    assert [event.exam for event in told(receiver, 5)] == [1, 2, 3, 4, 5]


def test_a_refused_title_is_told_with_its_rule(receiver):
    with associated(receiver.port, called="OTHER") as association:
        assert association.is_rejected
    (event,) = told(receiver)
    assert event == PeerRefused("called_aet", "127.0.0.1", "PACS", "OTHER", event.text)
    assert "called AE title was 'OTHER'" in event.text


def test_a_stranger_is_told_before_it_says_anything(start):
    receiver = start(peers=(Peer(aet="PACS", addresses=("10.0.0.0/8",)),))
    with socket.create_connection(("127.0.0.1", receiver.port)):
        assert told(receiver) == [
            PeerRefused("address", "127.0.0.1", "", "", "not an address of any [[receive.peers]]")
        ]


def test_a_peer_that_breaks_the_protocol_is_told(connected, receiver):
    connected.sendall(b"\x01\x00\xff\xff\xff\xff")
    (event,) = told(receiver)
    assert (event.rule, event.address, event.calling_aet) == ("protocol", "127.0.0.1", "")


def test_a_peer_that_breaks_the_protocol_inside_its_association_is_told_by_its_title(connected, receiver):
    connected.sendall(request_pdu())
    assert connected.recv(1) == b"\x02"
    # A P-DATA whose fragment is a data set without its command.
    connected.sendall(bytes.fromhex("04000000000800000004010231 32".replace(" ", "")))
    (event,) = told(receiver)
    assert (event.rule, event.calling_aet, event.called_aet) == ("protocol", "PACS", "NODE")


def test_the_successor_of_a_killed_receiver_tells_what_it_had_received(start, db):
    first = start(owner="receive-1")
    send(first.port, *(Image(patient_id=name).dataset() for name in ("A", "B")))
    told(first, 2)
    first.stop.set()
    first.thread.join(20)
    with db.write() as session:  # as a kill would have left it
        for row in session.query(Association):
            row.closed_at = None
    successor = start(owner="receive-1")
    assert {(e.association, e.exam, e.calling_aet) for e in told(successor, 2)} == {(0, 1, "PACS"), (0, 2, "PACS")}
    assert {e.study_instance_uid for e in successor.told} == {e.study_instance_uid for e in first.told}
    wait_until(
        lambda: [row.closed_at is None for row in successor.rows(Association)] == [False], "what it has told is closed"
    )


def test_what_came_before_and_what_others_received_is_not_told_again(start, db):
    first = start(owner="receive-1")
    for name in ("A", "B", "C"):
        send(first.port, Image(patient_id=name).dataset())
    told(first, 3)
    first.stop.set()
    first.thread.join(20)
    with db.write() as session:
        old, other, left = session.query(Association).order_by(Association.id)
        left.closed_at = other.closed_at = None
        other.owner = "receive-2"
        instance = session.query(Instance).filter(Instance.association_id == old.id).one()
        instance.received_at -= 1000
    assert [event.exam for event in told(start(owner="receive-1"))] == [3]


def test_counts_begin_anew_after_they_were_told():
    events: list[StudyReceived] = []
    counted = Brought()
    received = ReceivedInstance(
        sop_instance_uid="1.1", sop_class_uid="1.2", study_instance_uid="1.3", series_instance_uid="1.4",
        transfer_syntax_uid="1.5", sha256="", size_bytes=0, patient_id="", issuer="", study_date="", eligible=True,
        reason="", is_image=True,
    )  # fmt: skip
    for _ in range(2):
        counted.add(received, Recorded("new", 1, 7))
        counted.tell(events.append, association=1, calling_aet="PACS", address="::1")
    assert [event.sop_classes for event in events] == [(("1.2", 1),)] * 2
