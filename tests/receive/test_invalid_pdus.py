"""PDUs that hold what none may hold, and answers that come too late: each found by mutated protocol sequences."""

import socket
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
UNKNOWN_IDENTITY = pdus.association(more_user_items=pdus.item(0x58, bytes((9, 1, 0, 1)) + b"x\0\0"))


def answers(connection: socket.socket) -> list[int]:
    kinds = []
    while (kind := read_pdu(connection)[0]) != 0:
        kinds.append(kind)
    return kinds


@pytest.mark.parametrize("request_pdu", [EVEN_CONTEXT, UNKNOWN_IDENTITY], ids=["even context", "unknown identity"])
def test_a_request_with_an_impossible_value_is_aborted_at_once_and_not_left_waiting(
    receiver: Receiver, connected: socket.socket, caplog, request_pdu: bytes
) -> None:
    began = time.monotonic()
    connected.sendall(request_pdu)
    assert answers(connected) == [pdus.ABORT]
    assert time.monotonic() - began < 2.0
    assert "association_failed" not in caplog.text


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
