"""Peers that do not keep to the protocol, on real connections."""

import socket
import struct
import threading
import time

import pytest

from dcis_node.receive import acceptor as acceptor_module
from dcis_node.receive import connections as connections_module
from dcis_node.receive import dimse as dimse_module
from tests.peers import wait_until
from tests.receive.helpers import Receiver, echo, image, send
from tests.receive.wire import (
    ABORT,
    ACCEPTED,
    COMMAND,
    DATA,
    LAST,
    P_DATA,
    REJECTED,
    find_command,
    fragment,
    raw_association,
    read_pdu,
    request_pdu,
    store_command,
)

pytestmark = pytest.mark.usefixtures("no_part_stays")


def ended(connection: socket.socket) -> int:
    """Read to the end of the connection; gives the type of the last PDU (0: none came)."""
    last = 0
    while (kind := read_pdu(connection)[0]) != 0:
        last = kind
    return last


def acceptor_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("AcceptorThread")]


def parts(receiver: Receiver) -> list:
    return list(receiver.files.incoming.iterdir())


@pytest.mark.parametrize("length", [0xFFFFFFFF, 256 * 1024 + 1])
def test_an_association_request_that_claims_too_much_ends_at_once(receiver, connected, caplog, length: int) -> None:
    connected.sendall(struct.pack(">BBL", 0x01, 0, length))
    assert ended(connected) == ABORT
    assert f"a PDU of type 1 claims {length} bytes, 262144 are allowed" in caplog.text


def test_data_beyond_the_announced_length_ends_the_association(receiver: Receiver, caplog) -> None:
    with raw_association(receiver.port) as connection:
        connection.sendall(struct.pack(">BBL", P_DATA, 0, 131072 + 7))
        assert ended(connection) == ABORT
    assert "a PDU of type 4 claims 131079 bytes, 131078 are allowed" in caplog.text


def test_a_release_that_claims_to_be_long_ends_the_association(receiver: Receiver) -> None:
    with raw_association(receiver.port) as connection:
        connection.sendall(struct.pack(">BBL", 0x05, 0, 5000))
        assert ended(connection) == ABORT


def test_an_unknown_pdu_ends_the_connection(receiver: Receiver, connected) -> None:
    connected.sendall(struct.pack(">BBL", 0x55, 0, 4))
    assert ended(connected) == ABORT


def test_a_peer_that_stalls_in_a_pdu_is_dropped_while_another_is_served(start, caplog) -> None:
    receiver = start(pdu_deadline_seconds=0.5, network_timeout_seconds=10.0)
    with raw_association(receiver.port) as stalled:
        stalled.sendall(fragment(COMMAND | LAST, store_command()))
        stalled.sendall(fragment(DATA, bytes(1000))[:500])
        assert echo(receiver.port)
        assert send(receiver.port, image()) == [0x0000]
        assert ended(stalled) == ABORT
    assert "a PDU stood still or took longer than receive.pdu_deadline_seconds = 0.5" in caplog.text
    wait_until(lambda: not parts(receiver), "the half object is removed")


def test_a_peer_that_trickles_is_dropped_by_the_total_deadline(start) -> None:
    receiver = start(pdu_deadline_seconds=0.6, network_timeout_seconds=10.0)
    stop = threading.Event()
    with raw_association(receiver.port) as connection:

        def trickle() -> None:
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"\x04\0\0\0\x10\0" if not sent else b"\0")
                except OSError:
                    return
                sent.append(1)

        sent: list[int] = []
        thread = threading.Thread(target=trickle)
        thread.start()
        assert ended(connection) == ABORT
        stop.set()
        thread.join()
    assert len(sent) < 100


def test_silence_within_a_message_has_its_own_shorter_limit(start, caplog) -> None:
    receiver = start(dimse_timeout_seconds=0.5, network_timeout_seconds=30.0)
    with raw_association(receiver.port) as connection:
        connection.sendall(fragment(COMMAND | LAST, store_command()) + fragment(DATA, b"x"))
        assert ended(connection) == ABORT
    assert "address=127.0.0.1 text='silent within a message for receive.dimse_timeout_seconds = 0.5'" in caplog.text


def test_an_idle_association_is_aborted_which_is_no_fault(start, caplog) -> None:
    receiver = start(network_timeout_seconds=0.5)
    with raw_association(receiver.port) as connection:
        assert ended(connection) == ABORT
    assert "address=127.0.0.1 text='idle for receive.network_timeout_seconds = 0.5'" in caplog.text
    assert "WARNING" not in caplog.text


@pytest.mark.parametrize("said", [b"", request_pdu()[:50]])
def test_a_peer_that_does_not_ask_in_time_is_dropped(start, caplog, said: bytes) -> None:
    receiver = start(acse_timeout_seconds=0.5, pdu_deadline_seconds=20.0, network_timeout_seconds=20.0)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as connection:
        connection.sendall(said)
        assert ended(connection) == 0
    assert time.monotonic() - began < 10
    wait_until(lambda: not acceptor_threads(), "its threads end")
    assert "address=127.0.0.1 text='no whole association request within receive.acse_timeout_seconds" in caplog.text


def test_a_bare_connect_frees_its_threads_at_once_and_is_no_fault(start, caplog) -> None:
    receiver = start(acse_timeout_seconds=600.0)
    for _ in range(3):
        socket.create_connection(("127.0.0.1", receiver.port), timeout=20).close()
    assert echo(receiver.port)
    wait_until(lambda: not acceptor_threads(), "their threads end")
    assert "WARNING" not in caplog.text


def test_silent_connections_do_not_keep_a_peer_out(start, monkeypatch, caplog) -> None:
    monkeypatch.setattr(connections_module, "MOST_PENDING", 3)
    monkeypatch.setattr(connections_module, "SILENT_SECONDS", 0.0)
    receiver = start(acse_timeout_seconds=600.0, max_associations=1)
    silent = [socket.create_connection(("127.0.0.1", receiver.port), timeout=20) for _ in range(5)]
    wait_until(lambda: echo(receiver.port), "a peer that speaks gets in")
    assert ended(silent[0]) == 0
    assert "event=connection_displaced" in caplog.text
    for connection in silent:
        connection.close()


def test_who_has_asked_is_answered_and_not_displaced(start, monkeypatch, caplog) -> None:
    monkeypatch.setattr(connections_module, "MOST_PENDING", 3)
    receiver = start(acse_timeout_seconds=600.0, max_associations=1)
    asking = [socket.create_connection(("127.0.0.1", receiver.port), timeout=20) for _ in range(12)]
    for connection in asking:
        connection.sendall(request_pdu())
    answers = sorted(read_pdu(connection)[0] for connection in asking)
    assert answers == [0x02, *[0x03] * 11]
    assert "event=connection_displaced" not in caplog.text
    for connection in asking:
        connection.close()


@pytest.mark.parametrize(
    ("pdus", "text"),
    [
        ([fragment(DATA | LAST, b"x")], "a data set came without its command"),
        ([fragment(COMMAND | LAST, store_command()), fragment(COMMAND, b"x")], "a command stands inside a data set"),
        (
            [fragment(COMMAND | LAST, store_command()), fragment(DATA, b"x", context=3)],
            "a data set came without its command",
        ),
        (
            [fragment(COMMAND | LAST, store_command(), context=3)],
            "a presentation context was used that is not accepted",
        ),
        ([fragment(COMMAND, bytes(9000))] * 2, "a command is longer than 16384 bytes"),
        ([fragment(COMMAND | LAST, b"garbage")], "message cannot be read"),
        ([fragment(COMMAND | LAST, find_command())], "only C-ECHO and C-STORE requests are served"),
    ],
)
def test_messages_out_of_order_or_size_abort_the_association(receiver, caplog, pdus: list[bytes], text: str) -> None:
    with raw_association(receiver.port) as connection:
        connection.sendall(b"".join(pdus))
        assert ended(connection) == ABORT
    assert text in caplog.text
    assert echo(receiver.port)


def test_a_fragment_without_control_header_aborts(receiver: Receiver, caplog) -> None:
    with raw_association(receiver.port) as connection:
        connection.sendall(struct.pack(">BBLLB", P_DATA, 0, 5, 1, 1))
        assert ended(connection) == ABORT


def test_what_follows_a_fault_is_not_taken(receiver: Receiver) -> None:
    with raw_association(receiver.port) as connection:
        connection.sendall(fragment(DATA | LAST, b"x") + fragment(COMMAND | LAST, store_command()) * 3)
        assert ended(connection) == ABORT


def test_requests_sent_ahead_are_limited(start, monkeypatch, caplog) -> None:
    receiver = start(max_queued_requests=2)
    free = threading.Event()
    handle = acceptor_module.InstanceStore.handle

    def slow(*args: object, **kwargs: object) -> object:
        free.wait(20)
        return handle(*args, **kwargs)

    monkeypatch.setattr(acceptor_module.InstanceStore, "handle", slow)
    whole = fragment(COMMAND | LAST, store_command()) + fragment(DATA | LAST, b"x")
    with raw_association(receiver.port) as connection:
        connection.sendall(whole * 8)
        wait_until(lambda: "receive.max_queued_requests = 2" in caplog.text, "the association is aborted")
        assert echo(receiver.port)
        free.set()
        assert ended(connection) == ABORT


def test_a_request_whose_command_lacks_a_part_is_dropped_with_its_data(receiver: Receiver, monkeypatch) -> None:
    monkeypatch.setattr(dimse_module.C_STORE_RQ, "_no_such", None, raising=False)
    command = bytearray(store_command())
    at = command.index(b"\x00\x00\x00\x07")  # Priority (0000,0700): removed, as if the sender had forgotten it
    del command[at : at + 10]
    with raw_association(receiver.port) as connection:
        connection.sendall(fragment(COMMAND | LAST, bytes(command)) + fragment(DATA | LAST, b"x"))
        wait_until(lambda: not parts(receiver), "the object is removed")
        assert echo(receiver.port)


def test_garbage_in_an_association_request_harms_nobody(receiver: Receiver, connected) -> None:
    connected.sendall(struct.pack(">BBL", 0x01, 0, 200) + bytes(range(200)))
    assert ended(connected) == ABORT
    assert echo(receiver.port)


def test_an_accepted_association_is_answered_by_hand_too(receiver: Receiver, connected) -> None:
    connected.sendall(request_pdu())
    assert read_pdu(connected)[0] == ACCEPTED


def test_a_refused_one_is_answered_and_closed(receiver: Receiver, connected) -> None:
    connected.sendall(request_pdu(called="OTHER"))
    assert read_pdu(connected) == (REJECTED, b"\0\x01\x01\x07")
    assert ended(connected) == 0
