"""Files as the body of a STOW-RS request: multipart/related (RFC 2387), streamed from the disk and of known length."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dcis_node.errors import DeliveryError

CHUNK_BYTES = 64 * 1024
# Without the transfer syntax, which the file names itself: Orthanc's plugin 1.7 answers 200 to a part with that
# parameter, and stores nothing.
PART_HEADER = b"Content-Type: application/dicom\r\n\r\n"


@dataclass(frozen=True)
class Multipart:
    """The body of a request. Can be read more than once; the files are opened one after the other.

    Parameters
    ----------
    parts
        Path and size in bytes of each file.
    boundary
        Occurs in none of them.
    """

    parts: tuple[tuple[Path, int], ...]
    boundary: str

    @property
    def content_type(self) -> str:
        """Value of the request's Content-Type (PS3.18 8.7.3.3)."""
        return f'multipart/related; type="application/dicom"; boundary={self.boundary}'

    def __len__(self) -> int:
        """Give the length of the whole body in bytes."""
        frame = len(self._head()) + len(b"\r\n")
        return sum(frame + size for _, size in self.parts) + len(self._tail())

    def __iter__(self) -> Iterator[bytes]:
        """Give the body piece by piece.

        Raises
        ------
        DeliveryError
            A file cannot be read, or is not as long as it was: the request must not be finished.
        """
        for path, size in self.parts:
            yield self._head()
            left = size
            for chunk in _chunks(path):
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
            if left:
                raise DeliveryError("the stored file changed while it was sent", permanent=False)
            yield b"\r\n"
        yield self._tail()

    def _head(self) -> bytes:
        return b"--" + self.boundary.encode() + b"\r\n" + PART_HEADER

    def _tail(self) -> bytes:
        return b"--" + self.boundary.encode() + b"--\r\n"


def multipart_of(paths: Sequence[Path], *, draw: Callable[[], str] = lambda: secrets.token_hex(16)) -> Multipart:
    """Make the body of a request from files.

    Parameters
    ----------
    paths
        At least one.
    draw
        Proposes a boundary; asked again while the proposed one occurs in a file.

    Raises
    ------
    DeliveryError
        A file cannot be read.
    """
    try:
        parts = tuple((path, path.stat().st_size) for path in paths)
    except OSError as error:
        raise DeliveryError(f"cannot be read: {error.strerror}", permanent=False) from error
    boundary = draw()
    while any(occurs(boundary.encode(), _chunks(path)) for path in paths):
        boundary = draw()
    return Multipart(parts, boundary)


def occurs(needle: bytes, chunks: Iterable[bytes]) -> bool:
    """Tell whether bytes occur in a stream, also across the border of two chunks."""
    tail = b""
    for chunk in chunks:
        window = tail + chunk
        if needle in window:
            return True
        tail = window[max(0, len(window) - len(needle) + 1) :]
    return False


def _chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        # Not an OSError: those of the body would be taken for those of the connection.
        raise DeliveryError(f"cannot be read: {error.strerror}", permanent=False) from error
