from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database, open_database, upgrade


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'index' / 'index.sqlite'}"


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    upgrade(url)
    database = open_database(url)
    yield database
    database.close()
