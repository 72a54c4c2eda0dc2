"""Room on the disk: how much is free, and whether that is less than must stay free."""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000
# A file system with bytes and no inodes takes no file either; an exam and its results need a few dozen.
LEAST_FREE_FILES = 1000


@dataclass(frozen=True)
class Space:
    """What a file system has left for this user.

    Parameters
    ----------
    free_bytes
        Without what only root may use.
    free_files
        Inodes; None where the file system has no fixed number of them.
    """

    free_bytes: int
    free_files: int | None = None


def space_of(folder: Path) -> Space:
    """Ask the file system of a folder: one system call, some microseconds.

    Raises
    ------
    OSError
        The folder is not there, or its disk has failed.
    """
    found = os.statvfs(folder)
    return Space(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def shortage(space: Space, reserve_bytes: int) -> str:
    """Say in an administrator's words why nothing more may be taken; "" if it may.

    What is being received now may use the reserve up: a disk that fills nevertheless is met by the answer to each
    object (`dcis_node.receive.store`).

    Parameters
    ----------
    reserve_bytes
        What must stay free; 0 = nothing, and a disk is full when it is full.

    Returns
    -------
    str
        At most 64 characters for any disk below 1 EB, so that it fits an Error Comment (0000,0902).
    """
    if not reserve_bytes:
        return ""
    if space.free_bytes < reserve_bytes:
        return f"disk: {space.free_bytes // MEGABYTE} MB free, {reserve_bytes // MEGABYTE} MB are kept free"
    if space.free_files is not None and space.free_files < LEAST_FREE_FILES:
        return f"disk: {space.free_files} inodes free, {LEAST_FREE_FILES} are kept free"
    return ""


class Reserve:
    """Keeps part of a disk free: asked before each object, it tells the log when a shortage begins and when it ends.

    Parameters
    ----------
    folder
        Where the objects go.
    reserve_bytes
        What must stay free; see `shortage`.
    ask
        Gives the space of a folder.
    """

    def __init__(self, folder: Path, reserve_bytes: int, *, ask: Callable[[Path], Space] = space_of) -> None:
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._ask = ask
        self._lock = threading.Lock()
        self._short = False

    def refusal(self) -> str:
        """Say why nothing may be taken now, or ""; never raises, callable from any thread."""
        try:
            text = shortage(self._ask(self._folder), self._reserve_bytes)
        except OSError as error:
            text = f"disk: {error.strerror or type(error).__name__}"
        with self._lock:
            began, ended = bool(text) and not self._short, self._short and not text
            self._short = bool(text)
        if began:
            log.error("event=disk_short text=%r", text)
        if ended:
            log.warning("event=disk_short_ended")
        return text
