"""Stored pixel values of one grey-scale image, whatever the transfer syntax; or one stable reason why not.

Everything is checked before anything is allocated or decoded. The decoders are C code that meets foreign bytes, so the
node calls this in a child process with limits; this module itself is strict and holds no state.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from dcis_node.errors import PixelError
from dcis_node.mammogram import storage_classes as sop
from dcis_node.mammogram.facts import Reason
from dcis_node.mammogram.layout import PixelLayout, read_layout
from dcis_node.mammogram.streams import is_complete, size_of
from dcis_node.mammogram.values import text

# One decoder per syntax, named, so that the same bytes give the same pixels on every installation.
_PLUGINS: Final[dict[str, str]] = {
    sop.RLE_LOSSLESS: "pydicom",
    sop.JPEG_LOSSLESS: "gdcm",
    sop.JPEG_LOSSLESS_SV1: "gdcm",
    sop.JPEG_BASELINE: "gdcm",
    sop.JPEG_EXTENDED: "gdcm",
    sop.JPEG_LS_LOSSLESS: "pyjpegls",
    sop.JPEG_LS_NEAR_LOSSLESS: "pyjpegls",
    sop.JPEG_2000_LOSSLESS: "pylibjpeg",
    sop.JPEG_2000: "pylibjpeg",
}
_OVERLAY_GROUPS: Final = range(0x6000, 0x6020, 2)


def stored_pixels(ds: Dataset, *, max_pixels: int = 100_000_000) -> NDArray[Any]:
    """Give the stored values of a single-frame grey-scale image.

    Overlays, unused high bits, VOI and photometric interpretation are not applied: bits above Bits Stored are cleared,
    two's complement is extended, and that is all.

    Parameters
    ----------
    ds
        The whole dataset, with its file meta information.
    max_pixels
        Rows times columns times frames beyond which nothing is allocated.

    Returns
    -------
        (rows, columns), an integer type of 8, 16 or 32 bits, signed if Pixel Representation says so.

    Raises
    ------
    PixelError
        With reason PIXELS_MISSING, PIXELS_OVER_LIMIT, PIXELS_TRUNCATED, PIXELS_UNDECODABLE or
        UNSUPPORTED_TRANSFER_SYNTAX; the text holds no value of the dataset.
    """
    transfer_syntax = text(getattr(ds, "file_meta", Dataset()), "TransferSyntaxUID")
    if transfer_syntax not in sop.DECODED:
        raise PixelError(Reason.UNSUPPORTED_TRANSFER_SYNTAX, "no decoder for this transfer syntax")
    if not len(ds):  # pydicom's answer to a file that ends within its fragments: the header is lost with the rest
        raise PixelError(Reason.PIXELS_TRUNCATED, "the file ends within its pixel data")
    layout = read_layout(ds, max_pixels=max_pixels)
    data = _pixel_data(ds)
    if transfer_syntax in sop.UNCOMPRESSED:
        is_words = ds.get_item("PixelData").VR == "OW"
        stored = _native(data, layout, big=transfer_syntax == sop.EXPLICIT_VR_BIG_ENDIAN, is_words=is_words)
        return _clear_unused_bits(stored, layout)
    stored = decode_frame(data, layout, transfer_syntax)
    if transfer_syntax == sop.RLE_LOSSLESS or _has_embedded_overlay(ds):
        return _clear_unused_bits(stored, layout)
    return _extend_sign(stored, layout) if layout.signed else stored


def _pixel_data(ds: Dataset) -> bytes:
    element = ds.get_item("PixelData") if "PixelData" in ds else None
    value = element.value if element is not None else None
    if not isinstance(value, bytes | bytearray | memoryview) or not len(value):
        raise PixelError(Reason.PIXELS_MISSING, "the object holds no pixel data")
    return bytes(value)


def _native(data: bytes, layout: PixelLayout, *, big: bool, is_words: bool) -> NDArray[Any]:
    """Read uncompressed pixels; the bytes beyond the image are padding."""
    if len(data) < layout.size_bytes:
        raise PixelError(Reason.PIXELS_TRUNCATED, "the pixel data is shorter than the image")
    size = layout.bits_allocated // 8
    if big and is_words and size == 1:  # PS3.5 8.1.1: two 8-bit pixels in each big-endian word
        data = np.frombuffer(data[: len(data) // 2 * 2], "<u2").byteswap().tobytes()
    order = ">" if big else "<"
    kind = np.dtype(f"{order}{'i' if layout.signed else 'u'}{size}")
    flat = np.frombuffer(data, kind, layout.rows * layout.columns)
    return flat.reshape(layout.rows, layout.columns).astype(kind.newbyteorder("="))


def decode_frame(data: bytes, layout: PixelLayout, transfer_syntax: str) -> NDArray[Any]:
    """Decode the one frame of a compressed image; raises PixelError as `stored_pixels` does.

    Parameters
    ----------
    data
        The value of Pixel Data: encapsulated fragments of one frame.
    layout, transfer_syntax
        What the header says; a stream that says otherwise is refused.

    Returns
    -------
        (rows, columns), an integer type; bits above Bits Stored are as the stream has them.
    """
    try:
        frame = get_frame(data, 0, number_of_frames=1)
    except Exception:  # noqa: BLE001 - garbage between the fragments fails in any way; the reason is recorded
        raise PixelError(Reason.PIXELS_UNDECODABLE, "the pixel data is not in fragments") from None
    if transfer_syntax != sop.RLE_LOSSLESS:
        size = size_of(frame, transfer_syntax)
        if size != (layout.rows, layout.columns, 1):
            raise PixelError(Reason.PIXELS_UNDECODABLE, "the compressed stream is not the image of the header")
        if not is_complete(frame):
            raise PixelError(Reason.PIXELS_TRUNCATED, "the compressed stream ends too early")
    options: Any = {
        "rows": layout.rows,
        "columns": layout.columns,
        "number_of_frames": 1,
        "samples_per_pixel": 1,
        "photometric_interpretation": layout.photometric_interpretation,
        "bits_allocated": layout.bits_allocated,
        "bits_stored": layout.bits_stored,
        "pixel_representation": int(layout.signed),
        "pixel_keyword": "PixelData",
        # Bits above Bits Stored are dealt with here; pydicom would do it for some syntaxes and not for others.
        "correct_unused_bits": False,
    }
    decoder, plugin = get_decoder(UID(transfer_syntax)), _PLUGINS[transfer_syntax]
    try:
        array, _ = decoder.as_array(data, index=0, raw=True, validate=False, decoding_plugin=plugin, **options)
    except MemoryError:
        raise PixelError(Reason.PIXELS_OVER_LIMIT, "decoding needs more memory than there is") from None
    except Exception:  # noqa: BLE001 - decoders raise what they like on garbage; the reason is recorded
        raise PixelError(Reason.PIXELS_UNDECODABLE, "the decoder could not read the stream") from None
    if array.shape != (layout.rows, layout.columns) or array.dtype.kind not in "iu":
        raise PixelError(Reason.PIXELS_UNDECODABLE, "the decoder gave something else than the image")
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))


def _clear_unused_bits(stored: NDArray[Any], layout: PixelLayout) -> NDArray[Any]:
    """Keep the bits from High Bit down to Bits Stored of them (PS3.5 8.1.1): the others may hold anything."""
    bits = stored.dtype.itemsize * 8
    up, down = bits - 1 - layout.high_bit, bits - layout.bits_stored
    if up < 0 or (up == 0 and down == 0):
        return stored
    return np.asarray(np.right_shift(np.left_shift(stored, up), down))


def _extend_sign(stored: NDArray[Any], layout: PixelLayout) -> NDArray[Any]:
    """Extend two's complement of Bits Stored where the stream was written as unsigned with more bits.

    Values that are signed already stay as they are; values that do not fit Bits Stored are believed to the stream.
    """
    spare = stored.dtype.itemsize * 8 - layout.bits_stored
    fits = stored.min() >= -(1 << (layout.bits_stored - 1)) and stored.max() < 1 << layout.bits_stored
    return np.right_shift(np.left_shift(stored, spare), spare) if spare > 0 and fits else stored


def _has_embedded_overlay(ds: Dataset) -> bool:
    """Tell whether an overlay lies in the pixels' unused bits (retired; Overlay Bit Position (60xx,0102) above 0)."""
    return any((group, 0x0102) in ds and (group, 0x3000) not in ds for group in _OVERLAY_GROUPS)
