"""Reports on storage commitment at our listener: what is recorded, what is answered, what nobody gets us to do."""

import struct
import threading
from io import BytesIO

import pytest
from pydicom import DataElement, Dataset
from pynetdicom import AE, build_role
from pynetdicom.dimse_messages import N_EVENT_REPORT_RQ, N_GET_RQ
from pynetdicom.dimse_primitives import N_ACTION, N_EVENT_REPORT, N_GET
from pynetdicom.dsutils import encode

from dcis_node.commitment import (
    MOST_REPORT_BYTES,
    STORAGE_COMMITMENT,
    WELL_KNOWN_INSTANCE,
    ReportFault,
    read_report,
    request_information,
)
from dcis_node.errors import StorageError
from dcis_node.receive import server as server_module
from dcis_node.receive.acceptor import Acceptor
from tests.commitment_peer import report, report_to
from tests.receive.helpers import AET, echo
from tests.receive.wire import ABORT, ACCEPTED, COMMAND, DATA, LAST, P_DATA, fragment, read_pdu, request_pdu

OK, UNKNOWN, NO_EVENT_TYPE, INVALID, NO_CLASS, LIMIT = 0x0000, 0x0110, 0x0113, 0x0115, 0x0118, 0x0213
KNOWN = "2.25.1"


@pytest.fixture
def taken(start, monkeypatch):
    """A receiver that knows one transaction; gives it, and what it has taken."""
    reports = []

    def take(one):
        reports.append(one)
        if one.transaction_uid == "2.25.66":
            raise StorageError("the index was busy for ten seconds")
        if one.transaction_uid == "2.25.67":
            raise ZeroDivisionError
        return one.transaction_uid == KNOWN

    class Taking(Acceptor):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **{**named, "take_report": take})

    monkeypatch.setattr(server_module, "Acceptor", Taking)
    receiver = start()
    return receiver, reports


@pytest.mark.parametrize("role", [True, False])
def test_a_report_is_taken_and_answered_whether_or_not_the_role_was_agreed_on(taken, role):
    receiver, reports = taken
    kind, information = report(KNOWN, ["1.2.1", "1.2.2"], {"1.2.3": 0x0112})
    assert report_to((AET, receiver.port), kind, information, role=role) == OK
    (one,) = reports
    assert (one.transaction_uid, one.committed, one.failed) == (KNOWN, {"1.2.1", "1.2.2"}, {"1.2.3": 0x0112})
    assert echo(receiver.port)


@pytest.mark.parametrize(
    ("uid", "status"), [("2.25.5", UNKNOWN), ("2.25.66", LIMIT), ("2.25.67", UNKNOWN), ("", INVALID)]
)
def test_what_cannot_be_recorded_is_answered_with_a_failure(taken, uid, status, caplog):
    receiver, _ = taken
    kind, information = report(uid, ["1.2.1"])
    assert report_to((AET, receiver.port), kind, information) == status
    assert f"event=report_refused association=1 status=0x{status:04X}" in caplog.text
    assert echo(receiver.port)


def test_without_a_courier_beside_it_a_receiver_knows_no_request(receiver):
    kind, information = report(KNOWN, ["1.2.1"])
    assert report_to((AET, receiver.port), kind, information) == UNKNOWN


def test_another_kind_of_event_is_refused(taken):
    receiver, reports = taken
    assert report_to((AET, receiver.port), 3, report(KNOWN, ["1.2.1"])[1]) == NO_EVENT_TYPE
    assert reports == []


def test_a_report_that_is_too_long_is_refused_and_not_kept(taken):
    receiver, reports = taken
    kind, information = report(KNOWN, [f"1.2.3.{'9' * 50}.{number}" for number in range(3000)])
    assert report_to((AET, receiver.port), kind, information) == LIMIT
    assert reports == []


def commitment_user(port, *, scu=True):
    entity = AE(ae_title="MODALITY")
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
    entity.add_requested_context(STORAGE_COMMITMENT)
    role = [build_role(STORAGE_COMMITMENT, scu_role=True)] if scu else []
    return entity.associate("127.0.0.1", port, ae_title=AET, ext_neg=role)


def test_a_request_for_our_commitment_is_refused(receiver, caplog):
    association = commitment_user(receiver.port, scu=False)
    status, _ = association.send_n_action(
        request_information("2.25.9", [("1.2", "1.2.1")]), 1, STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE
    )
    empty, _ = association.send_n_action(None, 1, STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE)
    association.release()
    assert (status.Status, empty.Status) == (0x0211, 0x0211)
    assert "this node commits itself to nothing" in caplog.text


def test_who_wants_to_be_its_user_by_role_gets_no_context(receiver):
    association = commitment_user(receiver.port)
    assert not association.is_established
    assert [str(context.abstract_syntax) for context in association.rejected_contexts] == [STORAGE_COMMITMENT]


def command(message, primitive, *, data=b"x"):
    name = {N_EVENT_REPORT: "EventInformation", N_ACTION: "ActionInformation"}.get(type(primitive))
    if name:
        setattr(primitive, name, BytesIO(data))
    one = message()
    one.primitive_to_message(primitive)
    return encode(one.command_set, True, True)


def event_command(sop_class=STORAGE_COMMITMENT):
    request = N_EVENT_REPORT()
    request.MessageID, request.EventTypeID = 1, 1
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, WELL_KNOWN_INSTANCE
    return command(N_EVENT_REPORT_RQ, request)


def get_command():
    request = N_GET()
    request.MessageID = 1
    request.RequestedSOPClassUID, request.RequestedSOPInstanceUID = STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE
    return command(N_GET_RQ, request)


def answered(connected, *pdus, sop_class=STORAGE_COMMITMENT):
    """Associate for a class, send PDUs, and give the type of what comes back."""
    connected.sendall(request_pdu(sop_class=sop_class))
    assert read_pdu(connected)[0] == ACCEPTED
    for pdu in pdus:
        connected.sendall(pdu)
    return read_pdu(connected)


def test_a_report_in_the_context_of_an_image_class_ends_the_association(receiver, connected):
    kind, _ = answered(connected, fragment(COMMAND | LAST, event_command()), sop_class="1.2.840.10008.5.1.4.1.1.1.2")
    assert kind == ABORT


def test_another_operation_in_the_context_of_commitment_ends_the_association(receiver, connected):
    assert answered(connected, fragment(COMMAND | LAST, get_command()))[0] == ABORT


def test_a_report_on_another_class_is_answered(receiver, connected):
    kind, value = answered(
        connected, fragment(COMMAND | LAST, event_command("1.2.3.4")), fragment(DATA | LAST, b"whatever")
    )
    assert kind == P_DATA
    assert struct.pack("<HHLH", 0, 0x0900, 2, NO_CLASS) in value


def test_garbage_in_place_of_a_report_is_answered(receiver, connected):
    kind, value = answered(
        connected, fragment(COMMAND | LAST, event_command()), fragment(DATA, b"\xff" * 99), fragment(DATA | LAST, b"\0")
    )
    assert kind == P_DATA
    assert struct.pack("<HHLH", 0, 0x0900, 2, INVALID) in value


def test_a_stranger_may_not_report(start):
    receiver = start(peers=[{"aet": "PACS"}])
    kind, information = report(KNOWN, ["1.2.1"])
    assert report_to((AET, receiver.port), kind, information, aet="STRANGER") is None
    assert report_to((AET, receiver.port), kind, information, aet="PACS") == UNKNOWN


def test_many_at_once_are_all_answered(taken):
    receiver, reports = taken
    kind, information = report(KNOWN, ["1.2.1"])
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(report_to((AET, receiver.port), kind, information)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [OK] * 8
    assert len(reports) == 8


def encoded(information):
    return encode(information, False, True)


def test_an_object_in_both_lists_counts_as_failed():
    _, information = report("2.25.1", ["1.2.1", "1.2.2"], {"1.2.2": 0x0119})
    one = read_report(2, encoded(information), implicit_vr=False)
    assert (one.committed, one.failed) == ({"1.2.1"}, {"1.2.2": 0x0119})


def test_failures_under_the_event_type_of_success_count():
    _, information = report("2.25.1", [], {"1.2.2": 0x0112})
    assert read_report(1, encoded(information), implicit_vr=False).failed == {"1.2.2": 0x0112}


def test_what_a_peer_leaves_empty_is_passed_over():
    information = Dataset()
    information.TransactionUID = "2.25.1"
    bad = Dataset()
    bad.add(DataElement(0x00081155, "UI", b"not a uid ", already_converted=True))
    information.ReferencedSOPSequence = [Dataset(), bad]
    information.FailedSOPSequence = [Dataset()]
    one = read_report(2, encoded(information), implicit_vr=False)
    assert (one.committed, one.failed) == (frozenset(), {})
    without_reason = Dataset()
    without_reason.ReferencedSOPInstanceUID = "1.2.1"
    information.FailedSOPSequence = [without_reason]
    assert read_report(2, encoded(information), implicit_vr=False).failed == {"1.2.1": None}


@pytest.mark.parametrize("depth", [5000])
def test_sequences_in_sequences_are_refused_not_followed(depth):
    item, sequence = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF), struct.pack("<HHL", 0x0008, 0x1199, 0xFFFFFFFF)
    with pytest.raises(ReportFault) as fault:
        read_report(1, (sequence + item) * depth, implicit_vr=True)
    assert fault.value.status == INVALID


def test_the_limit_is_far_above_what_we_ask_for_at_once():
    longest = "2.25." + "9" * 59
    _, information = report(longest, [], {longest[:-2] + f"{number:02}": 0x0112 for number in range(64)})
    assert len(encoded(information)) < MOST_REPORT_BYTES / 5
