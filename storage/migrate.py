"""Bring an index to the schema of this program, once, whoever starts first."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from dcis_node.errors import SchemaError, StorageError
from storage.engines import broken_foreign_keys, describe, hold_migration_lock, migration_engine, prepare_location

MIGRATIONS = Path(__file__).parent / "migrations"
# The newest revision in `migrations/versions`; a test holds the two together.
HEAD = "0004"


def upgrade(url: str) -> None:
    """Create the index, or change it to the schema of this program, in one transaction.

    Any number of processes may call this at once: one works, the others wait and find the work done. A process that
    is killed in the middle leaves the index as it was.

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
        The index cannot be opened or changed.
    """
    prepare_location(url)
    engine = migration_engine(url)
    try:
        with engine.begin() as connection:
            _upgrade(connection)
    except DBAPIError as error:
        raise StorageError(describe(error)) from None
    finally:
        engine.dispose()


def _upgrade(connection: Connection) -> None:
    hold_migration_lock(connection)
    config = migration_config(connection)
    _refuse_unknown(connection, ScriptDirectory.from_config(config))
    command.upgrade(config, "head")
    broken = broken_foreign_keys(connection)
    if broken:
        msg = f"the migration would leave {broken} rows pointing nowhere; nothing was changed"
        raise SchemaError(msg)


def migration_config(connection: Connection) -> Config:
    """Configure Alembic for one open connection; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _refuse_unknown(connection: Connection, scripts: ScriptDirectory) -> None:
    found = MigrationContext.configure(connection).get_current_revision()
    if found is None:
        if inspect(connection).get_table_names():
            msg = "the index has tables but no schema version: it was not made by this program"
            raise SchemaError(msg)
    elif found not in {script.revision for script in scripts.walk_revisions()}:
        msg = f"the index has schema {found}, newer than this program's {HEAD}: install the newer program"
        raise SchemaError(msg)
