"""Read the header of a part: bounded in bytes and in elements, never its pixels."""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

import pydicom
from pydicom import DataElement, Dataset
from pydicom.sequence import Sequence

from dcis_node.errors import HeaderError

# A mammogram's header is under 1 MB; a CAD SR or the frames' items of a tomosynthesis object are a few.
MOST_HEADER_BYTES = 16 * 1024 * 1024
# Two reads are the least that an element costs; a file of a million empty items is small and becomes gigabytes.
MOST_READS = 400_000
# Sequences in sequences: an SR tree has a dozen. Near the end of Python's stack an object might be read here, and not
# by the next process, which stands deeper.
MOST_DEPTH = 64
# Larger values (thumbnails, vendors' blobs) are passed over, not read.
DEFER_BYTES = 64 * 1024

# Pixel Data, and Float and Double Float Pixel Data.
PIXELS = frozenset({0x7FE00010, 0x7FE00009, 0x7FE00008})

UNREADABLE = "header_unreadable"

_QUIET = threading.Lock()


def read_part(path: Path) -> Dataset:
    """Read everything before the pixels.

    Returns
    -------
    pydicom.Dataset
        The header with its File Meta Information.

    Raises
    ------
    HeaderError
        The bytes are no DICOM header, or exceed a limit. The text has no value of the object.
    """
    with path.open("rb") as file, quiet():
        reader = _Bounded(file)
        try:
            # pydicom reads what it is given with read, seek and tell only.
            header = pydicom.dcmread(reader, stop_before_pixels=True, defer_size=DEFER_BYTES)
        except Exception as error:  # noqa: BLE001 -- whatever pydicom makes of hostile bytes, RecursionError among it
            text = reader.fault or f"header cannot be read ({type(error).__name__})"
            raise HeaderError(UNREADABLE, text) from None
    if _is_deeper(header, MOST_DEPTH):
        raise HeaderError(UNREADABLE, f"sequences are nested more than {MOST_DEPTH} deep")
    return header


def header_bytes(path: Path) -> bytes:
    """Give the bytes of a file before its pixels, as they stand in it; b"" where they cannot be read. Never raises.

    They make a file of their own that `read_part` reads like the whole one.
    """
    try:
        with path.open("rb") as file, quiet():
            # pydicom reads what it is given with read, seek and tell only.
            reader = cast("BinaryIO", _Bounded(file))
            pydicom.filereader.read_partial(reader, lambda tag, *_: tag in PIXELS, defer_size=DEFER_BYTES)
            end = file.tell()
            file.seek(0)
            return file.read(end) if end <= MOST_HEADER_BYTES else b""
    except Exception:  # noqa: BLE001 -- whatever pydicom makes of damaged bytes: there is no header then
        return b""


def _is_deeper(header: Dataset, most: int) -> bool:
    """Tell whether sequences are nested deeper; those of known length are not read yet, nor by anyone all at once."""
    level = [header]
    for _ in range(most + 1):
        sequences = (element.value for ds in level for element in ds.values() if isinstance(element, DataElement))
        level = [item for value in sequences if isinstance(value, Sequence) for item in value]
        if not level:
            return False
    return True


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom's warnings, which quote values, off standard error; one thread at a time."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Bounded:
    """A file that gives only so many bytes in so many reads; `fault` says what was exceeded."""

    def __init__(self, file: BinaryIO) -> None:
        self.fault = ""
        self._file = file
        self._bytes_left = MOST_HEADER_BYTES
        self._reads_left = MOST_READS

    def read(self, size: int = -1) -> bytes:
        self._reads_left -= 1
        if self._reads_left < 0:
            self._refuse(f"header has more than {MOST_READS // 2} elements")
        if size < 0 or size > self._bytes_left:
            # One byte more tells a header that is too long from one that merely claims to be.
            data = self._file.read(self._bytes_left + 1)
            if len(data) > self._bytes_left:
                self._refuse(f"header is longer than {MOST_HEADER_BYTES} bytes")
        else:
            data = self._file.read(size)
        self._bytes_left -= len(data)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def _refuse(self, fault: str) -> NoReturn:
        self.fault = fault
        raise OSError(fault)

    def tell(self) -> int:
        return self._file.tell()
