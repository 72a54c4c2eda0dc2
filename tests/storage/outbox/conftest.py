import shutil

import pytest

from storage.database import open_database, upgrade
from tests.storage.outbox.rows import make_report


@pytest.fixture(scope="module")
def empty_index(tmp_path_factory):
    file = tmp_path_factory.mktemp("empty") / "index.sqlite"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def db(empty_index, tmp_path):
    file = shutil.copy(empty_index, tmp_path)
    database = open_database(f"sqlite:///{file}")
    yield database
    database.close()


@pytest.fixture
def report_id(db):
    return make_report(db)
