"""What PostgreSQL has to do for an index that was written for the lock of SQLite."""

import multiprocessing
import socket
import sys
import threading

import pg8000
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, func, inspect, select, text
from sqlalchemy.orm import Session

import storage.postgresql
from dcis_node.errors import SchemaError, StorageError, UnusableIndexError
from dcis_node.operate.children import SILENT_SECONDS_OTHERS
from storage import engines, migrate
from storage.database import Database, open_database, upgrade
from storage.schema import Base, Patient
from tests.certificates import Authority
from tests.peers import black_hole

pytestmark = pytest.mark.peer


@pytest.fixture
def url(postgresql):
    """A database without anything in it."""
    with postgresql.database() as made:
        yield made


@pytest.fixture
def db(url):
    upgrade(url)
    database = open_database(url)
    yield database
    database.close()


def patients(db: Database) -> int:
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(Patient))


def add_patient(db: Database, number: object = 1) -> None:
    with db.write() as session:
        session.add(Patient(patient_id=str(number), issuer=""))


def test_the_migrations_give_the_schema_of_the_models(db):
    with db.read() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        # Of the partial indexes the models name SQLite's condition only (see `storage.schema`).
        assert compare_metadata(context, Base.metadata) == []


def test_each_schema_can_be_taken_back_and_made_again(db, url):
    db.close()
    engine = engines.migration_engine(url)
    for revision in ("0005", "0004", "0003", "0002", "0001"):
        with engine.begin() as connection:
            command.downgrade(migrate.migration_config(connection), revision)
    engine.dispose()
    with pytest.raises(SchemaError, match="has schema 0001"):
        open_database(url)
    upgrade(url)
    again = open_database(url)
    add_patient(again)
    assert patients(again) == 1
    again.close()


def test_an_index_that_nobody_has_made_yet_is_called_so(url):
    with pytest.raises(SchemaError, match="start the node once"):
        open_database(url)


def test_a_newer_schema_and_a_database_of_another_program_are_refused(db, url, postgresql):
    with db.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match="newer"):
        upgrade(url)
    with postgresql.database() as other:
        engine = create_engine(other)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE other (id INTEGER)"))
        engine.dispose()
        with pytest.raises(SchemaError, match="not made by this program"):
            upgrade(other)


def test_processes_that_start_at_once_do_not_clash(url):
    starters = [multiprocessing.get_context("fork").Process(target=upgrade, args=(url,)) for _ in range(4)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert [starter.exitcode for starter in starters] == [0, 0, 0, 0]


def test_a_migration_that_fails_leaves_nothing(url, monkeypatch):
    monkeypatch.setattr(migrate, "broken_foreign_keys", lambda _: 3)
    with pytest.raises(SchemaError, match="3 rows"):
        upgrade(url)
    engine = create_engine(url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_a_reader_cannot_write_and_sees_one_state(db):
    with pytest.raises(StorageError, match="25006"), db.read() as session:
        session.execute(text("INSERT INTO patient (patient_id, issuer) VALUES ('1', '')"))
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(Patient)) == 0
        add_patient(db)
        assert session.scalar(select(func.count()).select_from(Patient)) == 0
    assert patients(db) == 1


def test_a_refused_value_does_not_stand_in_the_error(db):
    add_patient(db, "CANARY-17")
    with pytest.raises(StorageError) as caught:
        add_patient(db, "CANARY-17")
    assert "23505" in str(caught.value)
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_row_that_points_nowhere_is_refused(db):
    with pytest.raises(StorageError, match="23503"), db.write() as session:
        session.execute(text("INSERT INTO study (study_instance_uid, exam_id) VALUES ('1.2', 99)"))


def test_who_writes_waits_for_its_turn_and_then_sees_all_that_was_written_before(db, url):
    """Two openers count and add one: without the lock both would count the same."""
    other, began = open_database(url), threading.Barrier(2)

    def add_the_next(opener: Database) -> None:
        began.wait()
        for _ in range(20):
            with opener.write() as session:
                count = session.scalar(select(func.count()).select_from(Patient))
                session.add(Patient(patient_id=str(count), issuer=""))

    threads = [threading.Thread(target=add_the_next, args=(one,)) for one in (db, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert patients(db) == 40


def test_who_waits_too_long_for_its_turn_is_told_that_the_index_was_busy(db, url, monkeypatch):
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_SECONDS", 0.2)
    other = Database(url)
    with db.write() as session:
        session.execute(select(Patient))
        with pytest.raises(StorageError, match="55P03"):
            add_patient(other)
    other.close()
    add_patient(db)
    assert patients(db) == 1


def test_a_commit_is_on_the_disk_whatever_the_server_does_by_default(db):
    with db.write() as session:
        session.execute(text("ALTER ROLE CURRENT_USER SET synchronous_commit = off"))
    try:
        again = open_database(db.url)
        with again.read() as session:
            assert session.scalar(text("SHOW synchronous_commit")) == "off"
        with again.write() as session:
            assert session.scalar(text("SHOW synchronous_commit")) == "on"
        again.close()
    finally:
        with db.write() as session:
            session.execute(text("ALTER ROLE CURRENT_USER RESET synchronous_commit"))


def test_a_server_that_was_started_anew_is_found_again(db, postgresql):
    add_patient(db)
    assert patients(db) == 1
    # As a restart does to all who are connected.
    postgresql.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                   " AND pid <> pg_backend_pid()")  # fmt: skip
    add_patient(db, 2)
    assert patients(db) == 2


def test_with_the_ca_of_its_certificate_the_server_is_made_sure_of(db, url, postgresql, tmp_path):
    sure = open_database(f"{url}?sslrootcert={postgresql.authority.certificate}")
    with sure.read() as session:
        assert session.scalar(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
    sure.close()
    stranger = Database(f"{url}?sslrootcert={Authority(tmp_path / 'stranger').certificate}")
    with pytest.raises(StorageError, match="InterfaceError"), stranger.read() as session:
        session.execute(text("SELECT 1"))
    stranger.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql+pg8000://dcis@db.hospital/dcis", "needs TLS"),
        ("postgresql+pg8000://dcis@10.1.2.3/dcis", "needs TLS"),
        ("postgresql+pg8000://dcis@db.hospital/dcis?sslrootcert=/nowhere/ca.crt", "No such file"),
        ("postgresql+pg8000:///dcis", "names no host"),
        ("postgresql+psycopg://dcis@localhost/dcis", "psycopg is not known"),
        ("mysql://dcis@localhost/dcis", "mysql is not known"),
    ],
)
def test_a_url_that_cannot_be_used_says_why(url, why):
    for use in (upgrade, Database):
        with pytest.raises(StorageError, match=why):
            use(url)


def test_without_its_driver_the_node_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pg8000", None)
    with pytest.raises(StorageError, match="the driver of PostgreSQL is not installed"):
        Database("postgresql+pg8000://dcis@localhost/dcis")


def test_a_server_that_does_not_answer_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr(storage.postgresql, "CONNECT_SECONDS", 0.2)
    with black_hole() as port:
        silent = Database(f"postgresql+pg8000://dcis@127.0.0.1:{port}/dcis")
        with pytest.raises(UnusableIndexError, match="does not answer"), silent.read() as session:
            session.execute(text("SELECT 1"))
        silent.close()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_server_that_stands_still_in_the_middle_is_given_up_in_time_and_used_again(url, postgresql, monkeypatch, tls):
    monkeypatch.setattr(storage.postgresql, "SILENT_SECONDS", 0.5)
    silent = Database(f"{url}?sslrootcert={postgresql.authority.certificate}" if tls else url)
    with pytest.raises(UnusableIndexError, match="does not answer"), silent.read() as session:
        session.execute(text("SELECT pg_sleep(200)"))
    with silent.read() as session:
        assert session.scalar(text("SELECT 1")) == 1
    silent.close()


def test_an_error_of_the_driver_itself_is_one_of_the_index(url, monkeypatch):
    """SQLAlchemy lets it through where it gives a connection back that is lost."""
    db = Database(url)

    def lost(*_):
        raise pg8000.InterfaceError("network error")

    for use in (db.read, db.write):
        monkeypatch.setattr(Session, "close", lost)
        with pytest.raises(UnusableIndexError, match="does not answer"), use() as session:
            session.execute(text("SELECT 1"))
        monkeypatch.undo()
    db.close()


def test_each_session_knows_whether_it_may_write(url):
    """By itself, not anew with each use of a connection."""
    for engine, is_read_only in ((engines.read_engine(url), "on"), (engines.write_engine(url), "off")):
        with engine.connect() as connection:
            assert connection.scalar(text("SHOW default_transaction_read_only")) == is_read_only
        engine.dispose()


def test_a_host_that_is_gone_is_noticed_by_tcp(url):
    """Nothing is sent while a statement runs: only what TCP asks by itself tells that the other side is gone."""
    engine = engines.read_engine(url)
    held = engine.raw_connection()
    used = held.driver_connection._usock
    assert used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 20_000
    assert [used.getsockopt(*option) for option in (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL), (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    )] == [1, 10, 5, 2]  # fmt: skip
    held.close()
    engine.dispose()


def test_a_process_hears_of_a_dead_server_before_it_counts_as_silent():
    waits = storage.postgresql.SILENT_SECONDS + engines.BUSY_TIMEOUT_SECONDS + storage.postgresql.CONNECT_SECONDS
    assert waits < SILENT_SECONDS_OTHERS


def test_a_server_that_is_not_there_is_an_error_of_the_index():
    nobody = Database("postgresql+pg8000://nobody@127.0.0.1:1/none")
    with pytest.raises(UnusableIndexError, match="server of the index does not answer"), nobody.read() as session:
        session.execute(text("SELECT 1"))
    with pytest.raises(UnusableIndexError, match="server of the index does not answer"):
        open_database(nobody.url)
    nobody.close()
