"""The places for associations that all receiver processes of a host share.

Nothing is written down: the kernel's table of locks is the list of who holds which place. A place is a wide range of
offsets of an empty file. Its holder locks the first bytes of the range, and how many says for whom: the length of the
lock carries digests of AE title and address. So a place is free at the moment its process ends, however it ends; no
full, slow or read-only disk can touch the list; and there is nothing stale to clean up.

The locks are open file description locks (Linux 3.15): they belong to the opened file, not to the process, so threads
and several receivers in one process count right as well.
"""

import fcntl
import hashlib
import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Answer = TypeVar("Answer")

MOST_PLACES = 1000  # no setting allows more (config.reception)
# 2**53 offsets for each place: a file's offsets end at 2**63.
_WIDTH_BITS = 53
# Two strings that share 26 bits (one pair in 67 million) are counted as one: a refusal too early, at worst.
_DIGEST_BITS = 26
_DIGEST_MASK = (1 << _DIGEST_BITS) - 1
# Range 0 is the door: held while places are counted and one is taken, so that no two processes take the last one.
_DOOR = 0
# struct flock of 64-bit Linux: type, whence, start, length, pid (0 with these locks).
_FLOCK = struct.Struct("hhqqi4x")


@dataclass(frozen=True)
class Taken:
    """How many places are taken: in all, for one calling AE title, and from one address."""

    total: int = 0
    of_aet: int = 0
    of_address: int = 0


class Places:
    """One process's view of the places. Its methods may be called from any thread.

    Parameters
    ----------
    path
        The file, the same for all receivers of a data folder, on a local disk. None: nobody shares it.

    Raises
    ------
    OSError
        The file cannot be made.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._own: dict[int, int] = {}  # place: digests
        if path is None:
            self._descriptor = os.memfd_create("associations", os.MFD_CLOEXEC)
        else:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(
        self, aet: str, address: str, *, judge: Callable[[Taken], Answer | None]
    ) -> tuple[int, None] | tuple[None, Answer]:
        """Take a place, if the number of those taken allows it.

        No place is taken or counted by any process while `judge` is asked, so it has to be quick.

        Parameters
        ----------
        judge
            Told how many are taken before, gives None if one more may be, or the reason why not.

        Returns
        -------
        tuple
            The place and None, or None and the reason.
        """
        digests = _digest(aet) << _DIGEST_BITS | _digest(address)
        with self._lock, self._door():
            taken = {**self._of_others(), **self._own}
            reason = judge(_count(taken, digests))
            if reason is not None:
                return None, reason
            place = next(number for number in range(1, MOST_PLACES + 2) if number not in taken)
            self._call(fcntl.F_OFD_SETLK, fcntl.F_WRLCK, place << _WIDTH_BITS, 1 + digests)
            self._own[place] = digests
            return place, None

    def free(self, place: int) -> None:
        """Give a place back; after `close` there is none to give."""
        with self._lock:
            if self._own.pop(place, None) is None:
                return
            self._call(fcntl.F_OFD_SETLK, fcntl.F_UNLCK, place << _WIDTH_BITS, 1 << _WIDTH_BITS)

    def close(self) -> None:
        """Give all places back."""
        with self._lock:
            self._own.clear()
            os.close(self._descriptor)

    @contextmanager
    def _door(self) -> Iterator[None]:
        self._call(fcntl.F_OFD_SETLKW, fcntl.F_WRLCK, _DOOR, 1)
        try:
            yield
        finally:
            self._call(fcntl.F_OFD_SETLK, fcntl.F_UNLCK, _DOOR, 1)

    def _of_others(self) -> dict[int, int]:
        """Read the places that other processes hold, with their digests.

        The kernel names one lock in a range at a time, and never our own: what lies before and after it is asked next.
        """
        found: dict[int, int] = {}
        ranges = [(1, MOST_PLACES + 1)]
        while ranges:
            first, last = ranges.pop()
            start = first << _WIDTH_BITS
            answer = self._call(fcntl.F_OFD_GETLK, fcntl.F_WRLCK, start, ((last + 1) << _WIDTH_BITS) - start)
            kind, _, where, length, _ = _FLOCK.unpack(answer)
            if kind == fcntl.F_UNLCK:
                continue
            place = where >> _WIDTH_BITS
            found[place] = length - 1
            ranges += [span for span in ((first, place - 1), (place + 1, last)) if span[0] <= span[1]]
        return found

    def _call(self, command: int, kind: int, start: int, length: int) -> bytes:
        return fcntl.fcntl(self._descriptor, command, _FLOCK.pack(kind, os.SEEK_SET, start, length, 0))


def _digest(text: str) -> int:
    """Give 26 bits that stand for a string; the string itself is kept nowhere."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") & _DIGEST_MASK


def _count(taken: dict[int, int], digests: int) -> Taken:
    aet, address = digests >> _DIGEST_BITS, digests & _DIGEST_MASK
    return Taken(
        total=len(taken),
        of_aet=sum(other >> _DIGEST_BITS == aet for other in taken.values()),
        of_address=sum(other & _DIGEST_MASK == address for other in taken.values()),
    )
