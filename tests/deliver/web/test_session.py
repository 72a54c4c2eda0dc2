"""What holds a session together: names of the libraries that it relies on, and the edge of its time."""

import socket
from types import SimpleNamespace

import certifi
import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool

from dcis_node.deliver.web import session
from dcis_node.deliver.web.address import WebAddress
from dcis_node.deliver.web.session import Deadline, WebSession


def test_the_seams_of_the_libraries_are_where_they_were():
    """A test fails when they move: without them nothing would be bounded, and nothing would say so."""
    assert callable(HTTPAdapter.get_connection_with_tls_context)
    assert callable(requests.Session.get_redirect_target)
    for pool in (HTTPConnectionPool, HTTPSConnectionPool):
        assert callable(pool.ConnectionCls.connect)


def test_a_connection_that_comes_after_the_time_is_cut_at_once():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        deadline = Deadline(0.0)
        deadline.over = True
        deadline.watch(ours)
        assert theirs.recv(1) == b""


def test_a_socket_that_is_closed_already_does_no_harm():
    ours, theirs = socket.socketpair()
    theirs.close()
    ours.close()
    deadline = Deadline(0.0)
    deadline.watch(ours)
    deadline.over = True
    deadline.watch(ours)


@pytest.mark.parametrize("there", [True, False])
def test_without_tls_ca_the_machine_says_whom_to_trust(monkeypatch, authority, tmp_path, there):
    store = authority.certificate if there else tmp_path / "none"
    monkeypatch.setattr(session, "DEBIAN_STORE", str(store))
    monkeypatch.setattr(session.ssl, "get_default_verify_paths", lambda: SimpleNamespace(cafile=None))
    with WebSession(WebAddress("https://pacs.example/dicom-web")) as found:
        assert found.verify == (str(store) if there else certifi.where())
