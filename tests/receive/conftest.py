import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dcis_node.config import ReceiveSettings
from dcis_node.receive.server import serve
from dcis_node.receive.tls import TlsKeeper
from storage.database import Database
from storage.files import FileStore
from tests.indexes import KINDS, fresh_database
from tests.receive.helpers import AET, Receiver, listen

SHORT = {
    "acse_timeout_seconds": 5.0,
    "network_timeout_seconds": 5.0,
    "dimse_timeout_seconds": 5.0,
    "pdu_deadline_seconds": 5.0,
}


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request, tmp_path, request.param) as database:
        yield database


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


@pytest.fixture
def start(db: Database, files: FileStore, caplog) -> Iterator[Callable[..., Receiver]]:
    """Start a receiver with settings changed; ended with the test."""
    caplog.set_level(logging.CRITICAL, logger="pynetdicom")  # as operate.logs has it
    caplog.set_level(logging.INFO, logger="dcis_node")
    running: list[contextmanager] = []

    def start_one(*, grace_seconds: float = 1.0, owner: str = "receive-1", **settings: object) -> Receiver:
        context = _running(db, files, ReceiveSettings(**{**SHORT, **settings}), grace_seconds, owner)
        receiver = context.__enter__()
        running.append(context)
        return receiver

    yield start_one
    for context in running:
        context.__exit__(None, None, None)


@contextmanager
def _running(db: Database, files: FileStore, settings: ReceiveSettings, grace: float, owner: str) -> Iterator[Receiver]:
    listener = listen() if settings.plain else None
    tls_listener = listen() if settings.tls.certificate else None
    keeper = TlsKeeper(settings.tls) if tls_listener else None
    if keeper:
        keeper.load()
    stop = threading.Event()
    told: list = []
    thread = threading.Thread(
        target=serve,
        args=(listener,),
        kwargs={
            "tls_listener": tls_listener,
            "tls": keeper,
            "settings": settings,
            "aet": AET,
            "db": db,
            "files": files,
            "owner": owner,
            "merge_same_day": True,
            "stop": stop,
            "grace_seconds": grace,
            "notify": told.append,
        },
    )
    thread.start()
    try:
        yield Receiver(_port(listener), db, files, stop, thread, _port(tls_listener), told)
    finally:
        stop.set()
        thread.join(30)
        for listening in (listener, tls_listener):
            if listening is not None:
                listening.close()
        assert not thread.is_alive()


def _port(listener: socket.socket | None) -> int:
    return listener.getsockname()[1] if listener else 0


@pytest.fixture
def receiver(start: Callable[..., Receiver]) -> Receiver:
    return start()


@pytest.fixture
def no_part_stays(files: FileStore) -> Iterator[None]:
    yield
    assert list(files.incoming.iterdir()) == []


@pytest.fixture
def connected(receiver: Receiver) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=20) as connection:
        yield connection
