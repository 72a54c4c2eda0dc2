"""The watch over the disk: says when it is nearly full, and keeps how much the store takes by sort."""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dcis_node.config import Configuration
from storage.backup import backups, read_manifest, store_beside
from storage.database import Database
from storage.files import FileStore
from storage.maintenance import WorkDone, record_work, work_done
from storage.space import MEGABYTE, Space, space_of
from storage.volumes import Volumes, count_new, volumes_from

log = logging.getLogger(__name__)

VOLUMES = "volumes"


class DiskWatch:
    """Tells the log when less is free than retention is to keep free, and when that ends.

    Images are refused long after that (`storage.reserve_bytes`): this is the time to look.

    Parameters
    ----------
    space
        Gives the space of a folder.
    """

    def __init__(
        self, configuration: Configuration, db: Database, files: FileStore, *, space: Callable[[Path], Space] = space_of
    ) -> None:
        self._configuration = configuration
        self._db = db
        self._files = files
        self._space = space
        self._low = False

    def look(self) -> None:
        """Look once: one system call, and the rows that came since the last look.

        Raises
        ------
        StorageError
            The index cannot be used.
        OSError
            The disk has failed.
        """
        mark = self._configuration.retention.free_bytes
        free = self._space(self._configuration.folder).free_bytes
        low = free < mark
        if low and not self._low:
            log.error("event=disk_low free_mb=%d mark_mb=%d", free // MEGABYTE, mark // MEGABYTE)
        elif self._low and not low:
            log.warning("event=disk_low_ended free_mb=%d", free // MEGABYTE)
        self._low = low
        known = known_volumes(self._db)
        found = count_new(self._db, self._files, known)
        if found != known:
            keep_volumes(self._db, found)


def known_volumes(db: Database) -> Volumes:
    """Give the sums that were kept last.

    Raises
    ------
    StorageError
        The index cannot be read.
    """
    with db.read() as session:
        kept = {work.name: work for work in work_done(session)}.get(VOLUMES)
    return Volumes() if kept is None else volumes_from(kept.detail)


def keep_volumes(db: Database, volumes: Volumes) -> None:
    """Keep sums for `status` and metrics."""
    now = time.time()
    with db.write() as session:
        record_work(session, WorkDone(VOLUMES, now, now, ok=True, detail=volumes.to_json()))


def count_all(configuration: Configuration, db: Database, files: FileStore) -> Volumes:
    """Count everything anew, backups too, and keep it: once a night, and after something has left.

    Raises
    ------
    StorageError
        The index cannot be used.
    OSError
        The folder of backups cannot be read.
    """
    counted = replace(count_new(db, files, Volumes()), backup_bytes=_backup_bytes(configuration.backup_folder))
    keep_volumes(db, counted)
    return counted


def _backup_bytes(folder: Path) -> int:
    """Add up the copies of the index and the files beside them."""
    there = backups(folder)
    copies = sum(read_manifest(path).size_bytes for path in there)
    if not there:
        return 0
    files = (entry.stat().st_size for part in _folders(store_beside(there[0])) for entry in os.scandir(part))
    return copies + sum(files)


def _folders(store: Path) -> list[Path]:
    """List the folders that hold files; records lie one level deeper."""
    if not store.is_dir():
        return []
    found = [entry for entry in store.iterdir() if entry.is_dir()]
    records = store / "records"
    return [path for path in found if path != records] + (list(records.iterdir()) if records.is_dir() else [])
