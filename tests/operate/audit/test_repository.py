"""A batch counts as taken when the server has read it, and in no other case."""

import ssl

import pytest

from dcis_node.config import configuration_from
from dcis_node.errors import DeliveryError
from dcis_node.operate.audit import repository as module
from dcis_node.operate.audit.repository import Repository, repository_of, send_batch
from tests.certificates import Authority
from tests.peers import free_port, wait_until
from tests.syslog_server import read_one_and_close, read_one_and_reset, say_nothing, syslog_server, tls_context

LINES = [b"<85>1 - one", "<85>1 - zwölf".encode()]
# More than the buffers of both ends hold, so that a server which stops reading is noticed.
MANY = [b"x" * 20000] * 1000


def on(server, **more):
    return Repository("127.0.0.1", server.port, **more)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def server_tls(authority):
    return authority.issue("repository")


def test_messages_arrive_framed_and_in_order():
    with syslog_server() as server:
        send_batch(on(server), LINES)
        assert server.messages == LINES


def test_without_messages_it_is_a_try():
    with syslog_server() as server:
        send_batch(on(server), [])
    assert server.connections == 1
    assert server.messages == []


@pytest.mark.parametrize("lines", [LINES, MANY], ids=["few", "many"])
@pytest.mark.parametrize("serve", [read_one_and_close, read_one_and_reset])
def test_a_server_that_ends_before_it_has_read_all_has_not_taken_them(serve, lines):
    with syslog_server(serve=serve) as server, pytest.raises(DeliveryError, match="audit repository tcp://127"):
        send_batch(on(server), lines)


class AfterItsEnd(list):
    """Messages of which the second is sent when the server has ended, and the sender's kernel knows it."""

    def __init__(self, server):
        super().__init__(LINES)
        self._server = server

    def __iter__(self):
        yield self[0]
        wait_until(lambda: self._server.ended, "the server has ended")
        yield self[1]


def test_what_is_sent_after_the_server_has_ended_is_not_taken_although_its_end_is_there():
    with (
        syslog_server(serve=read_one_and_close) as server,
        pytest.raises(DeliveryError, match=r"Broken pipe|reset|not connected"),
    ):
        send_batch(on(server), AfterItsEnd(server))


def test_a_server_that_never_ends_has_not_taken_them(monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.3)
    with syslog_server(serve=say_nothing) as server, pytest.raises(DeliveryError, match="in time"):
        send_batch(on(server), LINES)


def test_a_batch_that_takes_too_long_is_given_up(monkeypatch):
    monkeypatch.setattr(module, "BATCH_SECONDS", 0.0)
    with syslog_server() as server, pytest.raises(DeliveryError, match="in time"):
        send_batch(on(server), LINES)


def test_nobody_there_is_said_in_words():
    with pytest.raises(DeliveryError, match="Connection refused"):
        send_batch(Repository("127.0.0.1", free_port()), LINES)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_by_tls_messages_arrive_from_a_sender_with_a_certificate(authority, server_tls, version):
    ours = authority.issue("node")
    context = tls_context(server_tls.certificate, server_tls.key, peer_ca=authority.certificate)
    context.minimum_version = context.maximum_version = version
    with syslog_server(tls=context) as server:
        send_batch(
            on(
                server,
                tls=True,
                ca=str(authority.certificate),
                certificate=str(ours.certificate),
                key=str(ours.key),
            ),
            LINES,
        )
        assert server.messages == LINES


def test_by_tls_a_server_that_ends_early_has_not_taken_them(authority, server_tls):
    context = tls_context(server_tls.certificate, server_tls.key)
    with (
        syslog_server(tls=context, serve=read_one_and_close) as server,
        pytest.raises(DeliveryError, match="audit repository tls://127"),
    ):
        send_batch(on(server, tls=True, ca=str(authority.certificate)), MANY)


def test_a_server_that_wants_a_certificate_and_gets_none_takes_nothing(authority, server_tls):
    context = tls_context(server_tls.certificate, server_tls.key, peer_ca=authority.certificate)
    with syslog_server(tls=context) as server:
        with pytest.raises(DeliveryError, match="audit repository"):
            send_batch(on(server, tls=True, ca=str(authority.certificate)), LINES)
        assert server.messages == []


def test_a_server_of_another_authority_or_name_gets_nothing(authority, server_tls, tmp_path):
    other = Authority(tmp_path / "other", "Other CA")
    named = authority.issue("elsewhere", dns=("elsewhere",))
    with syslog_server(tls=tls_context(server_tls.certificate, server_tls.key)) as server:
        with pytest.raises(DeliveryError, match="certificate does not count"):
            send_batch(on(server, tls=True, ca=str(other.certificate)), LINES)
        assert server.messages == []
    with (
        syslog_server(tls=tls_context(named.certificate, named.key)) as server,
        pytest.raises(DeliveryError, match="certificate does not count"),
    ):
        send_batch(Repository("localhost", server.port, tls=True, ca=str(authority.certificate)), LINES)


def test_a_server_without_tls_gets_nothing_by_tls(authority, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.3)
    with syslog_server(serve=say_nothing) as server, pytest.raises(DeliveryError, match="in time"):
        send_batch(on(server, tls=True, ca=str(authority.certificate)), LINES)


def test_settings_that_cannot_be_used_are_said_in_words():
    with pytest.raises(DeliveryError, match="No such file"):
        send_batch(Repository("127.0.0.1", 1, tls=True, ca="/nowhere/ca.pem"), LINES)


def test_the_settings_name_host_port_and_files(tmp_path):
    settings = {"audit": {"repository": "tls://[::1]:6514", "ca": "ca.pem"}}
    configuration = configuration_from(settings, tmp_path / "config.toml")
    found = repository_of(configuration.audit, tmp_path)
    assert found == Repository("::1", 6514, tls=True, ca=str(tmp_path / "ca.pem"))
    assert repository_of(configuration_from({}, tmp_path / "config.toml").audit, tmp_path) is None
