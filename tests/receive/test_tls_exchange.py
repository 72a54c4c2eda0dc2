"""A certificate is exchanged while the node runs."""

import threading
from pathlib import Path

import pytest

from dcis_node.errors import ConfigurationError
from dcis_node.receive.tls import LOOK_SECONDS, TlsKeeper
from tests.certificates import Authority, Issued
from tests.peers import wait_until
from tests.receive.helpers import Receiver
from tests.receive.tls_peers import (
    client_context,
    echoes,
    echoes_again,
    is_answered,
    secure_connection,
    tls_settings,
)


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def node(authority: Authority) -> Issued:
    return authority.issue("node")


def exchange(old: Issued, new: Issued) -> None:
    """Put a new pair into the places of the old one, one file after the other as a renewal does."""
    new.certificate.replace(old.certificate)
    new.key.replace(old.key)


def shown(receiver: Receiver, authority: Authority, peer: Issued) -> bytes:
    """Give the certificate that the node shows to a new connection."""
    with secure_connection(receiver.tls_port, client_context(authority.certificate, peer)) as connection:
        return connection.getpeercert(binary_form=True) or b""


def test_new_connections_get_the_new_certificate_and_open_ones_go_on(start, authority: Authority, node: Issued) -> None:
    peer = authority.issue("pacs")
    context = client_context(authority.certificate, peer)
    receiver = start(tls=tls_settings(node, authority.certificate))
    before = shown(receiver, authority, peer)
    with secure_connection(receiver.tls_port, context) as connection:
        assert echoes(connection)
        exchange(node, authority.issue("node"))
        wait_until(lambda: shown(receiver, authority, peer) != before, "the new certificate is shown")
        assert echoes_again(connection)


def test_a_new_authority_holds_from_the_next_connection(start, authority: Authority, node: Issued) -> None:
    other = Authority(authority.folder, "Other CA")
    peer = other.issue("pacs")
    context = client_context(authority.certificate, peer)
    receiver = start(tls=tls_settings(node, authority.certificate))
    assert not is_answered(receiver.tls_port, context)
    both = authority.certificate.read_bytes() + other.certificate.read_bytes()
    authority.certificate.write_bytes(both)
    wait_until(lambda: is_answered(receiver.tls_port, context), "the peer is let in")


def test_files_that_cannot_be_used_leave_the_old_certificate_in_use(
    start, authority: Authority, node: Issued, caplog
) -> None:
    peer = authority.issue("pacs")
    context = client_context(authority.certificate, peer)
    receiver = start(tls=tls_settings(node, authority.certificate))
    good = node.certificate.read_bytes()
    node.certificate.write_text("half a cert")

    def told() -> bool:
        return is_answered(receiver.tls_port, context) and "event=tls_not_loaded" in caplog.text

    wait_until(told, "the fault is told")
    assert is_answered(receiver.tls_port, context)
    assert caplog.text.count("event=tls_not_loaded") == 1
    assert "no certificate in PEM" in caplog.text
    node.certificate.write_bytes(good)
    wait_until(lambda: is_answered(receiver.tls_port, context) and caplog.text.count("tls_loaded") == 2, "it is taken")


def test_files_are_looked_at_once_in_a_second(authority: Authority, node: Issued) -> None:
    clock = FakeClock()
    keeper = TlsKeeper(tls_settings(node, authority.certificate), clock=clock)
    keeper.load()
    first = keeper.loaded
    exchange(node, authority.issue("node"))
    keeper.refresh()
    assert keeper.loaded is first
    clock.now += LOOK_SECONDS
    keeper.refresh()
    assert keeper.loaded is not first
    assert keeper.fault == ""


def test_half_an_exchange_is_a_fault_until_the_other_half_comes(authority: Authority, node: Issued) -> None:
    clock = FakeClock()
    keeper = TlsKeeper(tls_settings(node, authority.certificate), clock=clock)
    keeper.load()
    new = authority.issue("node")
    expected = new.fingerprint
    new.certificate.replace(node.certificate)
    clock.now += LOOK_SECONDS
    keeper.refresh()
    assert "does not fit" in keeper.fault
    new.key.replace(node.key)
    clock.now += LOOK_SECONDS
    keeper.refresh()
    assert keeper.fault == ""
    assert keeper.loaded is not None
    assert keeper.loaded.facts.sha256 == expected


def test_a_removed_file_leaves_the_old_certificate_in_use(authority: Authority, node: Issued) -> None:
    clock = FakeClock()
    keeper = TlsKeeper(tls_settings(node, authority.certificate), clock=clock)
    keeper.load()
    first = keeper.loaded
    node.key.unlink()
    clock.now += LOOK_SECONDS
    keeper.refresh()
    assert keeper.loaded is first
    assert keeper.fault.endswith("no such file")


def test_who_looks_at_the_same_time_does_not_wait(authority: Authority, node: Issued) -> None:
    keeper = TlsKeeper(tls_settings(node, authority.certificate))
    with keeper._looking:
        thread = threading.Thread(target=keeper.refresh)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
    assert keeper.loaded is None


def test_a_start_with_files_that_cannot_be_used_is_refused(authority: Authority, node: Issued) -> None:
    node.key.unlink()
    with pytest.raises(ConfigurationError, match="no such file"):
        TlsKeeper(tls_settings(node, authority.certificate)).load()


def test_a_receiver_started_again_without_a_usable_certificate_takes_it_when_it_comes(
    start, authority: Authority, node: Issued, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setattr(TlsKeeper, "load", TlsKeeper.refresh)  # as under a supervisor
    context = client_context(authority.certificate, authority.issue("pacs"))
    key = node.key.read_bytes()
    node.key.unlink()
    receiver = start(tls=tls_settings(node, authority.certificate))
    assert not is_answered(receiver.tls_port, context)
    assert "connections with TLS are refused" in caplog.text
    wait_until(lambda: 'event=connection_refused address=127.0.0.1 text="receive.tls.key' in caplog.text, "it is told")
    node.key.write_bytes(key)
    wait_until(lambda: is_answered(receiver.tls_port, context), "TLS is spoken")
