"""Backups: a verified copy of the index, and of the files that are ours and nobody else's.

backup/20261123T023000Z/   one backup, named by its moment in UTC; whole, or not there
    index.sqlite           the index of one moment
    manifest.json          its digest, schema and numbers of rows
backup/store/              files and records of all backups, by digest, as in the node's own `store/`

The index comes first and the files after, so that every file it names is there. Files leave only after they have left
the node, when no backup that stays can name them (see `storage.backup_pruning`).
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from dcis_node.canonical import canonical_json
from dcis_node.errors import StorageError
from storage.backup_pruning import Pruned, prune
from storage.durable import exclusive, file_sha256, replace_file
from storage.file_copies import Copied, copy_files, copy_records, require_room
from storage.files import FileStore, sync_folder
from storage.index_file import IndexFacts, check_index, copy_index, looked_at
from storage.migrate import known_schemas

INDEX, MANIFEST, STORE = "index.sqlite", "manifest.json", "store"
PART, GOING = ".part", ".going"
FORMAT = 1
STAMP = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"\d{8}T\d{6}Z")
_LEFT = re.compile(r"\d{8}T\d{6}Z\.(part|going)")

# Table and column of the digests that an index names.
OWN = (("result", "sha256"), ("view_analysis", "mask_sha256"), ("view_analysis", "picture_sha256"))
RECEIVED = (("instance", "sha256"), ("conflict", "sha256"))


class Scope(StrEnum):
    """Which files are copied with the index."""

    INDEX = "index"  # none
    OWN = "own"  # results, outlines, records: what only this node has
    ALL = "all"  # the received images too


@dataclass(frozen=True)
class Manifest:
    """What a backup holds.

    Parameters
    ----------
    made_at
        Unix seconds.
    sha256, size_bytes
        Of the copied index.
    schema, rows
        Of the index.
    """

    made_at: float
    program: str
    scope: Scope
    sha256: str
    size_bytes: int
    schema: str
    rows: dict[str, int]
    format: int = FORMAT


@dataclass(frozen=True)
class BackupOrder:
    """What is to be backed up, and where to.

    Parameters
    ----------
    index
        The file of the index; others may write it.
    files
        The node's files.
    folder
        Folder of the backups; made if missing. Not inside the node's files.
    kept
        How many backups stay; older ones go once the new one is verified.
    now
        Unix seconds.
    reserve_bytes
        What must stay free on the disk of the backups: it may be that of the node.
    program
        Version of the program, for the manifest.
    """

    index: Path
    files: FileStore
    folder: Path
    now: float
    kept: int
    scope: Scope = Scope.OWN
    reserve_bytes: int = 0
    program: str = ""


@dataclass(frozen=True)
class BackedUp:
    """What a backup came to.

    Parameters
    ----------
    held_seconds
        For how long nobody could commit.
    removed
        Names of older backups that went.
    pruned
        Files and records that no backup needs any more, and that went.
    """

    path: Path
    manifest: Manifest
    held_seconds: float
    copied: Copied
    removed: tuple[str, ...] = ()
    pruned: Pruned = field(default_factory=Pruned)

    @property
    def ok(self) -> bool:
        """False if files could not be copied: a person has to look."""
        return self.copied.ok

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return {
            "ok": self.ok,
            "backup": str(self.path),
            "scope": self.manifest.scope.value,
            "schema": self.manifest.schema,
            "rows": self.manifest.rows,
            "size_bytes": self.manifest.size_bytes,
            "nobody_could_commit_seconds": self.held_seconds,
            "files": self.copied.to_json(),
            "removed": list(self.removed),
            "pruned": self.pruned.to_json(),
        }


def make_backup(order: BackupOrder) -> BackedUp:
    """Back up index and files while the node runs; a second backup waits for the first.

    A backup gets its name when all of it is verified and on disk; whoever is killed before leaves a part that the next
    one removes. Older backups are removed after that, and what only they could name.

    Raises
    ------
    DamagedIndexError
        The index is damaged: no backup was made of it, and the earlier ones stay.
    StorageError
        The folder lies inside the files, the disk has no room beside its reserve, or it failed. Earlier backups stay.
        Or the backup is made, and what no backup needs any more could not be removed; the text says so.
    """
    refuse_folder(order.folder, order.files.root)
    try:
        order.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with exclusive(order.folder):
            _remove_left_over(order.folder)
            _bring_back(order.folder, order.now)
            path = _free_name(order.folder, order.now)
            part, copied = path.with_name(path.name + PART), Copied()
            try:
                manifest, held = _make(order, part, copied)
                part.rename(path)
                sync_folder(order.folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
            removed = _remove_older(order.folder, order.kept)
            pruned = _prune(order)
    except OSError as error:
        raise StorageError(f"no backup in {order.folder}: {error.strerror or type(error).__name__}") from error
    return BackedUp(path, manifest, held, copied, removed, pruned)


def refuse_folder(folder: Path, store: Path) -> None:
    """Refuse a folder for backups inside the folder of files, where it would be taken for one of them.

    Raises
    ------
    StorageError
        It is so.
    """
    if folder.resolve().is_relative_to(store.resolve()):
        raise StorageError(f"the folder of backups {folder} lies inside {store}: name another")


def backups(folder: Path) -> tuple[Path, ...]:
    """List the whole backups of a folder, newest first."""
    if not folder.is_dir():
        return ()
    found = (path for path in folder.iterdir() if _NAME.fullmatch(path.name) and (path / MANIFEST).is_file())
    return tuple(sorted(found, key=lambda path: path.name, reverse=True))


def verify_backup(path: Path) -> Manifest:
    """Read a whole backup and hold it to its manifest; nothing is changed.

    Raises
    ------
    StorageError
        It is not one, is damaged, or was made by a newer program.
    """
    manifest = read_manifest(path)
    index = path / INDEX
    try:
        whole = index.stat().st_size == manifest.size_bytes and file_sha256(index) == manifest.sha256
    except OSError as error:
        raise StorageError(f"{index} cannot be read: {error.strerror}") from error
    if not whole:
        raise StorageError(f"{path} is damaged: the index in it is not the one that was backed up")
    facts = check_index(index)
    if facts.rows != manifest.rows or facts.schema != manifest.schema:
        raise StorageError(f"{path} is damaged: it does not hold what its manifest says")
    if facts.schema not in known_schemas():
        raise StorageError(f"{path} has schema {facts.schema}, newer than this program: install the newer program")
    return manifest


def read_manifest(path: Path) -> Manifest:
    """Read what a backup says of itself.

    Raises
    ------
    StorageError
        It is no backup, or one of a newer program.
    """
    try:
        values = json.loads((path / MANIFEST).read_bytes())
        manifest = Manifest(**{**values, "scope": Scope(values["scope"])})
    except OSError as error:
        raise StorageError(f"{path} is no backup: {MANIFEST}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise StorageError(
            f"{path} is damaged, or was made by a newer program: its {MANIFEST} cannot be read"
        ) from error
    if manifest.format != FORMAT:
        raise StorageError(f"{path} was made by a newer program")
    return manifest


def store_beside(path: Path) -> Path:
    """Name the folder with the files of a backup."""
    return path.parent / STORE


def digests_in(index: Path, columns: tuple[tuple[str, str], ...] = OWN) -> Iterator[str]:
    """Go through the digests that an index names which nobody writes; an earlier schema may lack a column."""
    with looked_at(index) as connection:
        for table, column in columns:
            columns_there = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            if column in columns_there:
                here = " AND removed_at IS NULL" if "removed_at" in columns_there else ""
                statement = f"SELECT {column} FROM {table} WHERE {column} <> ''{here}"  # noqa: S608 -- constants
                for (sha256,) in connection.execute(statement):
                    yield str(sha256)


def _make(order: BackupOrder, part: Path, copied: Copied) -> tuple[Manifest, float]:
    require_room(order.folder, order.index.stat().st_size, reserve_bytes=order.reserve_bytes)
    part.mkdir(mode=0o700)
    index = part / INDEX
    held = copy_index(order.index, index)
    facts = check_index(index)
    if order.scope is not Scope.INDEX:
        _copy_files(order, index, copied)
    manifest = _manifest(order, index, facts)
    replace_file(part / MANIFEST, canonical_json(asdict(manifest)) + b"\n", mode=0o600)
    return manifest, held


def _copy_files(order: BackupOrder, index: Path, copied: Copied) -> None:
    target = FileStore(order.folder / STORE)
    target.sweep_incoming()
    columns = OWN + RECEIVED if order.scope is Scope.ALL else OWN
    reserve = order.reserve_bytes
    copy_files(order.files, target, digests_in(index, columns), copied, reserve_bytes=reserve)
    # Also those that came after the copy of the index: a restored index takes them up.
    copy_records(order.files, target, copied, reserve_bytes=reserve)


def _manifest(order: BackupOrder, index: Path, facts: IndexFacts) -> Manifest:
    return Manifest(
        made_at=order.now,
        program=order.program,
        scope=order.scope,
        sha256=file_sha256(index),
        size_bytes=index.stat().st_size,
        schema=facts.schema,
        rows=facts.rows,
    )


def _bring_back(folder: Path, now: float) -> None:
    """Give backups that a clock made which was ahead an earlier name: as the newest they would outlive all others.

    That is the moment of the last before them, to which seconds are added: not later than they were made, and the
    order of all stays.
    """
    there, limit = backups(folder)[::-1], datetime.fromtimestamp(now, tz=UTC).strftime(STAMP)
    right = [path.name for path in there if path.name <= limit]
    moment = _moment(right[-1]) if right else datetime.fromtimestamp(0, tz=UTC)
    for path in there[len(right) :]:
        moment += timedelta(seconds=1)
        path.rename(path.with_name(moment.strftime(STAMP)))
    sync_folder(folder)


def _moment(name: str) -> datetime:
    return datetime.strptime(name, STAMP).replace(tzinfo=UTC)


def _free_name(folder: Path, now: float) -> Path:
    moment = datetime.fromtimestamp(now, tz=UTC)
    while (path := folder / moment.strftime(STAMP)).exists():
        moment += timedelta(seconds=1)
    return path


def _remove_older(folder: Path, kept: int) -> tuple[str, ...]:
    """Remove all whole backups but the newest; each loses its name first, so that no part of one is taken for one."""
    older = backups(folder)[kept:]
    for path in older:
        going = path.with_name(path.name + GOING)
        path.rename(going)
        shutil.rmtree(going)
    return tuple(path.name for path in older)


def _prune(order: BackupOrder) -> Pruned:
    store, oldest = order.folder / STORE, backups(order.folder)[-1].name
    made_at = _moment(oldest).timestamp()
    if not store.is_dir():
        return Pruned()
    try:
        return prune(order.files, FileStore(store), oldest=made_at)
    except OSError as error:
        text = f"the backup is made, but what no backup needs any more stays in {store}: {error.strerror}"
        raise StorageError(text) from error


def _remove_left_over(folder: Path) -> None:
    """Remove what killed processes left: we are the only writer of this folder now."""
    for entry in list(os.scandir(folder)):
        if _LEFT.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
