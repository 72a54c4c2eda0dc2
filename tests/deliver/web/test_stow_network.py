"""STOW-RS where nobody answers, or not in time, or not to the end."""

import socket
import threading

import pytest

from dcis_node.bcp195 import ClientTls
from dcis_node.deliver import policy
from dcis_node.deliver.outcome import Failure
from dcis_node.deliver.policy import Action
from dcis_node.deliver.web.address import WebAddress
from dcis_node.deliver.web.stow import stow_files
from tests.deliver.web.peer import Reply, WebPeer, cut, reset, web_at
from tests.peers import black_hole, free_port


def half(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    handler.wfile.flush()
    cut(handler)


@pytest.mark.parametrize("act", [cut, reset, half])
def test_a_connection_cut_before_the_answer_leaves_it_unknown(outgoing, act):
    with WebPeer(lambda _: Reply(act=act)) as peer:
        (sent,) = stow_files(outgoing(), peer.address())
    assert sent.failure is Failure.CUT_OFF
    assert policy.judge(sent, peer.address()).action is Action.RETRY
    assert "ended the connection before it answered" in policy.judge(sent, peer.address()).text


def test_silence_after_the_request_ends_in_time(outgoing):
    over = threading.Event()
    with WebPeer(lambda _: Reply(act=lambda _: over.wait(30))) as peer:
        (sent,) = stow_files(outgoing(), peer.address(timeout_seconds=0.3))
        over.set()
    assert sent.failure is Failure.NO_ANSWER


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"]
)
@pytest.mark.parametrize("encrypted", [False, True])
def test_an_answer_that_drips_for_ever_is_cut(outgoing, authority, start, encrypted):
    over = threading.Event()

    def drip(handler):
        handler.wfile.write(start)
        while not over.wait(0.1):
            handler.wfile.write(b" ")

    tls = {"tls": ClientTls(str(authority.certificate))} if encrypted else {}
    with WebPeer(lambda _: Reply(act=drip), certificate=authority.issue("pacs") if encrypted else None) as peer:
        (sent,) = stow_files(outgoing(), peer.address(timeout_seconds=0.5, **tls))
        over.set()
    assert sent.failure is Failure.NO_ANSWER


def test_a_service_that_reads_no_request_does_not_hold_the_courier(outgoing):
    items = outgoing(size_bytes=8_000_000)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        (sent,) = stow_files(items, web_at(server.getsockname()[1], timeout_seconds=0.3))
    assert sent.failure in {Failure.NO_ANSWER, Failure.CUT_OFF}


def test_nobody_there(outgoing):
    (sent,) = stow_files(outgoing(), web_at(free_port()))
    assert (sent.failure, sent.detail) == (Failure.NO_CONNECTION, "Connection refused")


def test_no_such_host(outgoing):
    (sent,) = stow_files(outgoing(), WebAddress("http://no-such-host.invalid/dicom-web"))
    assert sent.failure is Failure.NO_CONNECTION


def test_a_black_hole_takes_no_longer_than_the_timeout(outgoing):
    with black_hole() as port:
        (sent,) = stow_files(outgoing(), web_at(port, timeout_seconds=0.3))
    assert sent.failure in {Failure.NO_ANSWER, Failure.CONNECT_TIMEOUT}
