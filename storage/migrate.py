"""Bring an index to the schema of this program, once, whoever starts first."""

# Alembic takes a quarter of the time of a short command such as `status`, which only wants to know HEAD.
# ruff: noqa: PLC0415

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from dcis_node.errors import SchemaError, StorageError
from storage.engines import (
    broken_foreign_keys,
    migration_engine,
    prepare_location,
    sqlite_file,
    told,
)
from storage.files import sync_folder
from storage.index_file import copy_in_one_go

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
# The newest revision in `migrations/versions`; a test holds the two together.
HEAD = "0006"
BEFORE = ".before-"


def upgrade(url: str) -> None:
    """Create the index, or change it to the schema of this program, in one transaction.

    Any number of processes may call this at once: one works, the others wait and find the work done. A process that
    is killed in the middle leaves the index as it was. Of an SQLite index that has to be changed a copy is kept beside
    it, `index.sqlite.before-<new schema>`, until the next change; a PostgreSQL index is for `pg_dump`.

    Parameters
    ----------
    url
        SQLAlchemy URL, such as `sqlite:////var/lib/dcis-node/index.sqlite`.

    Raises
    ------
    SchemaError
        The index was made by a newer program, or by none that is known here.
    UnsafeLocationError
        The index would lie on a network file system.
    StorageError
        The index cannot be opened, copied or changed; it is as it was.
    """
    prepare_location(url)
    engine = migration_engine(url)
    try:
        with engine.begin() as connection:
            _upgrade(connection, sqlite_file(url))
    except DBAPIError as error:
        raise told(error) from None
    finally:
        engine.dispose()


def _upgrade(connection: Connection, file: Path | None) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    config = migration_config(connection)
    scripts = ScriptDirectory.from_config(config)
    found = _known_revision(connection, {script.revision for script in scripts.walk_revisions()})
    if file is not None and found not in {"", HEAD}:
        _keep_copy(file)
    command.upgrade(config, "head")
    broken = broken_foreign_keys(connection)
    if broken:
        msg = f"the migration would leave {broken} rows pointing nowhere; nothing was changed"
        raise SchemaError(msg)


def migration_config(connection: Connection) -> "Config":
    """Configure Alembic for one open connection; there is no alembic.ini."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def known_schemas() -> frozenset[str]:
    """Give every schema that this program can bring up to its own."""
    from alembic.script import ScriptDirectory

    return frozenset(script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions())


def _known_revision(connection: Connection, known: set[str]) -> str:
    """Give the schema of the index, "" for one that is still empty; refuse what is not ours."""
    from alembic.migration import MigrationContext

    found = MigrationContext.configure(connection).get_current_revision()
    if found is None:
        if inspect(connection).get_table_names():
            msg = "the index has tables but no schema version: it was not made by this program"
            raise SchemaError(msg)
    elif found not in known:
        msg = f"the index has schema {found}, newer than this program's {HEAD}: install the newer program"
        raise SchemaError(msg)
    return found or ""


def _keep_copy(file: Path) -> None:
    """Keep a copy of an index that is about to be changed; our transaction keeps all others from writing it."""
    kept = file.with_name(f"{file.name}{BEFORE}{HEAD}")
    part = kept.with_name(f".{kept.name}.part")
    part.unlink(missing_ok=True)
    try:
        copy_in_one_go(file, part)
        part.replace(kept)
        sync_folder(kept.parent)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or getattr(error, "sqlite_errorname", type(error).__name__)
        msg = f"the index has to be changed to schema {HEAD}, and no copy of it can be kept before: {reason}"
        raise StorageError(msg) from error
    for older in file.parent.glob(f"{file.name}{BEFORE}[0-9][0-9][0-9][0-9]"):
        if older != kept:
            older.unlink()
