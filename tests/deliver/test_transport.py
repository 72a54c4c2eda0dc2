import inspect
import socket
from pathlib import Path

import pytest
from pynetdicom import AE
from pynetdicom.acse import ACSE
from pynetdicom.transport import AssociationSocket

from dcis_node.deliver import sender
from dcis_node.deliver.outcome import Failure
from dcis_node.deliver.sender import PeerAddress, send_files
from dcis_node.requestor import Rejection
from tests.deliver.helpers import address
from tests.peers import StoragePeer, black_hole, free_port, rejecting_peer, resetting_peer, wait_until


def test_nobody_listening_is_told_with_the_reason_of_the_system(outgoing):
    outcomes = list(send_files(outgoing(2), address(free_port())))
    assert [(sent.failure, sent.detail) for sent in outcomes] == [(Failure.NO_CONNECTION, "Connection refused")] * 2


def test_a_host_name_that_does_not_resolve_is_no_connection(outgoing):
    (sent,) = send_files(outgoing(), PeerAddress("no-such-host.invalid", 104, "PACS"))
    assert sent.failure is Failure.NO_CONNECTION
    assert sent.detail


def test_a_host_that_drops_packets_is_told_apart_from_one_that_refuses(outgoing):
    # A listener whose backlog is full drops the first packet of a connection, as a firewall does.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        with socket.socket() as first, socket.socket() as second:
            for filler in (first, second):
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            (sent,) = send_files(outgoing(), address(port, timeout_seconds=0.3))
    assert sent.failure is Failure.CONNECT_TIMEOUT


def test_a_peer_that_accepts_a_connection_and_says_nothing_is_left_in_time(outgoing):
    with black_hole() as port:
        (sent,) = send_files(outgoing(), address(port, timeout_seconds=0.3))
    assert (sent.failure, sent.detail) == (Failure.NO_ASSOCIATION, "silence for 0.3 s")


def test_a_peer_that_resets_connections_is_told(outgoing):
    with resetting_peer() as port:
        (sent,) = send_files(outgoing(), address(port))
    assert (sent.failure, sent.detail) == (Failure.NO_ASSOCIATION, "it hung up")


@pytest.mark.parametrize("numbers", [(1, 1, 3), (1, 1, 7), (2, 3, 1), (2, 3, 2), (1, 1, 1)])
def test_a_rejection_is_reported_with_its_result_source_and_reason(outgoing, numbers):
    with rejecting_peer(*numbers) as port:
        outcomes = list(send_files(outgoing(2), address(port)))
    assert {(sent.failure, sent.rejection) for sent in outcomes} == {(Failure.REJECTED, Rejection(*numbers))}


def test_a_rejection_is_seen_even_if_the_connection_is_closed_before_we_look(outgoing, monkeypatch):
    request = ACSE.send_request

    def request_and_look_late(self):
        request(self)
        wrapped = self.assoc.dul.socket
        wait_until(lambda: wrapped._ready.is_set() and not wrapped._is_connected, "the peer has rejected us")

    monkeypatch.setattr(ACSE, "send_request", request_and_look_late)
    with rejecting_peer(1, 1, 7) as port:
        (sent,) = send_files(outgoing(), address(port))
    assert sent.rejection == Rejection(1, 1, 7)


def test_a_peer_rejects_a_wrong_called_or_calling_ae_title(outgoing):
    items = outgoing()
    with StoragePeer(aet="OTHER", require_called_aet=True) as peer:
        (called,) = send_files(items, address(peer.port))
    with StoragePeer(require_calling_aet=["SOMEONE"]) as peer:
        (calling,) = send_files(items, address(peer.port))
    assert called.rejection == Rejection(1, 1, 7)
    assert calling.rejection == Rejection(1, 1, 3)


def test_the_connection_has_no_delay_a_keepalive_and_a_limit_on_every_read_and_write(outgoing, monkeypatch):
    seen = []
    original = sender.Association.send_c_store

    def look(self, *arguments, **named):
        wrapped = self.dul.socket.socket
        seen.append(
            (
                wrapped.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0,
                wrapped.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0,
                wrapped.gettimeout(),
            )
        )
        return original(self, *arguments, **named)

    monkeypatch.setattr(sender.Association, "send_c_store", look)
    with StoragePeer() as peer:
        list(send_files(outgoing(), address(peer.port, timeout_seconds=4)))
    assert seen == [(True, True, 4)]


def _open_files():
    return {(file.name, str(file.readlink())) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()}


def test_no_connection_is_left_open_whatever_happened(outgoing):
    items = outgoing(2)
    before = _open_files()
    with StoragePeer(statuses=[None]) as peer:
        list(send_files(items, address(peer.port)))
    list(send_files(items, address(free_port())))
    with resetting_peer() as port:
        list(send_files(items, address(port)))
    with black_hole() as port:
        list(send_files(items, address(port, timeout_seconds=0.2)))
    assert _open_files() <= before


def test_the_private_names_of_pynetdicom_that_sending_leans_on_are_still_there():
    assert "_shutdown_socket" in inspect.getsource(AssociationSocket.connect)
    assert "self._create_socket(" in inspect.getsource(AE.associate)
    assert list(inspect.signature(AE._create_socket).parameters) == ["self", "assoc", "address", "tls_args"]
