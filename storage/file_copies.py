"""Files and records copied from one folder of files into another: each is verified while it is copied."""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dcis_node.errors import StorageError
from storage.durable import CHUNK_BYTES
from storage.files import FileStore
from storage.records import Records

MOST_NAMED = 20


@dataclass
class Copied:
    """What a copy came to.

    Parameters
    ----------
    files, records, size_bytes
        What was new.
    known
        Files that were in the target already.
    missing_count, damaged_count
        Files that are not in the source, or whose bytes are not those that were stored: neither is copied.
    faults
        The first few of both, by digest or name.
    """

    files: int = 0
    records: int = 0
    size_bytes: int = 0
    known: int = 0
    missing_count: int = 0
    damaged_count: int = 0
    faults: list[str] = field(default_factory=list)
    _noted: set[str] = field(default_factory=set, repr=False)

    @property
    def ok(self) -> bool:
        """False if a person has to look."""
        return not (self.missing_count or self.damaged_count)

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def note(self, fault: str, name: str) -> None:
        """Count a file or record that cannot be copied, once."""
        if name in self._noted:
            return
        self._noted.add(name)
        if fault == "missing":
            self.missing_count += 1
        else:
            self.damaged_count += 1
        self.faults += [f"{fault} {name}"] if len(self.faults) < MOST_NAMED else []


def copy_files(
    source: FileStore, target: FileStore, digests: Iterable[str], copied: Copied, *, reserve_bytes: int = 0
) -> None:
    """Copy the files that the target lacks; each is on disk there before it gets its name.

    Parameters
    ----------
    reserve_bytes
        What must stay free on the disk of the target.

    Raises
    ------
    OSError
        The disk of the target is full or failed. What was copied stays, and is known the next time.
    """
    for sha256 in digests:
        if target.exists(sha256):
            copied.known += 1
        elif not source.exists(sha256):
            copied.note("missing", sha256)
        else:
            require_room(target.root, source.path(sha256).stat().st_size, reserve_bytes=reserve_bytes)
            _copy_file(source, target, sha256, copied)


def copy_records(source: FileStore, target: FileStore, copied: Copied, *, reserve_bytes: int = 0) -> None:
    """Copy the records that the target lacks, each after the files that it names.

    Raises
    ------
    OSError
        The disk of the target is full or failed.
    """
    read, written = Records(source), Records(target)
    for number in range(256):
        there = set(written.names_of(number))
        for name in sorted(set(read.names_of(number)) - there):
            try:
                record = read.read(name)
            except StorageError:
                copied.note("damaged", name)
                continue
            copy_files(source, target, record.files, copied, reserve_bytes=reserve_bytes)
            written.keep(record)
            copied.records += 1


def require_room(folder: Path, size_bytes: int, *, reserve_bytes: int) -> None:
    """Refuse to write so much that less than the reserve would be left.

    Raises
    ------
    OSError
        ENOSPC.
    """
    if shutil.disk_usage(folder).free - size_bytes < reserve_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _copy_file(source: FileStore, target: FileStore, sha256: str, copied: Copied) -> None:
    part, descriptor = target.new_part()
    try:
        with os.fdopen(descriptor, "wb") as file:
            found, size = _pour(source.path(sha256), file.fileno())
            if found != sha256:
                copied.note("damaged", sha256)
                return
            # The moment it came is what an index is made again by.
            target.adopt(part, sha256, moment=source.moment(sha256))
    finally:
        part.unlink(missing_ok=True)
    copied.files += 1
    copied.size_bytes += size


def _pour(path: Path, descriptor: int) -> tuple[str, int]:
    """Copy bytes and put them on disk; give their digest and number. A source that cannot be read is damaged ("")."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while True:
            try:
                chunk = file.read(CHUNK_BYTES)
            except OSError:
                return "", size
            if not chunk:
                break
            digest.update(chunk)
            view = memoryview(chunk)
            while view:
                view = view[os.write(descriptor, view) :]
            size += len(chunk)
    os.fsync(descriptor)
    return digest.hexdigest(), size
