"""The judge: what processes have used, what a log holds against them, and what lies where nothing should."""

import hashlib
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
LINE = re.compile(r"\d{4}-\d\d-\d\dT\S+ (DEBUG|INFO|WARNING|ERROR|CRITICAL) process=\S+ event=([a-z_]+)")
# What an ERROR may say of a bad peer; any other is a fault of ours.
BLAMELESS_ERRORS = frozenset({"refused"})
# Events that no peer may bring about.
FAULTS = frozenset(
    {
        "connection_failed",
        "accepting_failed",
        "admission_failed",
        "association_failed",
        "association_left_open",
    }
)
INTERNAL = re.compile(r"internal error|status=0xA700")
OWNER_ONLY = 0o600
# What else a receiver writes: the audit trail, named by itself.
OWN_FILES = re.compile(r"data/audit(/\d+-receive-\d+\.audit)?")
# A file of the store is named by its digest; nothing else may lie in it, but what is being received.
STORED = re.compile(r"[0-9a-f]{2}/[0-9a-f]{64}|incoming/[0-9a-f]{32}\.part")


@dataclass(frozen=True)
class Figures:
    """What a process has: resident memory (bytes), threads, open descriptors; all 0 once it is gone."""

    memory_bytes: int = 0
    threads: int = 0
    descriptors: int = 0


def figures_of(pid: int) -> Figures:
    """Ask the kernel."""
    folder = Path("/proc") / str(pid)
    try:
        pages = int((folder / "statm").read_text().split()[1])
        return Figures(pages * PAGE_BYTES, _count(folder / "task"), _count(folder / "fd"))
    except (OSError, IndexError):
        return Figures()


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


class Sampler:
    """Takes figures of processes again and again from a thread of its own, as long as the block runs."""

    def __init__(self, take: Callable[[], Sequence[Figures]], *, every_seconds: float = 0.5) -> None:
        self.taken: list[tuple[Figures, ...]] = []
        self._take = take
        self._every_seconds = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler")

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def peak_growth_bytes(self) -> int:
        """Give the most that any one process had more than at first."""
        first = self.taken[0]
        return max(
            now.memory_bytes - then.memory_bytes for taken in self.taken for now, then in zip(taken, first, strict=True)
        )

    def _run(self) -> None:
        while True:
            self.taken.append(tuple(self._take()))
            if self._stop.wait(self._every_seconds):
                return


def events(log: str) -> Counter[str]:
    """Count the events of a log."""
    return Counter(found[2] for line in log.splitlines() if (found := LINE.match(line)))


def faults(log: str) -> list[str]:
    """List the lines of a log that no peer may bring about: tracebacks, errors of ours, lines that are no events."""
    return [line for line in log.splitlines() if _is_fault(line)]


def _is_fault(line: str) -> bool:
    found = LINE.match(line)
    if found is None or found[2] in FAULTS or "internal error" in line:
        return True
    if found[2] == "refused" and re.search(r"text='\w+ at \w+:\d+'", line):
        return True  # an exception of ours, answered as one
    return found[1] in ("ERROR", "CRITICAL") and found[2] not in BLAMELESS_ERRORS


def tree(folder: Path) -> frozenset[str]:
    """List everything below a folder, by relative path."""
    return frozenset(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def strays(folder: Path, before: frozenset[str], *, store: Path) -> list[str]:
    """List what has appeared below a folder and is no object of the store, nor the index or the log that grow anyway.

    Parameters
    ----------
    before
        Its `tree` before.
    """
    kept = store.relative_to(folder).as_posix() + "/"
    new = tree(folder) - before
    return sorted(path for path in new if not (_is_kept(path, kept) or OWN_FILES.fullmatch(path)))


def _is_kept(path: str, kept: str) -> bool:
    return path.startswith(kept) and bool(STORED.fullmatch(path.removeprefix(kept)))


def damaged(store: Path) -> list[str]:
    """List the files of a store whose bytes have another digest than their name says, or that others may read."""
    return [
        path.name
        for path in store.glob("[0-9a-f][0-9a-f]/*")
        if hashlib.sha256(path.read_bytes()).hexdigest() != path.name or path.stat().st_mode & 0o777 != OWNER_ONLY
    ]


def named(token: str, *folders: Path) -> list[str]:
    """List what lies in these folders (not below) with a token of ours in its name."""
    return sorted(str(path) for folder in folders for path in folder.iterdir() if token in path.name)
