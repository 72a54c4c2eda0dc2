"""The listener with TLS: who gets in, who is refused in which words, and that neither harms the others."""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from dcis_node.config import Peer
from tests.certificates import Authority, Issued, rsa_key
from tests.peers import wait_until
from tests.receive.helpers import AET, Receiver, associated, echo
from tests.receive.tls_peers import (
    client_context,
    echoes,
    echoes_again,
    is_answered,
    secure_connection,
    tls_settings,
)
from tests.receive.wire import COMMAND, DATA, LAST, P_DATA, echo_command, fragment, read_pdu, request_pdu, store_command

V1, V11, V12, V13 = (ssl.TLSVersion[name] for name in ("TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"))
AEAD = ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305")
# Without forward secrecy, without authenticated encryption, and with a finite field in the place of a curve.
REFUSED = ("AES256-GCM-SHA384", "AES128-SHA", "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES128-SHA")
LEVEL = ":@SECLEVEL=0"


class Site:
    """Certificates of a hospital: the node's, a peer's, and those that must not do."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.ca = self.authority.certificate
        self.node = self.authority.issue("node", key=rsa_key())
        self.peer = self.authority.issue("pacs", dns=("pacs.example",))
        self.stranger = Authority(folder, "Other CA").issue("pacs")

    def client(self, shown: Issued | None, **named: object) -> ssl.SSLContext:
        return client_context(self.ca, shown, **named)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture
def secure(start: Callable[..., Receiver], site: Site) -> Receiver:
    """A receiver with both listeners."""
    return start(tls=tls_settings(site.node, site.ca))


@pytest.fixture
def lax_port(site: Site) -> Iterator[int]:
    """A server that takes whatever OpenSSL still has: what our refusals are held against."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL" + LEVEL)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = V1
    context.load_cert_chain(site.node.certificate, site.node.key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_shake_one_hand, args=(listener, context))
        thread.start()
        yield listener.getsockname()[1]
        thread.join(20)


def _shake_one_hand(listener: socket.socket, context: ssl.SSLContext) -> None:
    connection, _ = listener.accept()
    with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True):
        pass
    connection.close()


def refused_with(caplog, text: str) -> None:
    """Wait for the line that tells an administrator why."""
    wait_until(lambda: f"rule=tls_handshake text={text!r}" in caplog.text, text)


def test_what_is_allowed_is_answered(secure: Receiver, site: Site) -> None:
    for version, ciphers in (*((V12, cipher) for cipher in AEAD), (V13, "DEFAULT")):
        assert is_answered(secure.tls_port, site.client(site.peer, version=version, ciphers=ciphers)), ciphers


@pytest.mark.parametrize("version", [V1, V11])
def test_old_versions_are_refused(secure: Receiver, site: Site, version: ssl.TLSVersion, caplog, lax_port: int) -> None:
    context = site.client(site.peer, version=version)
    with secure_connection(lax_port, context) as connection:
        assert connection.version() == version.name.replace("_", ".")
    assert not is_answered(secure.tls_port, context)
    refused_with(caplog, "the peer offers no TLS version that is allowed: 1.2 or 1.3")
    assert is_answered(secure.tls_port, site.client(site.peer))


@pytest.mark.parametrize("cipher", REFUSED)
def test_ciphers_without_forward_secrecy_or_authentication_are_refused(
    secure: Receiver, site: Site, cipher: str, caplog, lax_port: int
) -> None:
    context = site.client(site.peer, version=V12, ciphers=cipher + LEVEL)
    with secure_connection(lax_port, context) as connection:
        assert connection.cipher()[0] == cipher
    assert not is_answered(secure.tls_port, context)
    refused_with(caplog, "the peer offers no cipher that is allowed: ECDHE with AES-GCM or ChaCha20-Poly1305")


@pytest.mark.parametrize(
    ("who", "text"),
    [
        ("nobody", "the peer showed no certificate"),
        ("stranger", "the peer's certificate is signed by none of receive.tls.peer_ca"),
        ("expired", "the peer's certificate has expired"),
        ("early", "the peer's certificate is not valid yet; or a clock is wrong"),
        ("server", "the peer's certificate is not meant for a client (extended key usage)"),
        ("weak", "the key of the peer's certificate is too short"),
    ],
)
def test_a_peer_whose_certificate_does_not_do_is_refused(
    secure: Receiver, site: Site, who: str, text: str, caplog
) -> None:
    shown = _shown_by(who, site.authority)
    for version in (V12, V13):
        assert not is_answered(secure.tls_port, site.client(shown, version=version))
    wait_until(lambda: caplog.text.count(text) == 2, text)
    assert is_answered(secure.tls_port, site.client(site.peer))


def _shown_by(who: str, authority: Authority) -> Issued | None:
    if who == "nobody":
        return None
    if who == "stranger":
        return Authority(authority.folder, "Other CA").issue("pacs")
    changes: dict[str, dict] = {
        "expired": {"starts_in_days": -30, "days": -1},
        "early": {"starts_in_days": 1},
        "server": {"usages": (ExtendedKeyUsageOID.SERVER_AUTH,)},
        "weak": {"key": rsa_key(1024)},
    }
    return authority.issue("pacs", **changes[who])


def test_a_revoked_certificate_is_refused(start, site: Site, tmp_path: Path, caplog) -> None:
    revoked = site.authority.issue("lost")
    authorities = tmp_path / "authorities.pem"
    authorities.write_bytes(site.ca.read_bytes() + site.authority.revocation_list(revoked))
    receiver = start(tls=tls_settings(site.node, authorities))
    assert not is_answered(receiver.tls_port, site.client(revoked))
    refused_with(caplog, "the peer's certificate is revoked")
    assert is_answered(receiver.tls_port, site.client(site.peer))


def test_one_certificate_may_be_its_own_authority(start, site: Site) -> None:
    receiver = start(tls=tls_settings(site.node, site.peer.certificate))
    assert is_answered(receiver.tls_port, site.client(site.peer))
    assert not is_answered(receiver.tls_port, site.client(site.node))


def test_without_mutual_tls_a_peer_needs_no_certificate(start, site: Site) -> None:
    receiver = start(tls=tls_settings(site.node, site.ca, require_peer_certificate=False))
    assert is_answered(receiver.tls_port, site.client(None))
    assert is_answered(receiver.tls_port, site.client(site.peer))
    assert not is_answered(receiver.tls_port, site.client(site.stranger))


def test_a_peer_that_does_not_know_who_signed_ours_is_told_from_others(secure: Receiver, site: Site, caplog) -> None:
    other = Authority(site.authority.folder, "Third CA").certificate
    assert not is_answered(secure.tls_port, client_context(other, site.peer))
    refused_with(caplog, "the peer does not know who signed our certificate")


@pytest.mark.parametrize(
    "bytes_sent", [request_pdu(), b"\x00" * 64, b"GET / HTTP/1.1\r\n\r\n"], ids=["DICOM", "zeros", "HTTP"]
)
def test_what_is_no_tls_is_refused(secure: Receiver, bytes_sent: bytes, site: Site, caplog) -> None:
    with socket.create_connection(("127.0.0.1", secure.tls_port), timeout=20) as connection:
        connection.sendall(bytes_sent)
        wait_until(lambda: "the peer does not speak TLS" in caplog.text, "it is refused")
    assert is_answered(secure.tls_port, site.client(site.peer))


def test_a_peer_that_leaves_in_the_handshake_is_noted(secure: Receiver, caplog) -> None:
    socket.create_connection(("127.0.0.1", secure.tls_port)).close()
    refused_with(caplog, "the peer closed the connection in the handshake")


def test_tls_on_the_plain_port_is_refused(secure: Receiver, site: Site) -> None:
    assert not is_answered(secure.port, site.client(site.peer))
    assert echo(secure.port)


def test_both_listeners_serve_side_by_side(secure: Receiver, site: Site) -> None:
    with associated(secure.port) as plain, secure_connection(secure.tls_port, site.client(site.peer)) as connection:
        assert echoes(connection)
        assert plain.send_c_echo().Status == 0x0000
        assert echoes_again(connection)


def test_the_plain_listener_can_be_left_out(start, site: Site) -> None:
    receiver = start(plain=False, tls=tls_settings(site.node, site.ca))
    assert receiver.port == 0
    assert is_answered(receiver.tls_port, site.client(site.peer))


def test_the_caps_count_both_listeners(start, site: Site, caplog) -> None:
    receiver = start(max_associations=1, tls=tls_settings(site.node, site.ca))
    with associated(receiver.port) as plain:
        assert plain.is_established
        assert not is_answered(receiver.tls_port, site.client(site.peer))
    assert "receive.max_associations is 1" in caplog.text


def test_silent_and_trickling_peers_delay_nobody_and_are_ended(start, site: Site, caplog) -> None:
    receiver = start(acse_timeout_seconds=2.0, tls=tls_settings(site.node, site.ca))
    hello = _client_hello(site)
    with contextlib.ExitStack() as stack:
        peers = [
            stack.enter_context(socket.create_connection(("127.0.0.1", receiver.tls_port), timeout=20))
            for _ in range(4)
        ]
        for length, peer in zip((0, 1, 5, len(hello) // 2), peers, strict=True):
            peer.sendall(hello[:length])
        began = time.monotonic()
        assert is_answered(receiver.tls_port, site.client(site.peer))
        assert echo(receiver.port)
        assert time.monotonic() - began < 1.0
        _trickle(peers[1], hello[1:], until=lambda: caplog.text.count("no TLS handshake within") == 4)
        assert time.monotonic() - began < 6.0
        assert [_ended(peer) for peer in peers] == [True] * 4
    assert "no TLS handshake within receive.acse_timeout_seconds = 2" in caplog.text


def _trickle(peer: socket.socket, data: bytes, *, until: Callable[[], bool]) -> None:
    """Send a byte in each look, so that the handshake never stands still."""
    rest = iter(data)

    def look() -> bool:
        with contextlib.suppress(OSError, StopIteration):
            peer.sendall(bytes([next(rest)]))
        return until()

    wait_until(look, "all of them are ended")


def _ended(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True


def _client_hello(site: Site) -> bytes:
    out = ssl.MemoryBIO()
    client = site.client(site.peer).wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def test_a_peer_that_stalls_in_a_pdu_is_ended_with_an_abort(start, site: Site, caplog) -> None:
    receiver = start(pdu_deadline_seconds=0.3, tls=tls_settings(site.node, site.ca))
    with secure_connection(receiver.tls_port, site.client(site.peer)) as connection:
        assert echoes(connection)
        connection.sendall(struct.pack(">BBL", 4, 0, 100) + bytes(10))
        assert read_pdu(connection)[0] == 0x07
    assert "receive.pdu_deadline_seconds = 0.3" in caplog.text


def test_a_stop_ends_those_with_tls_and_those_in_the_handshake(start, site: Site, no_part_stays) -> None:
    receiver = start(grace_seconds=0.2, tls=tls_settings(site.node, site.ca))
    with (
        secure_connection(receiver.tls_port, site.client(site.peer)) as storing,
        secure_connection(receiver.tls_port, site.client(site.peer)) as idle,
        socket.create_connection(("127.0.0.1", receiver.tls_port), timeout=20) as silent,
    ):
        assert echoes(idle)
        storing.sendall(request_pdu())
        assert read_pdu(storing)[0] == 0x02
        storing.sendall(fragment(COMMAND | LAST, store_command()) + fragment(DATA, bytes(100)))
        wait_until(lambda: list(receiver.files.incoming.iterdir()), "the object has begun")
        receiver.stop.set()
        receiver.thread.join(20)
        assert not receiver.thread.is_alive()
        assert read_pdu(storing)[0] == 0x07
        assert read_pdu(idle)[0] == 0x07
        assert _ended(silent)


def test_the_last_pdus_of_one_record_are_all_read(secure: Receiver, site: Site) -> None:
    """Of several PDUs in one TLS record OpenSSL keeps the later ones, and the descriptor does not tell of them."""
    with secure_connection(secure.tls_port, site.client(site.peer)) as connection:
        assert echoes(connection)
        connection.sendall(2 * fragment(COMMAND | LAST, echo_command()))
        assert [read_pdu(connection)[0] for _ in range(2)] == [P_DATA, P_DATA]


BOUND = (
    pytest.param(lambda site: (site.peer.fingerprint,), id="fingerprint"),
    pytest.param(lambda site: ("CN=pacs",), id="common name"),
    pytest.param(lambda site: ("DNS:PACS.example",), id="DNS name"),
)


@pytest.mark.parametrize("names", BOUND)
def test_an_ae_title_is_bound_to_its_certificate(start, site: Site, names, caplog) -> None:
    peers = (Peer(aet="PACS", certificates=names(site)), Peer(aet="OTHER", certificates=("CN=other",)), Peer(aet="OLD"))
    receiver = start(tls=tls_settings(site.node, site.ca), peers=peers)
    context = site.client(site.peer)
    assert is_answered(receiver.tls_port, context)
    assert not is_answered(receiver.tls_port, context, calling="OTHER")
    assert (
        f"showed a certificate that is not one of its own in [[receive.peers]]: {site.peer.fingerprint}" in caplog.text
    )
    assert not is_answered(receiver.tls_port, context, calling="OLD")
    with associated(receiver.port, calling="PACS") as plain:
        assert plain.is_rejected
    with associated(receiver.port, calling="OLD") as plain:
        assert plain.is_established
    assert f"certificate={site.peer.fingerprint}" in caplog.text


def test_an_object_sent_by_tls_that_is_cut_off_leaves_nothing(secure: Receiver, site: Site, no_part_stays) -> None:
    with secure_connection(secure.tls_port, site.client(site.peer)) as connection:
        connection.sendall(request_pdu())
        assert read_pdu(connection)[0] == 0x02
        connection.sendall(fragment(COMMAND | LAST, store_command()) + fragment(DATA, bytes(100)))
        wait_until(lambda: list(secure.files.incoming.iterdir()), "the object has begun")
    wait_until(lambda: not list(secure.files.incoming.iterdir()), "its part is removed")
    assert secure.instances() == []


def test_the_node_is_called_by_its_title_with_tls_too(secure: Receiver, site: Site) -> None:
    with secure_connection(secure.tls_port, site.client(site.peer)) as connection:
        connection.sendall(request_pdu(called=f"NOT_{AET}"))
        assert read_pdu(connection)[0] == 0x03
