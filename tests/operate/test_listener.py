"""Where the node listens: without TLS, with it, with both."""

import os
import socket

import pytest

from dcis_node.config import ReceiveSettings, TlsSettings
from dcis_node.errors import ConfigurationError
from dcis_node.operate.listener import address_of, bind_listeners, inherited, place_of

TLS = TlsSettings(port=0, certificate="node.crt", key="node.key", peer_ca="ca.crt")


def test_without_a_certificate_there_is_the_plain_listener_only():
    listeners = bind_listeners(ReceiveSettings(port=0))
    assert listeners.tls is None
    assert place_of(listeners.plain).startswith("127.0.0.1:")
    assert place_of(listeners.tls) == ""
    listeners.close()


def test_both_listeners_accept_connections():
    listeners = bind_listeners(ReceiveSettings(port=0, tls=TLS))
    for listener in (listeners.plain, listeners.tls):
        socket.create_connection(address_of(listener)).close()
        assert os.get_inheritable(listener.fileno())
    listeners.close()


def test_the_plain_listener_can_be_left_out():
    listeners = bind_listeners(ReceiveSettings(plain=False, tls=TLS))
    assert listeners.plain is None
    assert listeners.tls is not None
    listeners.close()


def test_a_port_that_is_taken_is_named_and_nothing_stays_bound():
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as probe:
        port, free = taken.getsockname()[1], probe.getsockname()[1]
        probe.close()
        settings = ReceiveSettings(port=free, tls=TLS.model_copy(update={"port": port}))
        with pytest.raises(ConfigurationError, match=f"receive.tls.port = {port}: Address already in use"):
            bind_listeners(settings)
        socket.create_server(("127.0.0.1", free)).close()


def test_a_host_that_is_unknown_is_named():
    with pytest.raises(ConfigurationError, match=r"receive\.host = 'host\.invalid', receive\.port = 104"):
        bind_listeners(ReceiveSettings(host="host.invalid", port=104, peers=({"aet": "A"},)))


def test_what_a_supervisor_hands_on_is_taken_by_its_descriptors():
    listeners = bind_listeners(ReceiveSettings(port=0, tls=TLS))
    numbers = [os.dup(listener.fileno()) for listener in (listeners.plain, listeners.tls)]
    taken = inherited(*numbers)
    assert place_of(taken.plain) == place_of(listeners.plain)
    assert place_of(taken.tls) == place_of(listeners.tls)
    assert inherited(None, None).plain is None
    taken.close()
    listeners.close()
