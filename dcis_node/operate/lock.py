"""One process for each name and folder, held by a lock that dies with it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from dcis_node.errors import StorageError


class NameLock:
    """Hold the name of a process in a data folder.

    The kernel frees the lock when the process ends, however it ends: there is no stale lock file to clean up.

    Parameters
    ----------
    folder
        Data folder of the node.
    name
        Name of the process, from our own configuration.
    patience_seconds
        How long to wait for a predecessor that is still leaving.

    Raises
    ------
    StorageError
        On entry, when another process of that name still runs after the wait.
    """

    def __init__(self, folder: Path, name: str, *, patience_seconds: float = 15.0) -> None:
        self._path = folder / "locks" / f"{name}.lock"
        self._name = name
        self._patience_seconds = patience_seconds
        self._descriptor = -1

    def __enter__(self) -> "NameLock":
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        end = time.monotonic() + self._patience_seconds
        while not self._try():
            if time.monotonic() > end:
                os.close(self._descriptor)
                raise StorageError(f"another process named {self._name} runs on this data folder")
            time.sleep(0.05)
        return self

    def _try(self) -> bool:
        return _locked(self._descriptor, fcntl.LOCK_EX)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def is_held(folder: Path, name: str) -> bool:
    """Tell whether a process of that name runs on a data folder."""
    try:
        descriptor = os.open(folder / "locks" / f"{name}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _locked(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


@contextmanager
def folder_in_use(folder: Path, *, alone: bool, patience_seconds: float = 15.0) -> Iterator[None]:
    """Use a data folder together with the node's other processes, or alone.

    Parameters
    ----------
    alone
        True for what must not meet a running node: while it holds the folder, no process of the node starts.
    patience_seconds
        How long to wait for those who are still leaving.

    Raises
    ------
    StorageError
        On entry, when the node runs (`alone`), or when somebody has the folder alone.
    """
    path = folder / "locks" / "folder.lock"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + patience_seconds
    try:
        while not _locked(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH):
            if time.monotonic() > end:
                who = "the node runs" if alone else "the index is being made again or restored"
                raise StorageError(f"{who} on this data folder: stop that first")
            time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
