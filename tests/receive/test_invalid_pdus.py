"""PDUs that hold what none may hold, and answers that come too late: each found by mutated protocol sequences."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable

import pytest

from tests.fuzz import pdus
from tests.fuzz.peer import read_pdu
from tests.peers import wait_until
from tests.receive.helpers import Receiver, echo

pytestmark = pytest.mark.usefixtures("no_part_stays")

EVEN_CONTEXT = pdus.association(contexts=[pdus.Context(2, pdus.MAMMOGRAM, (pdus.EXPLICIT,))])
UNKNOWN_ABORT = pdus.pdu(pdus.ABORT, bytes((0, 0, 3, 99)))
UNKNOWN_PROVIDER_REASON = pdus.pdu(pdus.ABORT, bytes((0, 0, 2, 99)))
NO_ABSTRACT_SYNTAX = pdus.association().replace(b"\x30\x00\x00\x1b", b"\x40\x00\x00\x1b")
NO_ROOM = pdus.association(max_pdu=6)
NO_MAXIMUM_LENGTH = pdus.association().replace(b"\x51\x00\x00\x04", b"\x59\x00\x00\x04")
UNKNOWN_IDENTITY = pdus.association(more_user_items=pdus.item(0x58, bytes((9, 1, 0, 1)) + b"x\0\0"))


def answers(connection: socket.socket) -> list[int]:
    kinds = []
    while (kind := read_pdu(connection)[0]) != 0:
        kinds.append(kind)
    return kinds


@pytest.mark.parametrize(
    "request_pdu",
    [EVEN_CONTEXT, UNKNOWN_IDENTITY, NO_ABSTRACT_SYNTAX, NO_ROOM],
    ids=["even context", "unknown identity", "no abstract syntax", "no room for a value"],
)
def test_a_request_with_an_impossible_value_is_aborted_at_once_and_not_left_waiting(
    receiver: Receiver, connected: socket.socket, caplog, request_pdu: bytes
) -> None:
    began = time.monotonic()
    connected.sendall(request_pdu)
    assert answers(connected) == [pdus.ABORT]
    assert time.monotonic() - began < 2.0
    assert "association_failed" not in caplog.text
    assert "a PDU cannot be read, or is of no known type" in caplog.text


@pytest.mark.parametrize("request_pdu", [NO_MAXIMUM_LENGTH, pdus.association(max_pdu=7)], ids=["none", "one byte"])
def test_a_peer_that_states_no_maximum_length_or_a_tiny_one_is_answered(
    receiver: Receiver, connected: socket.socket, caplog, request_pdu: bytes
) -> None:
    value = pdus.pdv(3, pdus.COMMAND | pdus.LAST, pdus.command(pdus.echo_elements()))
    connected.sendall(request_pdu + pdus.pdu(pdus.P_DATA, value))
    assert [read_pdu(connected)[0] for _ in range(2)] == [pdus.ACCEPT, pdus.P_DATA]
    assert "association_failed" not in caplog.text


def test_a_pdu_that_has_no_place_is_aborted_with_its_reason(
    receiver: Receiver, connected: socket.socket, caplog
) -> None:
    connected.sendall(pdus.association() + pdus.association())
    assert answers(connected) == [pdus.ACCEPT, pdus.ABORT]
    assert "a PDU came that has no place here" in caplog.text


@pytest.mark.parametrize("abort", [UNKNOWN_ABORT, UNKNOWN_PROVIDER_REASON], ids=["source", "reason"])
def test_an_abort_for_no_known_reason_ends_the_association(
    receiver: Receiver, connected: socket.socket, caplog, abort: bytes
) -> None:
    connected.sendall(pdus.association())
    assert read_pdu(connected)[0] == pdus.ACCEPT
    connected.sendall(abort)
    assert answers(connected) in ([], [pdus.ABORT])
    assert "association_failed" not in caplog.text


@pytest.mark.parametrize(
    "behind",
    [pdus.pdu(0x5A, b""), pdus.association(), pdus.pdu(pdus.ABORT, bytes(4)), pdus.pdu(pdus.RELEASE_RQ, bytes(4)) * 2],
    ids=["unknown", "another request", "abort", "released twice"],
)
@pytest.mark.parametrize("called", [b"NODE", b"NOBODY"])
def test_an_answer_that_comes_after_the_end_is_not_sent_and_ends_no_thread(
    receiver: Receiver, caplog, behind: bytes, called: bytes
) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as connection:
            connection.sendall(pdus.association(called=called) + behind)
            connection.shutdown(socket.SHUT_WR)
            try:
                answers(connection)
            except ConnectionResetError:
                continue
    assert echo(receiver.port)
    assert "association_failed" not in caplog.text


def test_a_thread_that_dies_does_not_keep_its_association_waiting(
    start: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    def dies(*_: object) -> None:
        raise RuntimeError("CANARY")

    monkeypatch.setattr(
        "dcis_node.receive.upper_layer.UpperLayer._read_pdu_data", lambda self: self.event_queue.put("?")
    )
    monkeypatch.setattr("pynetdicom.fsm.StateMachine.do_action", dies)
    receiver = start(acse_timeout_seconds=60.0)
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as connection:
        connection.sendall(pdus.association())
        began = time.monotonic()
        assert answers(connection) == []
    assert time.monotonic() - began < 10.0
    wait_until(lambda: "error=RuntimeError at=dies" in caplog.text, "the failure is in the log")
    assert "CANARY" not in caplog.text


def test_the_thread_that_reads_ends_when_the_one_that_answers_has_died(
    start: Callable[..., Receiver], monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    def dies(*_: object) -> None:
        raise RuntimeError("CANARY")

    monkeypatch.setattr("pynetdicom.acse.ACSE.negotiate_association", dies)
    receiver = start()
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as connection:
        connection.sendall(pdus.association())
        assert answers(connection) == []
    wait_until(lambda: "error=RuntimeError at=dies" in caplog.text, "the failure is in the log")
    wait_until(lambda: reading_threads() == [], "no thread is left")


def reading_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "run_reactor" in thread.name or "Acceptor" in thread.name]


def test_a_request_that_turns_out_unreadable_after_its_data_set_leaves_no_part(receiver: Receiver, caplog) -> None:
    elements = pdus.store_elements(pdus.MAMMOGRAM, b"2.25.1")
    elements[3] = (0x0700, b"\x09\x00")  # a priority that does not exist
    value = pdus.pdv(1, pdus.COMMAND | pdus.LAST, pdus.command(elements)) + pdus.pdv(1, pdus.LAST, bytes(100))
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as connection:
        connection.sendall(pdus.association() + pdus.pdu(pdus.P_DATA, value))
        assert answers(connection) == [pdus.ACCEPT, pdus.ABORT]
    assert "message cannot be read (ValueError)" in caplog.text
    wait_until(lambda: list(receiver.files.incoming.iterdir()) == [], "the part is removed")


def test_what_comes_after_an_abort_is_not_read_as_pdus(receiver: Receiver, caplog) -> None:
    caplog.set_level("ERROR", logger="pynetdicom")
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as connection:
        began = time.monotonic()
        connection.sendall(pdus.association() + pdus.pdu(0x5A, b"") + pdus.pdu(pdus.P_DATA, bytes(7)) * 20_000)
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            answers(connection)
    assert time.monotonic() - began < 2.0
    assert caplog.text.count("Unable to decode") < 5


def test_an_object_of_a_class_that_nobody_knows_is_refused_with_its_reason(receiver: Receiver, caplog) -> None:
    command = pdus.command(pdus.store_elements(b"2.25.1", b"2.25.2"))
    value = pdus.pdv(1, pdus.COMMAND | pdus.LAST, command) + pdus.pdv(1, pdus.LAST, bytes(100))
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as connection:
        connection.sendall(pdus.association() + pdus.pdu(pdus.P_DATA, value))
        assert read_pdu(connection)[0] == pdus.ACCEPT
        kind, response = read_pdu(connection)
        assert kind == pdus.P_DATA
        assert pdus.element(0, 0x0900, b"\x22\x01") in response
        connection.sendall(pdus.pdu(pdus.RELEASE_RQ, bytes(4)))
        assert read_pdu(connection)[0] == pdus.RELEASE_RP
    assert "this SOP class is not accepted" in caplog.text


@pytest.mark.parametrize(
    ("elements", "context", "text"),
    [
        (pdus.echo_elements()[1:], 3, "a request lacks what it must have"),
        (pdus.echo_elements(), 5, "a presentation context was used that is not accepted"),
    ],
)
def test_a_request_that_cannot_be_answered_is_aborted_with_its_reason(
    receiver: Receiver, caplog, elements: list, context: int, text: str
) -> None:
    value = pdus.pdv(context, pdus.COMMAND | pdus.LAST, pdus.command(elements))
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as connection:
        connection.sendall(pdus.association() + pdus.pdu(pdus.P_DATA, value))
        assert answers(connection) == [pdus.ACCEPT, pdus.ABORT]
    assert text in caplog.text


def test_a_fault_of_ours_while_answering_ends_the_association_and_is_in_the_log(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    def dies(*_: object) -> None:
        raise RuntimeError("CANARY")

    monkeypatch.setattr("dcis_node.receive.association.VerificationServiceClass.SCP", dies)
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as connection:
        value = pdus.pdv(3, pdus.COMMAND | pdus.LAST, pdus.command(pdus.echo_elements()))
        connection.sendall(pdus.association() + pdus.pdu(pdus.P_DATA, value))
        assert answers(connection) == [pdus.ACCEPT, pdus.ABORT]
    assert "association_failed association=1 error=RuntimeError at=dies" in caplog.text
    assert "CANARY" not in caplog.text
