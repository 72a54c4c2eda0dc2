"""One process for each name and folder, held by a lock that dies with it."""

import fcntl
import os
import time
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
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
