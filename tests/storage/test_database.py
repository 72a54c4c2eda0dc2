import os
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from dcis_node.errors import SchemaError, StorageError, UnsafeLocationError
from storage import engines
from storage.database import Database, open_database, upgrade
from storage.schema import Patient


def patients(db: Database) -> list[str]:
    with db.read() as session:
        return list(session.scalars(select(Patient.patient_id).order_by(Patient.id)))


def test_what_a_write_added_is_read_by_another_opener(sqlite_db: Database, url: str) -> None:
    with sqlite_db.write() as session:
        session.add(Patient(patient_id="1", issuer=""))

    other = open_database(url)
    assert patients(other) == ["1"]
    other.close()


def test_objects_stay_readable_after_the_commit(db: Database) -> None:
    with db.write() as session:
        patient = Patient(patient_id="1", issuer="A")
        session.add(patient)

    assert (patient.issuer, patient.id) == ("A", 1)


def test_an_error_inside_a_write_undoes_it_all(db: Database) -> None:
    def add_and_fail() -> None:
        with db.write() as session:
            session.add(Patient(patient_id="1", issuer=""))
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        add_and_fail()

    assert patients(db) == []


def test_a_reader_cannot_write(sqlite_db: Database) -> None:
    with pytest.raises(StorageError, match="SQLITE_READONLY"), sqlite_db.read() as session:
        session.execute(text("INSERT INTO patient (patient_id, issuer) VALUES ('1', '')"))


def test_a_refused_value_does_not_stand_in_the_error(sqlite_db: Database) -> None:
    with sqlite_db.write() as session:
        session.add(Patient(patient_id="CANARY-17", issuer=""))

    with pytest.raises(StorageError) as caught, sqlite_db.write() as session:
        session.add(Patient(patient_id="CANARY-17", issuer=""))

    assert "SQLITE_CONSTRAINT_UNIQUE" in str(caught.value)
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_row_that_points_nowhere_is_refused(sqlite_db: Database) -> None:
    with pytest.raises(StorageError, match="FOREIGNKEY"), sqlite_db.write() as session:
        session.execute(text("INSERT INTO study (study_instance_uid, exam_id) VALUES ('1.2', 99)"))


def test_a_write_holds_the_lock_from_its_first_statement(sqlite_db: Database, url: str) -> None:
    with sqlite_db.write() as session:
        session.execute(select(Patient))
        with sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0) as other:
            other.isolation_level = None
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        other.close()


def test_commits_reach_the_disk_and_strangers_schemas_run_nothing(sqlite_db: Database) -> None:
    wanted = {"synchronous": 2, "foreign_keys": 1, "trusted_schema": 0, "busy_timeout": 10000}
    for opened in (sqlite_db.read, sqlite_db.write):
        with opened() as session:
            found = {name: session.execute(text(f"PRAGMA {name}")).scalar() for name in wanted}
            mode = session.execute(text("PRAGMA journal_mode")).scalar()
        assert found == wanted
        assert str(mode).upper() == engines.journal_mode()


@pytest.mark.parametrize(
    ("version", "mode"), [((3, 40, 1), "TRUNCATE"), ((3, 51, 2), "TRUNCATE"), ((3, 51, 3), "WAL"), ((4, 0, 0), "WAL")]
)
def test_wal_is_used_only_where_its_corruption_bug_is_fixed(version: tuple[int, ...], mode: str) -> None:
    assert engines.journal_mode(version) == mode


def test_writers_of_many_threads_all_get_their_turn(db: Database) -> None:
    def add(number: int) -> None:
        with db.write() as session:
            session.add(Patient(patient_id=str(number), issuer=""))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(patients(db)) == 20


def test_a_writer_that_waits_in_vain_is_told_so(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_connection(*_: object) -> None:
        raise PoolTimeoutError

    monkeypatch.setattr(db._writers.pool, "connect", no_connection)
    with pytest.raises(StorageError, match="busy"), db.write() as session:
        session.execute(select(Patient))


def test_an_index_that_crossed_a_fork_is_refused(db: Database) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            with db.read() as session:
                session.execute(select(Patient))
        except StorageError:
            os._exit(7)
        os._exit(0)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_another_process_is_known_by_its_number(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.database.os.getpid", lambda: -1)
    with pytest.raises(StorageError, match="before a fork"), db.write():
        pass


def test_index_and_folder_are_for_this_user_only(sqlite_db: Database, url: str) -> None:
    file = Path(url.removeprefix("sqlite:///"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true"])
def test_an_index_that_is_no_file_is_refused(url: str) -> None:
    with pytest.raises(StorageError, match="needs a file"):
        open_database(url)


def test_an_index_where_nothing_can_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be opened"):
        upgrade(f"sqlite:///{tmp_path / 'file' / 'index.sqlite'}")


def test_an_index_without_schema_is_not_opened(url: str) -> None:
    engines.prepare_location(url)
    with pytest.raises(SchemaError, match="no schema yet"):
        open_database(url)


def test_looking_at_an_index_that_is_not_there_yet_creates_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with pytest.raises(SchemaError, match="start the node once"):
        open_database(f"sqlite:///{folder / 'index.sqlite'}")
    assert not folder.exists()


def test_an_index_of_another_schema_is_not_opened(sqlite_db: Database, url: str) -> None:
    with sqlite_db.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(SchemaError, match="9999"):
        open_database(url)


def test_a_file_that_is_no_index_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"not a database, but long enough to be read as one" * 50)
    url = f"sqlite:///{tmp_path / 'index.sqlite'}"
    with pytest.raises(StorageError):
        upgrade(url)
    with pytest.raises(SchemaError):
        open_database(url)


def test_an_index_on_a_network_file_system_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise UnsafeLocationError

    monkeypatch.setattr(engines, "check_location", refuse)
    for call in (upgrade, open_database):
        with pytest.raises(UnsafeLocationError):
            call(url)
