"""What is kept of objects that have left by the rule of retention: two sorts of records (see `storage.records`)."""

import base64
from dataclasses import dataclass

REMOVED, RETIRED = "removed", "retired"


@dataclass(frozen=True)
class RecordedRemoval:
    """What is kept of an image that has left: enough for a late view's report, and for its row if the index is lost.

    It counts only while the image itself is not here: one that has come again speaks for itself.

    Parameters
    ----------
    size_bytes
        Of the image.
    received_at, removed_at
        Unix seconds.
    header
        The bytes of the file before the pixels, in base64; "" where they could not be read.
    """

    sha256: str
    size_bytes: int
    received_at: float
    removed_at: float
    header: str

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.sha256}.{REMOVED}"

    @property
    def moment(self) -> float:
        """When the image came: Unix seconds."""
        return self.received_at

    @property
    def files(self) -> tuple[str, ...]:
        """Digests of the files it names as its own."""
        return ()

    @property
    def header_bytes(self) -> bytes:
        """Give the header as it stood in the file."""
        return base64.b64decode(self.header)


@dataclass(frozen=True)
class RecordedRetirement:
    """That all that was found and answered of an object has left too.

    What a restored backup still holds of it from before must not come to life again; and an answer that the same images
    get once more is another one: the bytes of the first are gone, and its UIDs are not given to other bytes.
    """

    sha256: str
    retired_at: float

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.sha256}.{RETIRED}"

    @property
    def moment(self) -> float:
        """When it happened, Unix seconds."""
        return self.retired_at

    @property
    def files(self) -> tuple[str, ...]:
        """Digests of the files it names as its own."""
        return ()
