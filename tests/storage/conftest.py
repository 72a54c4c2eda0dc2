from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database, open_database, upgrade
from storage.files import FileStore
from tests.indexes import KINDS, fresh_database
from tests.storage.small_node import SmallNode, copied_node, small_node


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where an SQLite index is to be made."""
    return f"sqlite:///{tmp_path / 'index' / 'index.sqlite'}"


@pytest.fixture
def sqlite_db(url: str) -> Iterator[Database]:
    """An SQLite index, for what concerns it alone."""
    upgrade(url)
    database = open_database(url)
    yield database
    database.close()


@pytest.fixture(params=KINDS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with fresh_database(request, tmp_path, request.param) as database:
        yield database


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small node that nobody has open: to be copied."""
    made = small_node(tmp_path_factory.mktemp("small") / "data")
    made.db.close()
    return made.root


@pytest.fixture
def node(template: Path, tmp_path: Path) -> Iterator[SmallNode]:
    made = copied_node(template, tmp_path / "data")
    yield made
    made.db.close()
