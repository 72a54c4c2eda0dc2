import errno
import fcntl
import resource
import socket
import struct
import threading
from collections.abc import Iterator
from queue import Queue
from types import SimpleNamespace

import pytest

from dcis_node.receive.transport import DeadlineSocket


@pytest.fixture
def pair() -> Iterator[tuple[DeadlineSocket, socket.socket, list[str]]]:
    ours, peer = socket.socketpair()
    ended: list[str] = []
    association = SimpleNamespace(dul=SimpleNamespace(event_queue=Queue()))
    yield (
        DeadlineSocket(association, ours, max_pdu_bytes=100, read_seconds=5.0, pdu_seconds=0.2, end=ended.append),
        peer,
        ended,
    )
    ours.close()
    peer.close()


def test_nothing_is_ready_until_bytes_wait(pair) -> None:
    ours, peer, _ = pair
    assert not ours.ready
    peer.sendall(b"x")
    assert ours.ready


def test_a_pdu_is_read_header_then_value(pair) -> None:
    ours, peer, ended = pair
    peer.sendall(struct.pack(">BBL", 4, 0, 6) + b"abcdef")
    assert ours.ready
    assert ours.recv(6) == struct.pack(">BBL", 4, 0, 6)
    assert ours.recv(6) == b"abcdef"
    assert ended == []


def test_a_connection_that_closes_gives_what_came(pair) -> None:
    ours, peer, ended = pair
    peer.sendall(b"abc")
    peer.close()
    assert ours.ready
    assert ours.recv(6) == b"abc"
    assert ended == []


def test_an_empty_value_is_read_at_once(pair) -> None:
    assert pair[0].recv(0) == b""


@pytest.mark.parametrize(("kind", "most"), [(1, 256 * 1024), (4, 106), (5, 1024), (7, 1024)])
def test_each_kind_of_pdu_has_its_limit(pair, kind: int, most: int) -> None:
    ours, peer, ended = pair
    peer.sendall(struct.pack(">BBL", kind, 0, most + 1))
    assert ours.ready
    ours.recv(6)
    with pytest.raises(ConnectionAbortedError):
        ours.recv(most + 1)
    assert ended == [f"a PDU of type {kind} claims {most + 1} bytes, {most} are allowed"]


def test_a_pdu_that_stands_still_times_out(pair) -> None:
    ours, peer, ended = pair
    peer.sendall(b"abc")
    assert ours.ready
    with pytest.raises(TimeoutError):
        ours.recv(6)
    assert "pdu_deadline_seconds = 0.2" in ended[0]


def test_a_pdu_whose_time_is_over_is_not_read_on(pair) -> None:
    ours, peer, ended = pair
    peer.sendall(b"abcdef")
    assert ours.ready
    ours._deadline = 0.0
    with pytest.raises(TimeoutError):
        ours.recv(6)
    assert len(ended) == 1


def test_a_closed_connection_is_neither_ready_nor_read(pair) -> None:
    ours, peer, _ = pair
    ours.close()
    assert not ours.ready
    assert ours.recv(6) == b""
    ours._shutdown_socket()
    assert peer.recv(1) == b""


def test_a_descriptor_that_was_closed_elsewhere_is_a_closed_connection(pair) -> None:
    ours, _, _ = pair
    ours.event_queue.get_nowait()  # the connection indication
    ours.socket.close()
    assert not ours.ready
    assert ours.event_queue.get_nowait() == "Evt17"


def test_descriptors_beyond_a_thousand_are_waited_for(pair) -> None:
    ours, peer, _ = pair
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 2000:
        pytest.skip("this shell allows too few descriptors")
    high = fcntl.fcntl(ours.socket.fileno(), fcntl.F_DUPFD, 1500)
    ours.socket.close()
    ours.socket = socket.socket(fileno=high)
    peer.sendall(b"x")
    assert ours.ready
    ours.socket.close()


def test_what_is_sent_arrives_whole(pair) -> None:
    ours, peer, ended = pair
    ours.send(b"answer")
    assert peer.recv(100) == b"answer"
    assert ended == []


def test_a_peer_that_reads_nothing_is_given_up_in_time(pair) -> None:
    ours, _, ended = pair
    ours.event_queue.get_nowait()  # the connection indication
    ours.send(bytes(10_000_000))
    assert ended == ["the peer read no answer for receive.pdu_deadline_seconds = 0.2"]
    assert ours.event_queue.get_nowait() == "Evt17"


def test_a_peer_that_reads_a_little_at_a_time_is_given_up_in_time(pair) -> None:
    ours, peer, ended = pair
    reader = threading.Thread(target=lambda: [peer.recv(4096) for _ in range(10)])
    reader.start()
    ours.send(bytes(10_000_000))
    reader.join()
    assert len(ended) == 1


def test_to_a_closed_connection_nothing_is_sent(pair) -> None:
    ours, peer, ended = pair
    ours.event_queue.get_nowait()  # the connection indication
    peer.close()
    ours.send(bytes(10_000_000))
    ours.socket.close()
    ours.socket = None
    ours.send(b"x")
    assert [ours.event_queue.get_nowait() for _ in range(2)] == ["Evt17", "Evt17"]
    assert ended == []


def test_a_connection_that_the_kernel_gave_up_is_told_apart_from_a_slow_peer(pair, monkeypatch) -> None:
    ours, peer, ended = pair
    peer.sendall(b"abc")
    assert ours.ready

    def dead(_: memoryview) -> int:
        raise TimeoutError(errno.ETIMEDOUT, "timed out")

    monkeypatch.setattr(ours, "_read_some", dead)
    with pytest.raises(TimeoutError):
        ours.recv(6)
    assert ended == ["the peer's machine takes nothing or does not answer (TCP)"]
