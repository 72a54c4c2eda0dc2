"""How the pixels of one image are stored: read from the header, and checked before anything is allocated."""

from dataclasses import dataclass

from pydicom import Dataset

from dcis_node.errors import PixelError
from dcis_node.mammogram.facts import Reason
from dcis_node.mammogram.values import text, whole


@dataclass(frozen=True)
class PixelLayout:
    """How the pixels of one image are stored (PS3.3 C.7.6.3); every value is valid."""

    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric_interpretation: str

    @property
    def size_bytes(self) -> int:
        """Bytes of the image without compression."""
        return self.rows * self.columns * self.bits_allocated // 8


def read_layout(ds: Dataset, *, max_pixels: int) -> PixelLayout:
    """Read and check how the pixels are stored.

    Raises
    ------
    PixelError
        PIXELS_OVER_LIMIT if rows times columns times frames exceed `max_pixels`; PIXELS_UNDECODABLE if it is not one
        grey-scale frame, or the values contradict one another.
    """
    rows, columns = whole(ds, "Rows") or 0, whole(ds, "Columns") or 0
    frames = whole(ds, "NumberOfFrames") or 1
    if rows < 1 or columns < 1 or frames < 1:
        raise PixelError(Reason.PIXELS_UNDECODABLE, "the image has no size")
    if rows * columns * frames > max_pixels:
        raise PixelError(Reason.PIXELS_OVER_LIMIT, f"the image has more than {max_pixels} pixels")
    if frames != 1:
        raise PixelError(Reason.PIXELS_UNDECODABLE, "the image has more than one frame")
    photometric = text(ds, "PhotometricInterpretation").upper()
    samples = whole(ds, "SamplesPerPixel")
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or samples not in (1, None):
        raise PixelError(Reason.PIXELS_UNDECODABLE, "the image is not grey-scale")
    allocated = whole(ds, "BitsAllocated") or 0
    stored = whole(ds, "BitsStored") or allocated
    high = whole(ds, "HighBit")
    high = stored - 1 if high is None else high
    representation = whole(ds, "PixelRepresentation") or 0
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated or not stored - 1 <= high < allocated:
        raise PixelError(Reason.PIXELS_UNDECODABLE, "the bits of a pixel make no sense")
    if representation not in (0, 1):
        raise PixelError(Reason.PIXELS_UNDECODABLE, "the pixel representation makes no sense")
    return PixelLayout(rows, columns, allocated, stored, high, representation == 1, photometric)
