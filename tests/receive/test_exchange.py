"""What peers that keep to the protocol meet, by real associations."""

import logging
import socket
import threading
import time

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from sqlalchemy import update

from dcis_node.config import Peer
from dcis_node.mammogram.storage_classes import (
    ACCEPTED_SOP_CLASSES,
    ACCEPTED_TRANSFER_SYNTAXES,
    MAMMOGRAPHY_FOR_PRESENTATION,
)
from dcis_node.receive.association import A_ABORT
from dcis_node.receive.sink import Sink
from storage.index import ReceivedInstance
from storage.schema import Association, Exam
from tests.peers import wait_until
from tests.receive.helpers import Image, Receiver, associated, echo, image, send
from tests.receive.wire import COMMAND, DATA, LAST, fragment, raw_association, store_command

BIG_ENDIAN = "1.2.840.10008.1.2.2"

pytestmark = pytest.mark.usefixtures("no_part_stays")


def test_an_echo_is_answered(receiver: Receiver) -> None:
    assert echo(receiver.port)


def test_every_transfer_syntax_is_taken_as_it_is(receiver: Receiver) -> None:
    sent = [Image(syntax=syntax).dataset() for syntax in ACCEPTED_TRANSFER_SYNTAXES if syntax != BIG_ENDIAN]
    assert set(send(receiver.port, *sent)) == {0x0000}
    for ds, instance in zip(sent, receiver.instances(), strict=True):
        kept = receiver.kept(instance)
        assert kept.file_meta.TransferSyntaxUID == ds.file_meta.TransferSyntaxUID == instance.transfer_syntax_uid
        assert kept.PixelData == ds.PixelData


def test_big_endian_is_taken_too(receiver: Receiver) -> None:
    with associated(receiver.port, contexts=((MAMMOGRAPHY_FOR_PRESENTATION, BIG_ENDIAN),)) as association:
        assert [context.transfer_syntax[0] for context in association.accepted_contexts][1:] == [BIG_ENDIAN]


def test_every_class_of_a_mammography_study_is_taken(receiver: Receiver) -> None:
    study = Image().study
    sent = [Image(sop_class=sop_class, study=study).dataset() for sop_class in ACCEPTED_SOP_CLASSES]
    assert set(send(receiver.port, *sent)) == {0x0000}
    assert {instance.sop_class_uid for instance in receiver.instances()} == set(ACCEPTED_SOP_CLASSES)
    assert len(receiver.rows(Exam)) == 1


def test_a_deflated_syntax_is_never_negotiated(receiver: Receiver) -> None:
    offered = tuple((sop_class, DeflatedExplicitVRLittleEndian) for sop_class in ACCEPTED_SOP_CLASSES)
    with associated(receiver.port, contexts=offered) as association:
        assert len(association.accepted_contexts) == 1  # the echo
        assert len(association.rejected_contexts) == len(offered)


def test_an_unknown_class_is_refused_alone_and_noted(receiver: Receiver, caplog) -> None:
    unknown = "1.2.840.10008.5.1.4.1.1.77.1.6"
    offered = ((unknown, ExplicitVRLittleEndian), (MAMMOGRAPHY_FOR_PRESENTATION, ExplicitVRLittleEndian))
    with associated(receiver.port, contexts=offered) as association:
        assert association.send_c_store(image()).Status == 0x0000
        assert [context.abstract_syntax for context in association.rejected_contexts] == [unknown]
    [record] = [record for record in caplog.records if "event=classes_refused" in record.getMessage()]
    assert record.levelno == logging.INFO
    assert "accepted=2 refused=1 " in record.getMessage()
    assert record.getMessage().endswith(f"classes='{unknown}'")


def test_a_peer_of_which_no_class_is_taken_is_warned_of_in_one_line(receiver: Receiver, caplog) -> None:
    offered = tuple((f"1.2.840.10008.5.1.4.1.1.481.{number}", ExplicitVRLittleEndian) for number in range(1, 21))
    with associated(receiver.port, contexts=offered, echo=False) as association:
        assert association.accepted_contexts == []
    [record] = [record for record in caplog.records if "event=classes_refused" in record.getMessage()]
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith("'1.2.840.10008.5.1.4.1.1.481.16',...")


def test_a_resend_is_answered_with_success_and_makes_no_second_instance(receiver: Receiver, caplog) -> None:
    ds = image()
    assert send(receiver.port, ds, ds) == [0x0000, 0x0000]
    assert send(receiver.port, ds, calling="OTHER") == [0x0000]
    assert [instance.duplicates for instance in receiver.instances()] == [2]


def test_an_association_that_stored_is_closed_in_the_index_at_its_end(receiver: Receiver) -> None:
    ds = image()
    with associated(receiver.port, ds, calling="SENDER") as association:
        association.send_c_store(ds)
        [row] = receiver.rows(Association)
        assert (row.calling_aet, row.address, row.closed_at) == ("SENDER", "127.0.0.1", None)
    wait_until(lambda: receiver.rows(Association)[0].closed_at is not None, "the row is closed")


def test_an_association_that_only_echoed_leaves_no_row(receiver: Receiver) -> None:
    assert echo(receiver.port)
    assert receiver.rows(Association) == []


@pytest.mark.parametrize("last", [A_ABORT, b""], ids=["abort", "cut"])
def test_a_sender_that_ends_in_the_middle_leaves_nothing(receiver: Receiver, last: bytes) -> None:
    with raw_association(receiver.port) as connection:
        connection.sendall(fragment(COMMAND | LAST, store_command()) + fragment(DATA, bytes(100_000)))
        wait_until(lambda: list(receiver.files.incoming.iterdir()), "the object has begun")
        connection.sendall(last)
    wait_until(lambda: not list(receiver.files.incoming.iterdir()), "the half object is removed")
    assert echo(receiver.port)


def test_a_store_that_takes_longer_than_a_peer_may_be_silent_ends_no_association(start) -> None:
    receiver = start(network_timeout_seconds=3.0)
    with associated(receiver.port, image()) as association:
        statuses: list[int] = []
        thread = threading.Thread(target=lambda: statuses.append(association.send_c_store(image()).Status))
        with receiver.db.write() as session:
            session.execute(update(Exam).values(failure=""))  # nobody else can commit
            thread.start()
            wait_until(lambda: list(receiver.files.digests()), "the first image is on disk, and waits for its row")
            until = time.monotonic() + 4.0
            wait_until(lambda: time.monotonic() > until, "the peer has been silent, as it waits for our answer")
        thread.join()
        until = time.monotonic() + 0.5
        wait_until(lambda: time.monotonic() > until, "the peer looks for its next image")
        assert statuses == [0x0000]
        assert association.send_c_store(image()).Status == 0x0000


def test_an_object_over_the_cap_is_refused_and_the_next_is_taken(start) -> None:
    receiver = start(max_dataset_bytes=1048576)
    assert send(receiver.port, Image(rows=1024).dataset(), image()) == [0xA700, 0x0000]


def test_a_full_disk_refuses_and_takes_again_when_there_is_room(receiver: Receiver, monkeypatch) -> None:
    full = threading.Event()
    full.set()
    flush = Sink.flush

    def flush_to_full_disk(sink: Sink) -> None:
        if full.is_set():
            sink._fail(OSError(28, "No space left on device"))
        flush(sink)

    monkeypatch.setattr(Sink, "flush", flush_to_full_disk)
    first, second = image(), Image(rows=1024).dataset()
    with associated(receiver.port, first, second) as association:
        answers = [association.send_c_store(ds) for ds in (first, second)]
        assert [(answer.Status, answer.ErrorComment) for answer in answers] == [
            (0xA700, "disk: No space left on device")
        ] * 2
        full.clear()
        assert [association.send_c_store(ds).Status for ds in (first, second)] == [0x0000, 0x0000]


def test_an_object_that_contradicts_its_request_is_refused(receiver: Receiver, monkeypatch) -> None:
    ds = image()
    with associated(receiver.port, ds) as association:
        # The SCU copies the UIDs of the request from the data set ...
        send_msg = association.dimse.send_msg

        def renamed(primitive: object, context_id: int) -> None:
            primitive.AffectedSOPInstanceUID = "1.2.3"  # ... so they are changed on their way
            send_msg(primitive, context_id)

        monkeypatch.setattr(association.dimse, "send_msg", renamed)
        assert association.send_c_store(ds).Status == 0xA900
    assert receiver.instances() == []


@pytest.mark.parametrize(
    ("called", "calling", "answer", "text"),
    [
        ("OTHER", "PACS", (1, 1, 7), "called AE title was 'OTHER', this node is 'NODE'"),
        ("NODE", "STRANGER", (1, 1, 3), "calling AE title 'STRANGER' is not in [[receive.peers]]"),
        ("NODE", "FAR", (1, 1, 1), "'FAR' may not come from 127.0.0.1"),
    ],
)
def test_who_may_not_associate_is_told_and_so_is_the_log(start, caplog, called, calling, answer, text) -> None:
    receiver = start(peers=(Peer(aet="PACS"), Peer(aet="FAR", addresses=("10.0.0.0/8",))))
    with associated(receiver.port, called=called, calling=calling) as association:
        assert association.is_rejected
        rejection = association.acceptor.primitive
    assert (rejection.result, rejection.result_source, rejection.diagnostic) == answer
    assert text in caplog.text
    with associated(receiver.port, calling="PACS") as association:
        assert association.is_established


def test_an_address_of_no_peer_is_not_even_heard(start, caplog) -> None:
    receiver = start(peers=(Peer(aet="PACS", addresses=("10.0.0.0/8",)),))
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as connection:
        assert connection.recv(1) == b""
    assert "event=connection_refused address=127.0.0.1" in caplog.text


def test_over_the_limit_of_associations_the_next_is_told_to_come_again(start) -> None:
    receiver = start(max_associations=2)
    with associated(receiver.port) as first, associated(receiver.port) as second:
        assert first.is_established
        assert second.is_established
        with associated(receiver.port) as third:
            assert third.is_rejected
            answer = third.acceptor.primitive
    assert (answer.result, answer.result_source, answer.diagnostic) == (2, 3, 2)
    wait_until(lambda: echo(receiver.port), "a place is free again")


def test_associations_at_once_are_all_served(receiver: Receiver) -> None:
    statuses: list[int | None] = []
    threads = [
        threading.Thread(target=lambda: statuses.extend(send(receiver.port, image(), image()))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [0x0000] * 12
    assert len(receiver.instances()) == 12


def test_no_patient_stands_in_the_log(receiver: Receiver, caplog) -> None:
    send(receiver.port, image(), image(Rows=33), image(StudyInstanceUID=None))
    assert "event=stored" in caplog.text
    assert "CANARY" not in caplog.text


def test_an_index_that_breaks_at_the_end_of_an_association_is_noted(receiver: Receiver, monkeypatch, caplog) -> None:
    def broken(*_: object) -> ReceivedInstance:
        raise RuntimeError("CANARY")

    ds = image()
    with associated(receiver.port, ds) as association:
        association.send_c_store(ds)
        monkeypatch.setattr("dcis_node.receive.store.close_association", broken)
    wait_until(lambda: "event=association_left_open" in caplog.text, "it is noted")
    assert "CANARY" not in caplog.text
