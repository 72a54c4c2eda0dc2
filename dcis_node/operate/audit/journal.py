"""Audit messages on disk: files that only grow, one for each life of a process and at most so long.

What a file holds up to its last line end is whole. A line without an end is what a kill or a full disk has left of a
message that was not told yet.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from storage.files import sync_folder

SUFFIX = ".audit"
LONGEST_BYTES = 4 * 1024 * 1024
LONGEST_SECONDS = 24 * 3600.0


class Journal:
    """The file that one process writes; not for several threads at once.

    The lock that it holds on the file says that the file may still grow; the kernel frees it however the process ends.

    Parameters
    ----------
    folder
        Made (0700) if missing; the files are 0600.
    name
        Of the process, from our own configuration.
    clock
        Unix seconds.
    """

    def __init__(self, folder: Path, name: str, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._name = name
        self._clock = clock
        self._descriptor = -1
        self._size = 0
        self._opened_at = 0.0

    def append(self, line: bytes) -> None:
        """Write one message; from here on a kill of this process does not lose it, and after `sync` no power cut does.

        Raises
        ------
        OSError
            The disk is full or failed; nothing of the message is left.
        """
        if self._descriptor >= 0 and self._is_long():
            self.sync()
            self.close()
        if self._descriptor < 0:
            self._open()
        data = memoryview(line + b"\n")
        try:
            done = 0
            while done < len(data):
                done += os.write(self._descriptor, data[done:])
        except OSError:
            self._undo()
            raise
        self._size += len(data)

    def sync(self) -> None:
        """Put all messages on disk.

        Raises
        ------
        OSError
            The disk failed. The file is left as it is, and the next message goes into another: what the kernel still
            has of this one cannot be known any more.
        """
        if self._descriptor < 0:
            return
        try:
            os.fdatasync(self._descriptor)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """End this file; the next message begins another."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _is_long(self) -> bool:
        return self._size >= LONGEST_BYTES or self._clock() - self._opened_at >= LONGEST_SECONDS

    def _open(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._opened_at = self._clock()
        path = self._folder / f"{time.time_ns():020d}-{self._name}{SUFFIX}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor, self._size = descriptor, 0

    def _undo(self) -> None:
        """Take back a message of which only a part could be written, or leave the file."""
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            self.close()


def journals(folder: Path) -> list[Path]:
    """List the files of all processes, the oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def whole_lines(path: Path, offset: int) -> Iterator[tuple[bytes, int]]:
    """Read the messages of a file from an offset on; each comes with the offset of the one after it.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield line[:-1], offset


def is_finished(path: Path) -> bool:
    """Tell whether nobody writes this file any more."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
