"""A node that only receives, with an index to ask for."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dcis_node.config import ReceiveSettings
from dcis_node.receive.server import serve
from storage.database import Database
from storage.files import FileStore
from tests.indexes import KINDS, fresh_database
from tests.retrieve.helpers import Node


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request, tmp_path, request.param) as database:
        yield database


@pytest.fixture
def node(db: Database, tmp_path: Path, caplog) -> Node:
    """A node that does not listen."""
    caplog.set_level(logging.CRITICAL, logger="pynetdicom")  # as operate.logs has it
    caplog.set_level(logging.INFO, logger="dcis_node")
    return Node(db, FileStore(tmp_path / "store"))


@pytest.fixture
def listening(node: Node) -> Iterator[Node]:
    """A node that listens; its receiver goes by the machine's clock, so the questions do too."""
    node.clock.now = time.time()
    with _listening(node) as port:
        node.port = port
        yield node


@contextmanager
def _listening(node: Node) -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        stop = threading.Event()
        arguments = {
            "settings": ReceiveSettings(),
            "aet": "NODE",
            "db": node.db,
            "files": node.files,
            "owner": "receive-0@test",
            "merge_same_day": True,
            "stop": stop,
            "grace_seconds": 1.0,
        }
        thread = threading.Thread(target=serve, args=(listener,), kwargs=arguments)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, object], None]:
    """Replace something for the test."""
    return monkeypatch.setattr
