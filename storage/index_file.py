"""An SQLite index as a file: copied while it is in use, and looked at without touching it."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dcis_node.errors import DamagedIndexError, StorageError
from storage.engines import BUSY_TIMEOUT_SECONDS, DAMAGED, HEALING
from storage.files import sync_folder

# What SQLite may leave beside an index: a journal, or a write-ahead log with its shared memory.
BESIDE = ("-journal", "-wal", "-shm")


@dataclass(frozen=True)
class IndexFacts:
    """What a whole index holds: its schema, and how many rows each table has."""

    schema: str
    rows: dict[str, int]


def copy_index(source: Path, target: Path) -> float:
    """Copy an index that others write, to a place where there is nothing; the copy is on disk after.

    It is the index of one moment. With a rollback journal nobody can commit while the copy is brought up to that
    moment (see `storage.index_copy`); with a write-ahead log nobody has to wait at all.

    Returns
    -------
    float
        For how many seconds nobody could commit.

    Raises
    ------
    DamagedIndexError
        The index is so damaged that it cannot be opened.
    StorageError
        The index cannot be read, or the disk is full or failed. Nothing is left.
    """
    try:
        if _mode(source) == "wal":
            copy_in_one_go(source, target)
            return 0.0
        return _copy_twice(source, target)
    except (StorageError, sqlite3.Error, OSError) as error:
        target.unlink(missing_ok=True)
        raise _cannot("copied", error) from error


def copy_in_one_go(source: Path, target: Path) -> None:
    """Copy an index by SQLite's own means: with a rollback journal nobody can commit until it is done.

    Raises
    ------
    sqlite3.Error, OSError
        It failed; what was written is left.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(_connect(source)) as read, closing(_connect(target)) as written:
        written.execute("PRAGMA synchronous=OFF")
        written.execute("PRAGMA journal_mode=OFF")
        read.backup(written)
    descriptor = os.open(target, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(target.parent)


def check_index(path: Path) -> IndexFacts:
    """Check an index that nobody writes, such as a copy; the file is not changed, and nothing is made beside it.

    Raises
    ------
    DamagedIndexError
        It is damaged (`PRAGMA quick_check`), has rows that point nowhere, or is none of ours.
    """
    try:
        with looked_at(path) as connection:
            if [row[0] for row in connection.execute("PRAGMA quick_check(1)")] != ["ok"]:
                raise DamagedIndexError(f"{path} is damaged (quick_check)")
            if connection.execute("PRAGMA foreign_key_check").fetchone():
                raise DamagedIndexError(f"{path} has rows that point nowhere")
            facts = IndexFacts(_schema(connection), _rows(connection))
    except sqlite3.DatabaseError as error:
        raise DamagedIndexError(f"{path} is damaged: {getattr(error, 'sqlite_errorname', '')}".rstrip(": ")) from error
    if not facts.schema:
        raise DamagedIndexError(f"{path} is no index of this program")
    return facts


@contextmanager
def looked_at(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an index that nobody writes, without locks and without ever writing: also on a network file system."""
    # What `immutable` means: https://www.sqlite.org/c3ref/open.html
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        connection.execute("PRAGMA trusted_schema=OFF")
        yield connection


def settle(path: Path) -> bool:
    """Let SQLite finish or take back what a killed process left half done, so that the file alone is the index.

    Returns
    -------
    bool
        False if it is too damaged for that.
    """
    try:
        with closing(_connect(path)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error:
        return False
    return all(not name.exists() or not name.stat().st_size for name in beside(path) if not name.name.endswith("-shm"))


def beside(path: Path) -> tuple[Path, ...]:
    """Name what SQLite may keep beside an index."""
    return tuple(path.with_name(path.name + ending) for ending in BESIDE)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)


def _mode(path: Path) -> str:
    with closing(_connect(path)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def _schema(connection: sqlite3.Connection) -> str:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
        return ""
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""


def _rows(connection: sqlite3.Connection) -> dict[str, int]:
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    # Names of tables of this very file, quoted as SQL has it.
    quoted = {name: '"{}"'.format(name.replace('"', '""')) for (name,) in tables}
    counts = {name: f"SELECT count(*) FROM {table}" for name, table in quoted.items()}  # noqa: S608
    return {name: int(connection.execute(statement).fetchone()[0]) for name, statement in counts.items()}


def _copy_twice(source: Path, target: Path) -> float:
    command = (sys.executable, "-m", "storage.index_copy", str(source), str(target))
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StorageError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "the copying process died")
    sync_folder(target.parent)
    return float(json.loads(done.stdout)["held_seconds"])


def _cannot(what: str, error: Exception) -> StorageError:
    if isinstance(error, OSError):
        reason = error.strerror or ""
    else:
        reason = getattr(error, "sqlite_errorname", "") or (str(error) if isinstance(error, StorageError) else "")
    text = f"the index cannot be {what}: {reason or type(error).__name__}"
    if not any(code in reason for code in DAMAGED):
        return StorageError(text)
    return DamagedIndexError(f"{text}: it is damaged; stop the node, then {HEALING}")
