"""One incoming object, streamed to disk as it arrives: hashed, capped, and whole or gone."""

import hashlib
import os
from pathlib import Path

from storage.files import FileStore

# Pieces smaller than this are collected; larger ones are written as they are, without a copy.
BUFFER_BYTES = 64 * 1024
# How much may wait for the disk. 27 MB and fsync take 15 ms so, and 23 ms where the disk begins at the fsync; and the
# memory of the machine does not fill with what still has to be written.
WRITEBACK_BYTES = 1024 * 1024


class SinkFault(Exception):  # noqa: N818 -- a state of the disk or a limit, not a fault of the program
    """The object is not whole on disk; the text says why, for the answer and the log."""


class Sink:
    """A part in `incoming/` that takes a data set piece by piece.

    It never raises while the peer is sending: what went wrong is remembered in `fault`, the rest of the data set runs
    by, and the peer gets an answer.

    Parameters
    ----------
    files
        Where the part lies.
    preface
        What stands before the data set in the file: preamble and File Meta Information.
    limit_bytes
        Most bytes of the whole file.
    refusal
        Why the object is not taken, known before its first byte: then nothing of it is written. "" if it is.
    """

    def __init__(self, files: FileStore, *, preface: bytes, limit_bytes: int, refusal: str = "") -> None:
        self.fault = refusal
        self.refused = bool(refusal)
        self.size_bytes = 0
        self.path: Path | None = None
        self._hash = hashlib.sha256()
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()
        self._written = self._on_the_way = 0
        self._descriptor = -1
        if refusal:
            return
        try:
            self.path, self._descriptor = files.new_part()
        except OSError as error:
            self._fail(error)
        self.write(preface)

    @property
    def sha256(self) -> str:
        """Digest of all that was written, in lower-case hexadecimal."""
        return self._hash.hexdigest()

    def write(self, data: bytes | memoryview) -> None:
        """Take the next piece; after a fault, drop it."""
        if self.fault or self.path is None:
            return
        self.size_bytes += len(data)
        if self.size_bytes > self._limit_bytes:
            self.discard()
            self.fault = f"larger than receive.max_dataset_bytes = {self._limit_bytes}"
            return
        self._hash.update(data)
        if len(data) >= BUFFER_BYTES:
            self.flush()
            self._put(data)
            return
        self._buffer += data
        if len(self._buffer) >= BUFFER_BYTES:
            self.flush()

    def flush(self) -> None:
        """Give all bytes to the operating system, so that the file can be read; remembers a fault."""
        if self._buffer:
            self._put(self._buffer)
            self._buffer.clear()

    def sync(self) -> None:
        """Put all bytes on disk; remembers a fault."""
        self.flush()
        if self.path is None:
            return
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            self._fail(error)

    def part(self) -> Path:
        """Give the file.

        Raises
        ------
        SinkFault
            Something went wrong since the first byte, or the association ended.
        """
        if self.path is None:
            raise SinkFault(self.fault or "the association ended")
        return self.path

    def release(self) -> None:
        """Let go of the file, which has its final name now."""
        self.path = None
        self._close()

    def discard(self) -> None:
        """Remove the part. After `release`, or a second time, does nothing."""
        path, self.path = self.path, None
        if path is not None:
            path.unlink(missing_ok=True)
        self._close()

    def _put(self, data: bytes | bytearray | memoryview) -> None:
        """Give bytes to the operating system, and have it begin to write them to the disk; remembers a fault."""
        if self.path is None:
            return
        try:
            with memoryview(data) as view:
                _write_all(self._descriptor, view)
            self._written += len(data)
            if self._written - self._on_the_way >= WRITEBACK_BYTES:
                self._write_back()
        except OSError as error:
            self._fail(error)

    def _write_back(self) -> None:
        """Begin to write to the disk.

        "Don't need" begins, on Linux, by writing what is not on disk yet (mm/fadvise.c), and does not wait for it. It
        drops what is on disk already: nothing of what was only just written, so that it is read from memory next.
        """
        begin, self._on_the_way = self._on_the_way, self._written
        os.posix_fadvise(self._descriptor, begin, self._written - begin, os.POSIX_FADV_DONTNEED)

    def _fail(self, error: OSError) -> None:
        self.discard()
        self.fault = f"disk: {error.strerror or type(error).__name__}"

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _write_all(descriptor: int, view: memoryview) -> None:
    """Write every byte: a disk that is filling up may take only some of them at first."""
    done = 0
    while done < len(view):
        done += os.write(descriptor, view[done:])
