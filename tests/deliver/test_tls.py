"""Sending by TLS: who is talked to, who is not and why in words, with what files."""

import socket
import ssl
from contextlib import contextmanager

import pytest

from dcis_node.bcp195 import ClientTls, UnusableFileError, client_context
from dcis_node.config import DeliverSettings, DestinationSettings
from dcis_node.deliver.acceptance import ask_acceptance
from dcis_node.deliver.outcome import Failure
from dcis_node.deliver.routes import route_of
from dcis_node.deliver.sender import echo, send_files
from tests.certificates import Authority
from tests.deliver.helpers import SECONDARY_CAPTURE, address
from tests.peers import StoragePeer, black_hole, raw_peer, resetting_peer


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "Stranger CA")


@pytest.fixture(scope="module")
def ours(authority):
    return authority.issue("node")


@pytest.fixture(scope="module")
def theirs(authority):
    return authority.issue("pacs")


def server(issued, *, clients=None, least=ssl.TLSVersion.TLSv1_2, most=ssl.TLSVersion.TLSv1_3, ciphers=None):
    """The context of a PACS; `clients` is the authority whose certificates it asks for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    context.minimum_version, context.maximum_version = least, most
    if ciphers:
        context.set_ciphers(ciphers)
    if clients is not None:
        context.load_verify_locations(clients.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def tls(authority, issued=None, **options):
    own = {} if issued is None else {"certificate": str(issued.certificate), "key": str(issued.key)}
    return ClientTls(ca=str(authority.certificate), **own, **options)


@contextmanager
def quiet_server(context):
    """A server that does the handshake, whatever comes of it, and nothing else."""

    def serve(connection):
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    with raw_peer(serve) as port:
        yield port


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_objects_go_by_tls_to_a_peer_that_asks_for_our_certificate(outgoing, authority, ours, theirs, version):
    items = outgoing(3)
    with StoragePeer(tls=server(theirs, clients=authority, least=version, most=version)) as peer:
        sent = list(send_files(items, address(peer.port, tls=tls(authority, ours))))
        assert echo(address(peer.port, tls=tls(authority, ours))).ok
        acceptance = ask_acceptance(address(peer.port, tls=tls(authority, ours)), [SECONDARY_CAPTURE])
    assert [one.status for one in sent] == [0, 0, 0]
    assert peer.uids() == [item.sop_instance_uid for item in items]
    assert acceptance.failure == ""
    assert not acceptance.refused


def test_a_certificate_of_another_authority_does_not_count(outgoing, stranger, theirs):
    with quiet_server(server(theirs)) as port:
        (sent,) = send_files(outgoing(), address(port, tls=tls(stranger)))
    assert sent.failure is Failure.TLS
    assert "its certificate does not count: unable to get local issuer certificate" in sent.detail


def test_a_certificate_for_another_host_does_not_count_unless_that_is_not_checked(outgoing, authority, tmp_path):
    elsewhere = authority.issue("elsewhere", dns=("other.example",))
    with StoragePeer(tls=server(elsewhere)) as peer:
        by_name = address(peer.port, tls=tls(authority))
        by_name = type(by_name)(**{**vars(by_name), "host": "localhost"})
        (sent,) = send_files(outgoing(), by_name)
        assert sent.failure is Failure.TLS
        assert "Hostname mismatch" in sent.detail
        unchecked = type(by_name)(**{**vars(by_name), "tls": tls(authority, check_host_name=False)})
        (sent,) = send_files(outgoing(), unchecked)
        assert sent.status == 0


def test_a_certificate_that_has_expired_does_not_count(outgoing, authority):
    old = authority.issue("old", starts_in_days=-30.0, days=-1.0)
    with quiet_server(server(old)) as port:
        (sent,) = send_files(outgoing(), address(port, tls=tls(authority)))
    assert (sent.failure, "expired" in sent.detail) == (Failure.TLS, True)


def test_a_revoked_certificate_does_not_count(outgoing, authority, theirs, tmp_path):
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(authority.certificate.read_bytes() + authority.revocation_list(theirs))
    with quiet_server(server(theirs)) as port:
        (sent,) = send_files(outgoing(), address(port, tls=ClientTls(ca=str(bundle))))
    assert (sent.failure, "revoked" in sent.detail) == (Failure.TLS, True)


def test_the_certificate_of_that_one_peer_may_be_the_authority(outgoing, theirs):
    with StoragePeer(tls=server(theirs)) as peer:
        (sent,) = send_files(outgoing(), address(peer.port, tls=ClientTls(ca=str(theirs.certificate))))
    assert sent.status == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("shown", ["none", "a stranger's"])
def test_a_peer_that_refuses_our_certificate_is_told_apart(outgoing, authority, stranger, theirs, version, shown):
    own = stranger.issue("node") if shown != "none" else None
    with quiet_server(server(theirs, clients=authority, least=version, most=version)) as port:
        (sent,) = send_files(outgoing(), address(port, tls=tls(authority, own)))
        answer = echo(address(port, tls=tls(authority, own)))
    assert sent.failure is Failure.TLS
    assert "certificate" in sent.detail
    assert not answer.is_there
    assert "no secure connection (TLS) to PACS" in answer.text


def test_old_tls_and_weak_ciphers_are_not_spoken(outgoing, authority, theirs):
    weak = server(theirs, most=ssl.TLSVersion.TLSv1_2, ciphers="AES256-SHA:ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0")
    with quiet_server(weak) as port:
        (sent,) = send_files(outgoing(), address(port, tls=tls(authority)))
    assert sent.failure is Failure.TLS
    context = client_context(tls(authority))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    names = {cipher["name"] for cipher in context.get_ciphers()}
    assert names
    assert all(name.startswith("TLS_") or ("ECDHE" in name and ("GCM" in name or "CHACHA20" in name)) for name in names)


def test_a_peer_without_tls_is_told_apart_and_so_is_one_with_it_that_is_called_without(outgoing, authority, theirs):
    with StoragePeer() as peer:
        (sent,) = send_files(outgoing(), address(peer.port, tls=tls(authority), timeout_seconds=1.0))
    assert sent.failure in {Failure.TLS, Failure.NO_CONNECTION, Failure.CONNECT_TIMEOUT}
    with quiet_server(server(theirs)) as port:
        (sent,) = send_files(outgoing(), address(port, timeout_seconds=1.0))
    assert sent.failure is Failure.NO_ASSOCIATION

    def reply_in_plain(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00")

    with raw_peer(reply_in_plain) as port:
        (sent,) = send_files(outgoing(), address(port, tls=tls(authority)))
    assert (sent.failure, sent.detail) == (Failure.TLS, "it does not speak TLS on this port")


def test_silence_in_the_handshake_ends_in_time_and_a_reset_is_no_fault_of_certificates(outgoing, authority):
    with black_hole() as port:
        (silent,) = send_files(outgoing(), address(port, tls=tls(authority), timeout_seconds=0.3))
    with resetting_peer() as port:
        (reset,) = send_files(outgoing(), address(port, tls=tls(authority)))
    assert silent.failure is Failure.CONNECT_TIMEOUT
    assert reset.failure is Failure.NO_CONNECTION


def test_files_that_cannot_be_used_are_named_by_their_setting_and_a_repair_is_seen_by_the_next(
    outgoing, authority, ours, theirs, tmp_path
):
    copy = tmp_path / "ca.crt"
    with StoragePeer(tls=server(theirs)) as peer:
        (missing,) = send_files(outgoing(), address(peer.port, tls=ClientTls(ca=str(copy))))
        copy.write_text("nonsense")
        (broken,) = send_files(outgoing(), address(peer.port, tls=ClientTls(ca=str(copy))))
        copy.write_bytes(authority.certificate.read_bytes())
        (repaired,) = send_files(outgoing(), address(peer.port, tls=ClientTls(ca=str(copy))))
    assert (missing.failure, missing.detail) == (Failure.TLS, "tls.ca cannot be used: No such file or directory")
    assert broken.detail.startswith("tls.ca cannot be used: ")
    assert repaired.status == 0
    with pytest.raises(UnusableFileError, match=r"^tls\.certificate or tls\.key cannot be used: "):
        client_context(ClientTls(str(copy), str(ours.certificate), str(theirs.key)))


def test_a_key_with_a_passphrase_never_asks_for_it(authority):
    locked = authority.issue("locked", passphrase=b"secret")
    with pytest.raises(UnusableFileError, match=r"tls\.key"):
        client_context(tls(authority, locked))


def test_the_paths_of_the_settings_are_relative_to_the_folder_of_the_configuration(authority, ours, theirs, tmp_path):
    for name, path in (("ca.crt", authority.certificate), ("n.crt", ours.certificate), ("n.key", ours.key)):
        (tmp_path / name).write_bytes(path.read_bytes())
    with StoragePeer(tls=server(theirs, clients=authority)) as peer:
        destination = DestinationSettings(
            name="pacs", host="127.0.0.1", port=peer.port, aet="PACS", timeout_seconds=7.0, max_pdu_bytes=65536,
            tls={"ca": "ca.crt", "certificate": "n.crt", "key": "n.key"},
        )  # fmt: skip
        route = route_of(destination, DeliverSettings(), aet="NODE", base=tmp_path)
        assert route.probe().ok
    assert (route.address.timeout_seconds, route.address.calling_aet) == (7.0, "NODE")
