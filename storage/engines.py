"""Engines, and everything that only one kind of database understands (an SQLite index as a file: `index_file`)."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError

from dcis_node.errors import DamagedIndexError, SchemaError, StorageError, UnusableIndexError
from storage.locations import check_location
from storage.postgresql import server_engine, sqlstate

# What SQLite calls a file that is damaged, or none of its own.
DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
# Results of SQLite that say nothing of what it was asked (sqlite.org/rescode.html); of PostgreSQL it is the classes of
# SQLSTATE that do say something of it (its manual, appendix A): cardinality, data, integrity, syntax, check of a view.
UNUSABLE = (
    "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_NOMEM", "SQLITE_READONLY",
    "SQLITE_PROTOCOL",
)  # fmt: skip
OF_THE_STATEMENT = ("21", "22", "23", "42", "44")
HEALING = "`dcis-node restore latest`, or `dcis-node rebuild-index`"

BUSY_TIMEOUT_SECONDS = 10.0
MIGRATION_TIMEOUT_SECONDS = 600.0  # a second starter waits while the first migrates
# SQLite 3.7.0 to 3.51.2 can corrupt a WAL that several processes write and checkpoint (sqlite.org/releaselog, 3.51.3).
FIRST_SAFE_WAL = (3, 51, 3)


def journal_mode(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str:
    """Give the journal mode that is safe with several writing processes under a version of SQLite."""
    return "WAL" if version >= FIRST_SAFE_WAL else "TRUNCATE"


def write_engine(url: str) -> Engine:
    """Make an engine whose transactions hold the write lock from their first statement on, on whatever database.

    All that writes was written for that: what a transaction reads nobody changes until its end, and each one sees all
    that was committed before it.

    The pool has one connection: the writers of a process queue here, in order, and not by polling inside SQLite.
    """
    if not is_sqlite(url):
        return server_engine(url, lock_seconds=BUSY_TIMEOUT_SECONDS, pool_size=1, max_overflow=0)
    return _engine(url, begin="BEGIN IMMEDIATE", pool_size=1, max_overflow=0)


def read_engine(url: str) -> Engine:
    """Make an engine that cannot write, and whose transactions see one state of the index."""
    if not is_sqlite(url):
        return server_engine(url, lock_seconds=None)
    return _engine(url, begin="BEGIN", pragmas={"query_only": "ON"})


def migration_engine(url: str) -> Engine:
    """Make an engine for changing the schema: waits long, and lets tables be rebuilt (foreign keys checked after)."""
    if not is_sqlite(url):
        return server_engine(url, lock_seconds=MIGRATION_TIMEOUT_SECONDS, pool_size=1, max_overflow=0)
    return _engine(
        url,
        begin="BEGIN IMMEDIATE",
        pragmas={"foreign_keys": "OFF", "busy_timeout": str(int(MIGRATION_TIMEOUT_SECONDS * 1000))},
        pool_size=1,
        max_overflow=0,
    )


def prepare_location(url: str) -> None:
    """Check the place of a SQLite index, and create its folder (0700) and file (0600) if they are missing.

    Raises
    ------
    UnsafeLocationError
        The folder lies on a network file system.
    StorageError
        The URL names no file, or the file cannot be created.
    """
    file = sqlite_file(url)
    if file is None:
        return
    check_location(file)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        msg = f"the index {file} cannot be opened for writing: {error.strerror}"
        raise StorageError(msg) from error


def require_index(url: str) -> None:
    """Check the place of an index that must be there already; nothing is created.

    Raises
    ------
    SchemaError
        There is no such file.
    UnsafeLocationError
        The folder lies on a network file system.
    """
    file = sqlite_file(url)
    if file is None:
        return
    check_location(file)
    if not file.exists():
        msg = f"there is no index {file} yet: start the node once; if there was one, {HEALING}"
        raise SchemaError(msg)


def broken_foreign_keys(connection: Connection) -> int:
    """Count rows that point nowhere; a database that never lets them in has none."""
    if connection.dialect.name != "sqlite":
        return 0
    return len(connection.exec_driver_sql("PRAGMA foreign_key_check").all())


def told(error: Exception) -> StorageError:
    """Make of what a database refused an error of ours, without any value that was on its way in or out.

    Parameters
    ----------
    error
        SQLAlchemy's, or the driver's own.
    """
    orig = error.orig if isinstance(error, DBAPIError) else error
    kind = type(orig).__name__
    if isinstance(orig, sqlite3.Error):
        name = getattr(orig, "sqlite_errorname", "")
        unusable = name.startswith(UNUSABLE)
    else:
        name = sqlstate(orig)
        unusable = not name.startswith(OF_THE_STATEMENT)
        if not name:  # it is the driver that says it
            return UnusableIndexError(f"the server of the index does not answer ({kind})")
    text = f"the index refused: {kind} {name}".strip()
    if name.startswith(DAMAGED):
        return DamagedIndexError(f"{text}: it is damaged; stop the node, then {HEALING}")
    return UnusableIndexError(text) if unusable else StorageError(text)


def is_sqlite(url: str) -> bool:
    """Tell whether an index is a file of SQLite."""
    return make_url(url).get_backend_name() == "sqlite"


def sqlite_file(url: str) -> Path | None:
    """Give the file of an SQLite index; None for another kind of database.

    Raises
    ------
    StorageError
        The URL names no file.
    """
    if not is_sqlite(url):
        return None
    parsed = make_url(url)
    if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
        msg = "the index needs a file, such as sqlite:////var/lib/dcis-node/index.sqlite"
        raise StorageError(msg)
    return Path(parsed.database)


def _engine(
    url: str, *, begin: str, pragmas: dict[str, str] | None = None, pool_size: int = 5, max_overflow: int = 20
) -> Engine:
    # hide_parameters: the text of an error must not carry a patient's ID into a log.
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS},
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=max_overflow,
    )
    event.listen(engine, "connect", _set_up({**_pragmas(), **(pragmas or {})}))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _pragmas() -> dict[str, str]:
    return {
        "busy_timeout": str(int(BUSY_TIMEOUT_SECONDS * 1000)),  # first: the others may have to wait
        "journal_mode": journal_mode(),
        "synchronous": "FULL",  # the commit is on disk before it is acknowledged
        "foreign_keys": "ON",
        "trusted_schema": "OFF",
        "journal_size_limit": str(64 * 1024 * 1024),
    }


def _set_up(pragmas: dict[str, str]) -> Callable[[DBAPIConnection, object], None]:
    def on_connect(connection: DBAPIConnection, _record: object) -> None:
        # Python 3.11 opens no transaction before DDL or SELECT by itself; we say BEGIN ourselves (see "begin").
        connection.isolation_level = None
        cursor = connection.cursor()
        for name, value in pragmas.items():
            cursor.execute(f"PRAGMA {name}={value}")
        cursor.close()

    return on_connect
