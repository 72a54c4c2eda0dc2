"""What is wrong with the index is told apart from what is wrong with what it was asked."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from dcis_node.errors import DamagedIndexError, StorageError, UnusableIndexError
from storage import engines
from storage.database import open_database
from storage.schema import Patient
from tests.indexes import KINDS, POSTGRESQL, fresh_database


@pytest.fixture(params=KINDS)
def db(request, tmp_path):
    with fresh_database(request, tmp_path, request.param) as database:
        yield database


@pytest.fixture
def file(empty_index, tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_SECONDS", 0.05)
    path = tmp_path / "index.sqlite"
    path.write_bytes(empty_index.read_bytes())
    return path


@pytest.fixture
def sqlite_db(file):
    database = open_database(f"sqlite:///{file}")
    yield database
    database.close()


def add_patient(db, number=1):
    with db.write() as session:
        session.add(Patient(patient_id=str(number), issuer=""))


def refused(db, statement):
    with pytest.raises(StorageError) as raised, db.write() as session:
        session.execute(text(statement))
    return raised.value


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO patient (id, patient_id, issuer) VALUES (1, 'CANARY', ''), (1, 'OTHER', '')",
        "INSERT INTO instance (exam_id) VALUES (17)",
        "INSERT INTO patient (patient_id) VALUES (NULL)",
        "SELECT * FROM no_such_table",
        "this is no SQL",
    ],
)
def test_a_statement_that_is_refused_is_no_fault_of_the_index(db, statement):
    error = refused(db, statement)
    assert not isinstance(error, UnusableIndexError)
    assert "CANARY" not in str(error)


def test_a_value_that_cannot_be_bound_is_none_either(sqlite_db):
    with pytest.raises(StorageError) as raised, sqlite_db.write() as session:
        session.execute(text("SELECT :value"), {"value": object()})
    assert not isinstance(raised.value, UnusableIndexError)


@pytest.mark.peer
def test_a_text_that_postgresql_cannot_keep_is_none_either(postgresql, request, tmp_path):
    with fresh_database(request, tmp_path, POSTGRESQL) as database, pytest.raises(StorageError) as raised:
        add_patient(database, "CANARY\0")
    assert not isinstance(raised.value, UnusableIndexError)
    assert "CANARY" not in str(raised.value)


def test_an_index_that_somebody_holds_is_unusable(sqlite_db, file):
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    for _ in range(2):
        with pytest.raises(UnusableIndexError, match="SQLITE_BUSY"):
            add_patient(sqlite_db)
    with pytest.raises(UnusableIndexError, match="SQLITE_BUSY"):
        open_database(sqlite_db.url)
    holder.close()
    add_patient(sqlite_db)


def test_an_index_without_room_is_unusable(sqlite_db):
    with sqlite_db.write() as session:
        session.execute(text("PRAGMA max_page_count = 1"))
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) SELECT i, '' FROM n"
    error = refused(sqlite_db, f"INSERT INTO patient (patient_id, issuer) {many}")
    assert isinstance(error, UnusableIndexError)
    assert "SQLITE_FULL" in str(error)


def test_an_index_that_is_damaged_says_how_it_is_healed_and_is_not_waited_for(file: Path):
    damaged = file.read_bytes()
    file.write_bytes(damaged[:4096] + b"x" * (len(damaged) - 4096))
    database = engines.write_engine(f"sqlite:///{file}")
    with pytest.raises(Exception, match="malformed") as raised, database.connect() as connection:
        connection.execute(text("SELECT * FROM patient"))
    database.dispose()
    error = engines.told(raised.value)
    assert isinstance(error, DamagedIndexError)
    assert not isinstance(error, UnusableIndexError)
    assert "dcis-node restore latest" in str(error)
