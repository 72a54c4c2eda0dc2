"""A connection with TLS under all that threads and peers may do to it."""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.receive.handshake import (
    REASONS,
    HandshakeFault,
    TlsConnection,
    identity_of,
    reason_of,
    shake_hands,
)
from dcis_node.receive.tls import TlsKeeper
from tests.certificates import Authority
from tests.receive.tls_peers import client_context, tls_settings

PLAIN = b"a patient's data " * 4000


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def keeper(authority: Authority) -> TlsKeeper:
    made = TlsKeeper(tls_settings(authority.issue("node"), authority.certificate))
    made.load()
    return made


@pytest.fixture
def tcp() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Our end and the peer's of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname(), timeout=20)
        ours, _ = listener.accept()
    yield ours, peer
    ours.close()
    peer.close()


@pytest.fixture
def pair(tcp, keeper: TlsKeeper, authority: Authority) -> Iterator[tuple[TlsConnection, ssl.SSLSocket]]:
    """Both ends after the handshake."""
    ours, peer = keeper.wrap(tcp[0]), Shaking(tcp[1], authority)
    with ours:
        shake_hands(ours, seconds=20)
        ours.settimeout(20)
        yield ours, peer.result()
        peer.result().close()


class Shaking(threading.Thread):
    """The peer's side of a handshake, in a thread of its own."""

    def __init__(self, connection: socket.socket, authority: Authority) -> None:
        super().__init__()
        context = client_context(authority.certificate, authority.issue("pacs"))
        self._secure = context.wrap_socket(connection, server_hostname="localhost", do_handshake_on_connect=False)
        self.start()

    def run(self) -> None:
        self._secure.do_handshake()

    def result(self) -> ssl.SSLSocket:
        self.join(20)
        return self._secure


def _read_all(connection: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(OSError):
        while piece := connection.recv(65536):
            data += piece
    return data


def test_after_a_shutdown_nothing_encrypted_is_read_as_data(pair) -> None:
    ours, peer = pair
    peer.sendall(PLAIN)
    select.select([ours], [], [], 20)
    ours.shutdown(socket.SHUT_RDWR)
    assert PLAIN.startswith(_read_all(ours))


def test_a_common_connection_would_read_what_is_encrypted(pair) -> None:
    """What the test above is held against."""
    ours, peer = pair
    peer.sendall(PLAIN)
    select.select([ours], [], [], 20)
    ssl.SSLSocket.shutdown(ours, socket.SHUT_RDWR)
    raw = socket.socket.recv(ours, 65536)
    assert raw
    assert not PLAIN.startswith(raw)


@pytest.mark.parametrize("act", [lambda c: c.recv(10), lambda c: c.recv_into(bytearray(10)), lambda c: c.send(b"x")])
def test_without_tls_nothing_goes_in_or_out(pair, act) -> None:
    ours, peer = pair
    peer.sendall(PLAIN)
    ours._sslobj = None
    with pytest.raises(ConnectionAbortedError):
        act(ours)


def test_a_second_thread_is_turned_away_and_not_blocked(pair) -> None:
    ours, peer = pair
    reading = threading.Thread(target=ours.recv, args=(10,))
    reading.start()
    while not ours._one.locked():
        pass
    with pytest.raises(BlockingIOError):
        ours.send(b"x")
    peer.sendall(b"done")
    reading.join(20)
    assert ours.send(b"x") == 1
    assert peer.recv(1) == b"x"


def test_bytes_are_read_into_a_buffer(pair) -> None:
    ours, peer = pair
    peer.sendall(b"abcdef")
    buffer = bytearray(6)
    assert ours.recv_into(memoryview(buffer)) == 6
    assert buffer == b"abcdef"
    peer.sendall(b"ghi")
    assert ours.recv_into(buffer, 2) == 2
    assert ours.pending() == 1


def test_a_peer_is_named_as_its_certificate_names_it(pair) -> None:
    fingerprint, *names = identity_of(pair[0])
    assert len(fingerprint) == 64
    assert names == ["CN=pacs", "DNS:localhost"]


def test_a_handshake_that_is_dropped_from_another_thread_ends_at_once(tcp, keeper: TlsKeeper) -> None:
    with keeper.wrap(tcp[0]) as ours:
        threading.Timer(0.05, ours.shutdown, args=(socket.SHUT_RDWR,)).start()
        with pytest.raises(HandshakeFault, match="closed the connection"):
            shake_hands(ours, seconds=20)


def test_a_connection_that_was_reset_before_tls_is_put_on_it_is_told(tcp, keeper: TlsKeeper) -> None:
    ours, peer = tcp
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    select.select([ours], [], [], 20)
    with pytest.raises(OSError, match="not connected"):
        keeper.wrap(ours)


def test_a_peer_that_takes_nothing_is_ended() -> None:
    ours, peer = socket.socketpair()
    with ours, peer:
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(bytes(65536))
        with pytest.raises(HandshakeFault, match="no TLS handshake within"):
            shake_hands(cast("TlsConnection", Full(ours)), seconds=0.1)


class Full:
    """A connection whose handshake cannot write."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def settimeout(self, seconds: float) -> None:
        self._connection.settimeout(seconds)

    def fileno(self) -> int:
        return self._connection.fileno()

    def do_handshake(self) -> None:
        raise ssl.SSLWantWriteError


def test_every_reason_is_in_words() -> None:
    assert reason_of(ConnectionResetError()) == "the peer closed the connection in the handshake"
    error = ssl.SSLError(1, "x")
    error.reason = "SOME_NEW_REASON"
    assert reason_of(error) == "the TLS handshake failed: some new reason"
    refused = ssl.SSLCertVerificationError(1, "x")
    refused.verify_code, refused.verify_message = 999, "something new"
    assert reason_of(refused) == "the peer's certificate is not accepted: something new"
    assert all(text == text.strip() and "_" not in text.replace("receive.port", "") for text in REASONS.values())


@given(noise=st.binary(min_size=1, max_size=200))
def test_noise_is_refused_in_words_whatever_it_is(keeper: TlsKeeper, noise: bytes) -> None:
    ours, peer = socket.socketpair()
    with peer:
        peer.sendall(noise)
        peer.shutdown(socket.SHUT_WR)
        with keeper.wrap(ours) as wrapped, pytest.raises(HandshakeFault) as fault:
            shake_hands(wrapped, seconds=5)
    assert str(fault.value)
