"""Files that are whole or not there: written beside, put on disk, then renamed. And one writer at a time."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dcis_node.errors import StorageError
from storage.files import sync_folder

CHUNK_BYTES = 1 << 20
READ_ONLY = 0o444
LOCK = "lock"


def replace_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Give a file new content in one step that survives a power cut; readers see the old or the new, never a part.

    Raises
    ------
    OSError
        The disk is full or failed; the old content stands.
    """
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    part.replace(path)
    sync_folder(path.parent)


def copy_read_only(source: Path, target: Path) -> str:
    """Copy a file to a place where there is none, put it on disk, forbid writing it.

    Returns
    -------
    str
        The SHA-256 digest of what was copied.
    """
    digest = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with source.open("rb") as read, os.fdopen(descriptor, "wb") as written:
        while chunk := read.read(CHUNK_BYTES):
            digest.update(chunk)
            written.write(chunk)
        written.flush()
        os.fchmod(descriptor, READ_ONLY)
        os.fsync(descriptor)
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """Give the SHA-256 digest of a file.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Be the only writer of a folder; the kernel frees it however its holder ends. A failing disk is a StorageError."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}") from error
