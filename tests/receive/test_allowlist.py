"""Who is not allowed is refused before a byte of a data set, on real connections; who is allowed gets through."""

import socket
import ssl
from collections.abc import Callable
from contextlib import closing, suppress

import pytest

from dcis_node.config import Peer
from dcis_node.receive import acceptor as acceptor_module
from dcis_node.receive.store import InstanceStore
from tests.certificates import Authority, Issued
from tests.peers import wait_until
from tests.receive.helpers import Receiver
from tests.receive.tls_peers import client_context, tls_settings
from tests.receive.wire import ACCEPTED, COMMAND, DATA, LAST, REJECTED, fragment, read_pdu, request_pdu, store_command

HERE, ELSEWHERE, NOWHERE = "127.0.0.1", "127.0.0.2", "127.0.0.3"
STORE = fragment(COMMAND | LAST, store_command()) + fragment(DATA, bytes(1000))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def shown(authority: Authority) -> dict[str, Issued]:
    return {name: authority.issue(name) for name in ("node", "pacs", "gate")}


@pytest.fixture
def sinks(monkeypatch) -> list[object]:
    """What data sets have begun."""
    made: list[object] = []
    new_sink = InstanceStore.new_sink

    def noted(*args: object, **named: object) -> object:
        made.append(new_sink(*args, **named))
        return made[-1]

    monkeypatch.setattr(InstanceStore, "new_sink", noted)
    return made


@pytest.fixture
def receiver(start: Callable[..., Receiver], shown: dict[str, Issued], authority: Authority) -> Receiver:
    return start(
        tls=tls_settings(shown["node"], authority.certificate, require_peer_certificate=False),
        peers=(
            Peer(aet="PACS", addresses=(f"{HERE}/32",)),
            Peer(aet="GATE", addresses=(f"{HERE}/32",), certificates=(shown["gate"].fingerprint,)),
            Peer(aet="FAR", addresses=(f"{ELSEWHERE}/32",)),
        ),
    )


@pytest.fixture
def ask(receiver: Receiver, shown: dict[str, Issued], authority: Authority) -> Callable[..., tuple[int, bytes]]:
    """Ask for an association, and send a data set whatever the answer is; gives the answer."""

    def asked(*, called: str, calling: str, source: str, certificate: str | None) -> tuple[int, bytes]:
        port = receiver.port if certificate is None else receiver.tls_port
        connection = socket.create_connection((HERE, port), timeout=20, source_address=(source, 0))
        if certificate is not None:
            context = client_context(authority.certificate, shown.get(certificate))
            connection = context.wrap_socket(connection, server_hostname="localhost")
        with closing(connection):
            try:
                connection.sendall(request_pdu(called, calling))
                answer = read_pdu(connection)
            except (ConnectionError, ssl.SSLError):
                answer = 0, b""
            with suppress(OSError):
                connection.sendall(STORE)
                while answer[0] != ACCEPTED and read_pdu(connection)[0]:
                    pass
            return answer

    return asked


def who(**changes: object) -> dict[str, object]:
    return {"called": "NODE", "calling": "PACS", "source": HERE, "certificate": None, **changes}


@pytest.mark.parametrize(
    ("asking", "answer", "rule"),
    [
        (who(called="OTHER"), (1, 1, 7), "called_aet"),
        (who(called="node"), (1, 1, 7), "called_aet"),
        (who(calling="STRANGER"), (1, 1, 3), "calling_aet"),
        (who(calling="pacs"), (1, 1, 3), "calling_aet"),
        (who(calling="FAR"), (1, 1, 1), "address"),
        (who(source=ELSEWHERE), (1, 1, 1), "address"),
        (who(calling="GATE"), (1, 1, 1), "certificate"),
        (who(calling="GATE", certificate=""), (1, 1, 1), "certificate"),
        (who(calling="GATE", certificate="pacs"), (1, 1, 1), "certificate"),
        (who(calling="PACS", certificate="gate"), (1, 1, 1), "certificate"),
        (who(calling="PACS", certificate="gate", called="OTHER"), (1, 1, 7), "called_aet"),
    ],
)
def test_who_is_not_allowed_is_rejected_before_a_data_set_begins(
    ask, sinks, caplog, asking: dict, answer: tuple[int, int, int], rule: str
) -> None:
    assert ask(**asking) == (REJECTED, bytes((0, *answer)))
    assert sinks == []
    (line,) = (line for line in caplog.messages if "event=association_refused" in line)
    assert f"address={asking['source']} rule={rule} text=" in line


def test_an_address_of_nobody_gets_no_answer_at_all(ask, sinks, caplog) -> None:
    assert ask(**who(source=NOWHERE)) == (0, b"")
    assert sinks == []
    assert f"event=connection_refused address={NOWHERE}" in caplog.text


@pytest.mark.parametrize(
    "asking",
    [who(), who(calling="GATE", certificate="gate"), who(calling="FAR", source=ELSEWHERE), who(certificate="")],
)
def test_who_is_allowed_gets_through(ask, sinks, asking: dict) -> None:
    assert ask(**asking)[0] == ACCEPTED  # or the tests above could not fail
    wait_until(lambda: len(sinks) == 1, "the data set begins")


def test_a_request_that_cannot_be_judged_is_refused(ask, sinks, monkeypatch, caplog) -> None:
    monkeypatch.setattr(acceptor_module, "judge_association", lambda *_args, **_named: 1 / 0)
    assert ask(**who()) == (REJECTED, bytes((0, 2, 3, 1)))
    assert sinks == []
    assert "event=admission_failed error=ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"max_associations": 1}, "1 associations are open, receive.max_associations is 1"),
        ({"max_associations_per_aet": 1}, "1 associations with 'PACS' are open, receive.max_associations_per_aet is 1"),
        (
            {"max_associations_per_address": 1},
            f"1 associations from {HERE} are open, receive.max_associations_per_address is 1",
        ),
    ],
)
def test_over_each_limit_is_refused_until_a_place_is_free(start, caplog, limits: dict, text: str) -> None:
    port = start(**limits).port
    with connected(port) as held, connected(port) as late:
        held.sendall(request_pdu())
        assert read_pdu(held)[0] == ACCEPTED
        late.sendall(request_pdu())
        assert read_pdu(late) == (REJECTED, bytes((0, 2, 3, 2)))
        assert text in caplog.text
    wait_until(lambda: is_taken(port), "the place is free")


def connected(port: int) -> socket.socket:
    return socket.create_connection((HERE, port), timeout=20)


def is_taken(port: int) -> bool:
    with connected(port) as connection:
        connection.sendall(request_pdu())
        return read_pdu(connection)[0] == ACCEPTED
