"""Backups of a node, every night and by hand, and the way back."""

import logging
import time
from pathlib import Path
from typing import Any

from dcis_node import __version__
from dcis_node.config import Configuration
from dcis_node.errors import ConfigurationError, DamagedIndexError, StorageError
from dcis_node.operate.lock import folder_in_use
from dcis_node.operate.nightly import BACKUP, INTEGRITY, OVERDUE_SECONDS
from dcis_node.operate.upkeep import SweepOrder, run_sweep, store_of
from storage.backup import BackedUp, BackupOrder, Scope, backups, make_backup
from storage.database import Database, open_database
from storage.engines import sqlite_file
from storage.files import FileStore
from storage.maintenance import WorkDone, record_work, work_done
from storage.restore import restore_backup

log = logging.getLogger(__name__)

LATEST = "latest"


def back_up(configuration: Configuration, *, scope: Scope, folder: Path | None = None) -> BackedUp:
    """Back up a node, whether or not it runs.

    Parameters
    ----------
    folder
        Where to; maintenance.backup_folder if left out.

    Raises
    ------
    StorageError
        See `storage.backup.make_backup`; or the index is no SQLite file.
    """
    return make_backup(
        BackupOrder(
            index=_index_of(configuration),
            files=FileStore(store_of(configuration)),
            folder=configuration.backup_folder if folder is None else folder,
            now=time.time(),
            kept=configuration.maintenance.backups_kept,
            scope=scope,
            reserve_bytes=configuration.storage.reserve_bytes,
            program=__version__,
        )
    )


def nightly_backup(configuration: Configuration, db: Database) -> None:
    """Back up what is ours, and keep in the index how it went (see `told_backup`).

    Raises
    ------
    StorageError
        It failed; that is kept and logged too.
    """
    if sqlite_file(configuration.index_url) is not None:
        told_backup(configuration, db, scope=Scope.OWN)


def backup_by_hand(configuration: Configuration, *, scope: Scope, folder: Path | None = None) -> BackedUp:
    """Back up as a person or a timer orders it; one that is as good as that of the night is told like it.

    So a night that failed can be made up for. One of the index alone, or to another folder, is nobody's but theirs.

    Raises
    ------
    StorageError
        See `back_up`.
    """
    elsewhere = folder is not None and folder.resolve() != configuration.backup_folder.resolve()
    if elsewhere or scope is Scope.INDEX or sqlite_file(configuration.index_url) is None:
        return back_up(configuration, scope=scope, folder=folder)
    try:
        db = open_database(configuration.index_url)
    except StorageError:  # nowhere to tell of it; what is wrong with the index is said by the backup
        return back_up(configuration, scope=scope)
    try:
        return told_backup(configuration, db, scope=scope)
    finally:
        db.close()


def told_backup(configuration: Configuration, db: Database, *, scope: Scope) -> BackedUp:
    """Back up, and keep in the index how it went: the backup, and the check of the index with it.

    The copy is checked, not the index itself: a check of the index would keep the receivers from committing.

    Raises
    ------
    StorageError
        It failed; that is kept and logged too.
    """
    started = time.time()
    try:
        made = back_up(configuration, scope=scope)
    except StorageError as error:
        _record(db, BACKUP, started, ok=False, detail={"fault": str(error)})
        if isinstance(error, DamagedIndexError):
            _record(db, INTEGRITY, started, ok=False, detail={"fault": str(error)})
        raise
    _record(db, BACKUP, started, ok=made.ok, detail=made.to_json())
    _record(db, INTEGRITY, started, ok=True, detail={"checked": str(made.path)})
    return made


def is_backup_overdue(db: Database, *, now: float) -> bool:
    """Tell whether a backup was made before, and the last is older than a night: the node was off meanwhile."""
    with db.read() as session:
        last = {done.name: done for done in work_done(session)}.get(BACKUP)
    return last is not None and now - last.finished_at > OVERDUE_SECONDS


def restore_node(configuration: Configuration, backup: Path) -> dict[str, Any]:
    """Put a backup in the place of the index, and take up what the files have that is newer.

    Raises
    ------
    StorageError
        The node runs, or the backup cannot be used: nothing was changed.
    """
    started = time.monotonic()
    index, store = _index_of(configuration), store_of(configuration)
    configuration.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with folder_in_use(configuration.folder, alone=True, patience_seconds=0.0):
        files = FileStore(store)
        restored = restore_backup(backup, index, files, now=time.time())
        in_place = time.monotonic() - started
        db = open_database(configuration.index_url)
        try:
            # Nobody is at work: a file without a row is no work that is under way.
            swept = run_sweep(configuration, db, files, SweepOrder(grace_seconds=0.0))
        finally:
            db.close()
    return {
        "ok": swept.ok and restored.copied.ok,
        **restored.to_json(),
        "in_place_seconds": round(in_place, 2),
        "seconds": round(time.monotonic() - started, 2),
        "sweep": swept.to_json(),
    }


def backup_named(configuration: Configuration, name: str) -> Path:
    """Find a backup: `latest`, a name in maintenance.backup_folder, or the path of one.

    Raises
    ------
    StorageError
        There is none of that name; the text names those that are there.
    """
    there = backups(configuration.backup_folder)
    if name == LATEST and there:
        return there[0]
    path = next((path for path in there if path.name == name), Path(name))
    if name == LATEST or not path.is_dir():
        known = ", ".join(path.name for path in there) or "none"
        raise StorageError(f"no backup {name}; in {configuration.backup_folder}: {known}")
    return path.resolve()


def _index_of(configuration: Configuration) -> Path:
    index = sqlite_file(configuration.index_url)
    if index is None:
        text = "use pg_dump and pg_restore (docs/operations.md); the files in the data folder are copied as they are"
        raise ConfigurationError(f"the index is a PostgreSQL database, which only its own tools back up: {text}")
    return index


def _record(db: Database, name: str, started: float, *, ok: bool, detail: dict[str, Any]) -> None:
    done = WorkDone(name, started, time.time(), ok, detail)
    with db.write() as session:
        record_work(session, done)
    level, fault = (logging.INFO, "") if ok else (logging.ERROR, str(detail.get("fault", "files could not be copied")))
    log.log(level, "event=%s ok=%s seconds=%.1f fault='%s'", name, ok, done.finished_at - started, fault)
