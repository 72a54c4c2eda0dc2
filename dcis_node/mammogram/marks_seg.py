"""Marks of a Segmentation object (PS3.3 A.51): the middle of what is outlined in each frame."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import encapsulate, get_frame
from scipy import ndimage

from dcis_node.mammogram import storage_classes as sop
from dcis_node.mammogram.facts import Mark
from dcis_node.mammogram.layout import PixelLayout
from dcis_node.mammogram.pixels import decode_frame
from dcis_node.mammogram.values import items, text, whole

# A mask of the largest detector has 14 million pixels; a segmentation of one exam has a few frames.
MOST_PIXELS: Final = 100_000_000
MOST_FRAMES: Final = 256
_GREY: Final = "MONOCHROME2"


def read_seg(ds: Dataset) -> tuple[Mark, ...]:
    """Read one mark per frame that outlines anything.

    The mark is the middle of the box round the frame's largest connected part: the node crops round a lesion, and the
    training crop is centred on the lesion's box. A frame that does not say which image it belongs to gives none, unless
    the object references one image only. Compressed frames are decoded, in C for most syntaxes: see `is_compressed`.
    """
    rows, columns = whole(ds, "Rows") or 0, whole(ds, "Columns") or 0
    frames = whole(ds, "NumberOfFrames") or 1
    if not (0 < rows * columns <= MOST_PIXELS and rows > 0 and 0 < frames <= MOST_FRAMES):
        return ()
    source = text(ds, "SOPInstanceUID")
    found: list[Mark] = []
    for number, (image_uid, offset) in enumerate(_frames(ds, frames)):
        mask = _frame_mask(ds, number, rows, columns) if image_uid else None
        middle = _middle(mask) if mask is not None else None
        if middle is not None:
            found.append(Mark(image_uid, middle[0] + offset[0], middle[1] + offset[1], "seg", source))
    return tuple(found)


def is_compressed(ds: Dataset) -> bool:
    """Tell whether reading the marks of an object runs a decoder; the node then does it in a process with limits."""
    transfer_syntax = text(getattr(ds, "file_meta", Dataset()), "TransferSyntaxUID")
    return text(ds, "SOPClassUID") == sop.SEGMENTATION and transfer_syntax not in sop.UNCOMPRESSED


def _frames(ds: Dataset, frames: int) -> Iterator[tuple[str, tuple[int, int]]]:
    """Give the image of each frame ("" if unknown) and where the frame's first pixel lies in it (row, column)."""
    shared = items(ds, "SharedFunctionalGroupsSequence")[:1]
    per_frame = items(ds, "PerFrameFunctionalGroupsSequence")
    only = only_reference(ds)
    for number in range(frames):
        groups = (*per_frame[number : number + 1], *shared)
        named = [uid for group in groups for uid in source_images(group)]
        yield (named[0] if named else only), next((o for group in groups for o in stated_offsets(group)), (0, 0))


def source_images(group: Dataset) -> Iterator[str]:
    """Give the images that a frame's functional groups say it was derived from."""
    for derivation in items(group, "DerivationImageSequence"):
        for image in items(derivation, "SourceImageSequence"):
            uid = text(image, "ReferencedSOPInstanceUID")
            if uid:
                yield uid


def stated_offsets(group: Dataset) -> Iterator[tuple[int, int]]:
    """Give the place of a frame that covers a part of the image, where it is stated in pixels (1-based; C.8.12.6.1)."""
    for position in items(group, "PlanePositionSlideSequence"):
        row = whole(position, "RowPositionInTotalImagePixelMatrix")
        column = whole(position, "ColumnPositionInTotalImagePixelMatrix")
        if row is not None and column is not None:
            yield row - 1, column - 1


def only_reference(ds: Dataset) -> str:
    """Give the one image that the object references; "" if there are several or none."""
    uids = {
        text(instance, "ReferencedSOPInstanceUID")
        for series in items(ds, "ReferencedSeriesSequence")
        for instance in items(series, "ReferencedInstanceSequence")
    }
    return uids.pop() if len(uids) == 1 else ""


def _frame_mask(ds: Dataset, number: int, rows: int, columns: int) -> NDArray[np.bool_] | None:
    """Give (rows, columns) bool of one frame; None if it cannot be read."""
    element = ds.get_item("PixelData") if "PixelData" in ds else None
    data = element.value if element is not None else None
    if not isinstance(data, bytes):
        return None
    transfer_syntax = text(getattr(ds, "file_meta", Dataset()), "TransferSyntaxUID")
    bits, size = whole(ds, "BitsAllocated"), rows * columns
    if transfer_syntax in sop.DECODED and transfer_syntax not in sop.UNCOMPRESSED and bits in (1, 8):
        layout = PixelLayout(rows, columns, bits, bits, bits - 1, signed=False, photometric_interpretation=_GREY)
        values = _decoded(data, number, whole(ds, "NumberOfFrames") or 1, layout, transfer_syntax)
        return None if values is None else values >= _least(ds)
    if transfer_syntax not in sop.UNCOMPRESSED:
        return None
    if bits == 8:
        part = data[number * size : (number + 1) * size]
        values = np.frombuffer(part, np.uint8)
    elif bits == 1:  # frames follow one another without padding, first pixel in the lowest bit (PS3.5 8.1.1)
        first = number * size
        part = data[first // 8 : (first + size + 7) // 8]
        values = np.unpackbits(np.frombuffer(part, np.uint8), bitorder="little")[first % 8 :][:size]
    else:
        return None
    return values.reshape(rows, columns) >= _least(ds) if values.size == size else None


def _least(ds: Dataset) -> int:
    """Give the least stored value that counts as outlined: half of the largest in a FRACTIONAL object, else 1."""
    is_fractional = text(ds, "SegmentationType").upper() == "FRACTIONAL"
    return max(1, ((whole(ds, "MaximumFractionalValue") or 255) + 1) // 2) if is_fractional else 1


def _decoded(
    data: bytes, number: int, frames: int, layout: PixelLayout, transfer_syntax: str
) -> NDArray[np.uint8] | None:
    """Decode one frame: (rows, columns) uint8, of a BINARY object 0 and 1."""
    try:
        frame = encapsulate([get_frame(data, number, number_of_frames=frames)])
        return np.asarray(decode_frame(frame, layout, transfer_syntax), np.uint8)
    except Exception:  # noqa: BLE001 - foreign bytes fail in any way; the frame then gives no mark
        return None


def _middle(mask: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Give (row, column) of the middle of the box round the largest part; None if nothing is outlined."""
    used_rows, used_columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not used_rows.size:
        return None
    top, left = int(used_rows[0]), int(used_columns[0])
    cut = mask[top : int(used_rows[-1]) + 1, left : int(used_columns[-1]) + 1]
    labels, _ = ndimage.label(cut, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    rows, columns = ndimage.find_objects(labels)[int(sizes.argmax()) - 1]
    return top + (rows.start + rows.stop - 1) / 2, left + (columns.start + columns.stop - 1) / 2
