"""Files by the SHA-256 of their content: what has a name here is whole, on disk, and never changes."""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from dcis_node.errors import StorageError

PART_SUFFIX = ".part"
TRASH_SUFFIX = ".trash"
QUARANTINE = "quarantine"
NANOSECONDS = 1_000_000_000
_DIGEST = re.compile(r"[0-9a-f]{64}")


class FileStore:
    """A folder of files named by their SHA-256 digest, in 256 sub-folders.

    Files are 0600, folders 0700. Names come from digests and random numbers only, never from a peer.

    Parameters
    ----------
    root
        The folder; made if missing. `incoming/` in it holds what is still being written, on the same file system.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.incoming = root / "incoming"
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.incoming.mkdir(mode=0o700, exist_ok=True)
        for number in range(256):
            (root / f"{number:02x}").mkdir(mode=0o700, exist_ok=True)
        # All folders are on disk before the first file is: no later moment has to think of them.
        sync_folder(root)
        sync_folder(root.parent)

    def path(self, sha256: str) -> Path:
        """Give the place of a digest, whether or not a file is there.

        Raises
        ------
        StorageError
            The text is not a SHA-256 digest in lower-case hexadecimal.
        """
        if not _DIGEST.fullmatch(sha256):
            msg = "not a SHA-256 digest"
            raise StorageError(msg)
        return self.root / sha256[:2] / sha256

    def exists(self, sha256: str) -> bool:
        """Tell whether the file of a digest is here."""
        return self.path(sha256).is_file()

    def adopt(self, part: Path, sha256: str, *, moment: float | None = None) -> Path:
        """Give a finished part its final name, durably.

        The part lies in `incoming/` and is already on disk (fsync). A file of the same digest is replaced by it, so
        that a damaged copy heals. After return the name survives a power cut.

        Parameters
        ----------
        moment
            When these bytes came (Unix seconds): kept as the time of the file's last change, so that an index that is
            lost can be made again in the order of arrival. Bytes that were here before keep the moment they have.

        Raises
        ------
        OSError
            The rename or the fsync of the folder failed; the part may still be in `incoming/`.
        """
        target = self.path(sha256)
        first = _first_moment(target, moment)
        if first is not None:
            os.utime(part, ns=(first, first))
        part.replace(target)
        sync_folder(target.parent)
        return target

    def put(self, data: bytes, *, moment: float | None = None) -> str:
        """Store bytes durably.

        Parameters
        ----------
        moment
            As for `adopt`.

        Returns
        -------
        str
            Their SHA-256 digest. Storing the same bytes again gives the same digest and one file.

        Raises
        ------
        OSError
            The disk is full or failed; nothing is left.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        part, descriptor = self.new_part()
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
                self.adopt(part, sha256, moment=moment)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return sha256

    def read(self, sha256: str, *, verify: bool = True) -> bytes:
        """Read a whole file.

        Parameters
        ----------
        sha256
            Its digest.
        verify
            Hash what was read and compare.

        Raises
        ------
        StorageError
            The file is missing, cannot be read, or (with `verify`) its bytes are not those that were stored.
        """
        try:
            data = self.path(sha256).read_bytes()
        except OSError as error:
            msg = f"file {sha256} cannot be read: {error.strerror}"
            raise StorageError(msg) from error
        if verify and hashlib.sha256(data).hexdigest() != sha256:
            msg = f"file {sha256} is damaged: its bytes have another digest"
            raise StorageError(msg)
        return data

    def new_part(self) -> tuple[Path, int]:
        """Create a part in `incoming/` for writing.

        Returns
        -------
        tuple
            Its path and an open descriptor (0600). A lock on the descriptor marks the part as alive until the
            descriptor is closed or its process dies, however it dies (see `sweep_incoming`).
        """
        while True:
            part = self.incoming / f"{secrets.token_hex(16)}{PART_SUFFIX}"
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            if _lock(descriptor) and os.fstat(descriptor).st_nlink:
                return part, descriptor
            # A sweep came between creation and lock, and took it for dead.
            os.close(descriptor)

    def sweep_incoming(self) -> int:
        """Remove the parts of processes that died; those still being written stay.

        Returns
        -------
        int
            How many were removed. Nothing acknowledged is ever among them: parts get their final name before.
        """
        return sum(_remove_if_dead(part) for part in self.incoming.glob(f"*{PART_SUFFIX}"))

    def digests(self) -> Iterator[str]:
        """Go through the digests of all files here, in no order."""
        for number in range(256):
            yield from self.digests_of(number)

    def digests_of(self, number: int) -> Iterator[str]:
        """Go through the digests of the files whose name begins with this byte, in no order."""
        with os.scandir(self.root / f"{number:02x}") as entries:
            yield from (entry.name for entry in entries if _DIGEST.fullmatch(entry.name))

    def moment(self, sha256: str) -> float:
        """Tell when the bytes of a file came (Unix seconds), as `adopt` was told.

        Raises
        ------
        OSError
            There is no such file.
        """
        return self.path(sha256).stat().st_mtime_ns / NANOSECONDS

    def named_at(self, sha256: str) -> float:
        """Tell when a file got its name last (Unix seconds): later than its moment if the same bytes came again.

        Raises
        ------
        OSError
            There is no such file.
        """
        return self.path(sha256).stat().st_ctime_ns / NANOSECONDS

    def set_aside(self, sha256: str) -> Path:
        """Move a file that is not what its name says, or nothing of ours, into `quarantine/`; nothing is deleted there.

        Raises
        ------
        OSError
            It is gone already, or the disk refused.
        """
        aside = self.root / QUARANTINE
        aside.mkdir(mode=0o700, exist_ok=True)
        target = self.path(sha256).replace(aside / sha256)
        sync_folder(aside)
        return target

    def remove(self, sha256: str, *, named_before: float) -> bool:
        """Remove a file that nobody needs; False if its name was given (again) since a moment (Unix seconds).

        Somebody may store the same bytes at this very moment: their file takes the place of the one that was looked
        at, and is put back.
        """
        path = self.path(sha256)
        trash = self.incoming / f"{sha256}{TRASH_SUFFIX}"
        try:
            looked_at = path.stat()
            if looked_at.st_ctime_ns >= named_before * NANOSECONDS:
                return False
            path.rename(trash)
        except FileNotFoundError:
            return False
        if trash.stat().st_ino != looked_at.st_ino:
            trash.replace(path)
            return False
        trash.unlink()
        return True

    def restore_trash(self) -> int:
        """Give back their names to files that a killed process was about to remove; gives how many there were."""
        found = [trash for trash in self.incoming.glob(f"*{TRASH_SUFFIX}") if _DIGEST.fullmatch(trash.stem)]
        for trash in found:
            target = self.path(trash.stem)
            trash.unlink() if target.exists() else trash.replace(target)
        return len(found)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on disk: without it a renamed file can be gone after a power cut.

    Raises
    ------
    OSError
        The disk refused.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _first_moment(target: Path, moment: float | None) -> int | None:
    """Give the time (ns) that a file is to carry: the one of the same bytes that are here, else the one told."""
    try:
        return target.stat().st_mtime_ns
    except FileNotFoundError:
        # The product as one floating-point number would be off by a hundred nanoseconds.
        return None if moment is None else int(moment) * NANOSECONDS + round(moment % 1 * NANOSECONDS)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_if_dead(part: Path) -> bool:
    try:
        descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False  # finished or removed meanwhile
    try:
        if not _lock(descriptor):
            return False
        part.unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)
