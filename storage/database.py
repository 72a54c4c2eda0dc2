"""The open index: short reading and writing transactions, nothing else."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from dcis_node.errors import DamagedIndexError, OlderSchemaError, SchemaError, StorageError, UnusableIndexError
from storage.engines import read_engine, require_index, told, write_engine
from storage.locations import check_location
from storage.migrate import HEAD, upgrade

__all__ = ["Database", "check_location", "open_database", "upgrade"]


class Database:
    """An index opened by one process.

    Open it after a fork, never before: connections must not be shared between processes, and a use in another
    process than the opener's is refused.

    Parameters
    ----------
    url
        SQLAlchemy URL of the index.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._pid = os.getpid()
        self._readers = read_engine(url)
        self._writers = write_engine(url)
        self._driver_error: type[Exception] = self._readers.dialect.loaded_dbapi.Error

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a transaction that sees one state of the index and cannot change it.

        Raises
        ------
        UnusableIndexError
            The index was busy for ten seconds, is away, or a write was tried.
        StorageError
            It refused what it was asked. The text holds no values.
        """
        with self._told(), self._session(self._readers) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a transaction that holds the write lock; commit (durably) at its end, undo everything on an error.

        Keep it short: nobody else writes meanwhile. Objects stay readable after the commit. Do not open a second
        one inside; the inner one would wait for the outer one and fail.

        Raises
        ------
        UnusableIndexError
            The index was busy for ten seconds, is full, or is away. Nothing was changed, unless it went away while it
            committed.
        StorageError
            It refused a value. Nothing was changed. The text holds no values.
        """
        with self._told(), self._session(self._writers) as session:
            yield session
            session.commit()

    def close(self) -> None:
        """Close all connections."""
        self._readers.dispose()
        self._writers.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn the database library's errors into ours, without the values they may quote.

        Where a connection that is lost is given back to its pool, it is the driver's own error that comes through.
        """
        try:
            yield
        except (DBAPIError, self._driver_error) as error:
            raise told(error) from None
        except PoolTimeoutError:
            msg = "the index was busy: no free connection in time"
            raise UnusableIndexError(msg) from None

    def _session(self, engine: Engine) -> Session:
        if os.getpid() != self._pid:
            msg = "the index was opened before a fork; every process opens its own"
            raise StorageError(msg)
        return Session(engine, expire_on_commit=False)


def open_database(url: str) -> Database:
    """Open an index that `upgrade` has brought to the schema of this program.

    Raises
    ------
    SchemaError
        There is no index yet, or it has another schema. Nothing is created.
    UnsafeLocationError
        The index lies on a network file system.
    UnusableIndexError
        The index cannot be opened now: it is busy, or its server is away.
    StorageError
        The index cannot be opened.
    """
    require_index(url)
    database = Database(url)
    try:
        _check_schema(database)
    except BaseException:
        database.close()
        raise
    return database


def _check_schema(database: Database) -> None:
    try:
        with database.read() as session:
            found = session.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except UnusableIndexError:
        raise
    except DamagedIndexError as error:
        raise SchemaError(str(error)) from error
    except StorageError as error:
        raise SchemaError(f"the index has no schema yet ({error}): start the node once") from error
    if found != HEAD:
        if found is not None and found < HEAD:
            raise OlderSchemaError(f"the index has schema {found}, brought to {HEAD} when the node starts")
        raise SchemaError(f"the index has schema {found}, this program knows {HEAD}: install the newer program")
