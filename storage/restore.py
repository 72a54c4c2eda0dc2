"""A backup put in the place of the index, in one step; what is newer in the files is taken up after by the sweep."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import delete, update

from dcis_node.errors import StorageError
from storage.backup import INDEX, Manifest, store_beside, verify_backup
from storage.database import Database, open_database
from storage.file_copies import Copied, copy_files, copy_records
from storage.files import FileStore, sync_folder
from storage.index_file import beside, settle
from storage.migrate import BEFORE, HEAD, upgrade
from storage.schema import Association, Exam, Heartbeat, Instance, Outbox

STAGED = ".restoring"


@dataclass(frozen=True)
class Restored:
    """What a restore came to.

    Parameters
    ----------
    aside
        Where the index lies that was in the place before; None if there was none.
    copied
        Files and records that were missing and came from the backup.
    """

    backup: Path
    manifest: Manifest
    aside: Path | None
    copied: Copied

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return {
            "backup": str(self.backup),
            "made_at": self.manifest.made_at,
            "schema_of_backup": self.manifest.schema,
            "rows": self.manifest.rows,
            "old_index": "" if self.aside is None else str(self.aside),
            "files": self.copied.to_json(),
        }


def restore_backup(backup: Path, index: Path, files: FileStore, *, now: float) -> Restored:
    """Put the index of a backup in the place of the present one, and bring back the files that are missing.

    The node must not run. All is made ready beside: verified, brought to this program's schema, its leases given back.
    One rename ends it: whoever is killed before leaves the present index in use, whoever is killed after has restored.

    Parameters
    ----------
    backup
        The folder of one backup.
    index
        The file of the index; it need not exist.

    Raises
    ------
    StorageError
        The backup is damaged or of a newer program, or a disk is full or failed: the present index is as it was.
    """
    try:
        manifest = verify_backup(backup)
        with _staged(backup / INDEX, index) as staged:
            copied = _bring_back(backup, files)
            aside = _keep_aside(index, now)
            staged.replace(index)
            sync_folder(index.parent)
    except OSError as error:
        msg = f"{backup} cannot be restored, nothing was changed: {error.strerror or type(error).__name__}"
        raise StorageError(msg) from error
    return Restored(backup, manifest, aside, copied)


@contextmanager
def _staged(source: Path, index: Path) -> Iterator[Path]:
    """Make the index of a backup ready, beside its place; whatever is left beside it at the end is removed."""
    staged = index.with_name(f".{index.name}{STAGED}")
    index.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove(staged)
    try:
        _copy(source, staged)
        upgrade(_url(staged))
        db = open_database(_url(staged))
        try:
            _let_go(db)
        finally:
            db.close()
        if not settle(staged):
            raise StorageError(f"{staged} cannot be settled")
        _sync(staged)
        yield staged
    finally:
        _remove(staged)


def _let_go(db: Database) -> None:
    """Give back what processes held that are gone, as if they had died: attempts stay counted."""
    free = {"lease_owner": "", "lease_until": 0.0}
    with db.write() as session:
        session.execute(update(Instance).where(Instance.analysis == "leased").values(analysis="pending", **free))
        # An exam without a holder keeps in `lease_until` when it may be tried again: that is long past.
        session.execute(update(Exam).where(Exam.lease_owner != "").values(**free))
        session.execute(update(Outbox).where(Outbox.state == "leased").values(state="due", **free))
        session.execute(
            update(Association).where(Association.closed_at.is_(None)).values(closed_at=Association.opened_at)
        )
        session.execute(delete(Heartbeat))


def _bring_back(backup: Path, files: FileStore) -> Copied:
    copied = Copied()
    store = store_beside(backup)
    if store.is_dir():
        source = FileStore(store)
        copy_files(source, files, source.digests(), copied)
        copy_records(source, files, copied)
    return copied


def _keep_aside(index: Path, now: float) -> Path | None:
    """Give the present index a second name, and let nothing of it stay beside its place."""
    if not index.exists():
        return None
    settle(index)
    stamp = datetime.fromtimestamp(now, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = index.with_name(f"{index.name}.before-restore-{stamp}")
    for name, kept in zip((index, *beside(index)), (aside, *beside(aside)), strict=True):
        if name.exists():
            kept.unlink(missing_ok=True)
            kept.hardlink_to(name)
    sync_folder(index.parent)
    # A journal that is not of this index would be played into it. Settled ones are empty.
    for name in beside(index):
        name.unlink(missing_ok=True)
    sync_folder(index.parent)
    return aside


def _copy(source: Path, target: Path) -> None:
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with source.open("rb") as read, os.fdopen(descriptor, "wb") as written:
        shutil.copyfileobj(read, written, 1 << 20)
        written.flush()
        os.fsync(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(staged: Path) -> None:
    # The copy that an upgrade keeps of what it changes: the backup itself is that copy.
    kept = staged.with_name(f"{staged.name}{BEFORE}{HEAD}")
    for path in (staged, *beside(staged), kept, *beside(kept)):
        path.unlink(missing_ok=True)


def _url(path: Path) -> str:
    return f"sqlite:///{path}"
