"""Copy an SQLite index byte by byte while other processes write it: run as a process of its own.

    python -m storage.index_copy INDEX COPY

With a rollback journal whoever reads an index keeps all others from committing, and a large one takes longer to copy
than they wait. So it is copied twice: first as it is, without any lock; then under a read lock only what has changed
meanwhile, found by comparing digests, which takes as long as reading the file does. What was damaged stays damaged in
the copy: a check of the copy is a check of the index.

It is a process of its own because closing a file drops every lock that its process has on it, also those of an open
connection (sqlite.org/howtocorrupt.html, 2.2).
"""

import argparse
import hashlib
import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

CHUNK_BYTES = 1 << 20
THREADS = 4  # hashing lets go of the interpreter: as many cores work as there are
LOCK_SECONDS = 60.0  # how long to wait for those who write
CANNOT_COPY = 1


def copy_twice(source: str, target: str) -> dict[str, float]:
    """Copy an index to a new file (0600) and put it on disk.

    Returns
    -------
    dict
        `held_seconds`, for which nobody could commit; `chunks` in all, `changed` of them under the lock.

    Raises
    ------
    OSError
        A disk is full or failed; what was written is left.
    sqlite3.Error
        The index cannot be locked.
    """
    read = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    written = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def copy(offset: int) -> bytes:
        data = os.pread(read, CHUNK_BYTES, offset)
        _write(written, data, offset)
        return hashlib.sha256(data).digest()

    def mend(offset: int, known: bytes) -> bool:
        data = os.pread(read, CHUNK_BYTES, offset)
        if hashlib.sha256(data).digest() == known:
            return False
        _write(written, data, offset)
        return True

    try:
        with ThreadPoolExecutor(THREADS) as pool:
            digests = list(pool.map(copy, range(0, os.fstat(read).st_size, CHUNK_BYTES)))
            os.fsync(written)
            with _nobody_commits(source) as held_since:
                size = os.fstat(read).st_size
                offsets = range(0, size, CHUNK_BYTES)
                digests += [b""] * (len(offsets) - len(digests))
                changed = sum(pool.map(mend, offsets, digests))
                os.ftruncate(written, size)
                held = time.monotonic() - held_since
        os.fsync(written)
    finally:
        os.close(written)
        os.close(read)
    return {"held_seconds": round(held, 3), "chunks": len(offsets), "changed": changed}


def _write(descriptor: int, data: bytes, offset: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], offset + done)


@contextmanager
def _nobody_commits(source: str) -> Iterator[float]:
    """Hold a read lock; what a killed writer left half done is taken back first, by SQLite itself."""
    with closing(sqlite3.connect(source, timeout=LOCK_SECONDS, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield time.monotonic()
        connection.execute("ROLLBACK")


def main() -> int:
    """Copy, and print what it took as one JSON object; on an error one line on standard error and exit code 1."""
    parser = argparse.ArgumentParser(description="copy an SQLite index while it is written")
    parser.add_argument("source")
    parser.add_argument("target")
    arguments = parser.parse_args()
    try:
        took = copy_twice(arguments.source, arguments.target)
    except OSError as error:
        sys.stderr.write(f"{error.strerror}\n")
        return CANNOT_COPY
    except sqlite3.Error as error:
        sys.stderr.write(f"{type(error).__name__} {getattr(error, 'sqlite_errorname', '')}\n")
        return CANNOT_COPY
    sys.stdout.write(json.dumps(took) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
