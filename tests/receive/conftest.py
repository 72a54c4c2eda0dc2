import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dcis_node.config import ReceiveSettings
from dcis_node.receive.server import serve
from storage.database import Database, open_database, upgrade
from storage.files import FileStore
from tests.receive.helpers import AET, Receiver, listen

SHORT = {
    "acse_timeout_seconds": 5.0,
    "network_timeout_seconds": 5.0,
    "dimse_timeout_seconds": 5.0,
    "pdu_deadline_seconds": 5.0,
}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'index.sqlite'}"
    upgrade(url)
    database = open_database(url)
    yield database
    database.close()


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


@pytest.fixture
def start(db: Database, files: FileStore, caplog) -> Iterator[Callable[..., Receiver]]:
    """Start a receiver with settings changed; ended with the test."""
    caplog.set_level(logging.INFO, logger="dcis_node")
    caplog.set_level(logging.CRITICAL, logger="pynetdicom")
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
    listener = listen()
    stop = threading.Event()
    thread = threading.Thread(
        target=serve,
        args=(listener,),
        kwargs={
            "settings": settings,
            "aet": AET,
            "db": db,
            "files": files,
            "owner": owner,
            "merge_same_day": True,
            "stop": stop,
            "grace_seconds": grace,
        },
    )
    thread.start()
    try:
        yield Receiver(listener.getsockname()[1], db, files, stop, thread)
    finally:
        stop.set()
        thread.join(30)
        listener.close()
        assert not thread.is_alive()


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
