"""DICOM Segmentation objects: BINARY, FRACTIONAL and LABELMAP (PS3.3 A.51), of one image or of several."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.utils import pixel_array

from dcis_node.errors import TrainingError
from dcis_node.mammogram.marks_seg import only_reference, source_images, stated_offsets
from dcis_node.mammogram.values import items, text, whole
from training.annotations import names
from training.annotations.annotation import (
    CALCIFICATION,
    REGION,
    Annotation,
    ImageFacts,
    Mask,
    annotation,
    check_references,
    check_size,
    readable,
)

_LABELMAP: Final = "LABELMAP"
_FRACTIONAL: Final = "FRACTIONAL"
_LARGEST_FRACTION: Final = 255


@dataclass(frozen=True)
class Frame:
    """One frame.

    Parameters
    ----------
    number
        Index of the frame.
    image_uid
        SOP Instance UID of its image; "" if nothing tells.
    offset
        (row, column) of its first pixel in the image; None if nothing tells.
    segment
        Segment number; 0 in a label map, whose values are the segments.
    """

    number: int
    image_uid: str
    offset: tuple[int, int] | None
    segment: int


def read_seg(ds: Dataset, image: ImageFacts, *, file: str) -> Annotation:
    """Draw the segments of the frames that belong to this image.

    A fraction counts from half of the largest on. A frame smaller than the image is taken where its place is stated in
    pixels (Plane Position (Slide)).

    Raises
    ------
    TrainingError
        If it belongs to other images, is of another size, holds what is neither lesion region nor calcification, or
        outlines nothing.
    """
    frames = tuple(_frames(ds))
    named = _references(ds, frames)
    check_references(named, image, file=file)
    mine = [frame for frame in frames if frame.image_uid == image.sop_instance_uid or not named]
    if not mine:
        raise TrainingError(f"{file}: references several images and does not tell which frames are of this one")
    labels = np.zeros(image.shape, np.uint8)
    biopsied = np.zeros(image.shape, np.bool_)
    with readable(file, "DICOM SEG"):
        # All at once: pydicom 3.0 cannot give one frame of bits that does not begin with a byte.
        pixels = np.asarray(pixel_array(ds)).reshape(len(frames), whole(ds, "Rows") or 0, whole(ds, "Columns") or 0)
    found = [part for frame in mine for part in _parts(ds, pixels[frame.number], frame, image, file=file)]
    segments = {whole(item, "SegmentNumber") or 0: item for item in items(ds, "SegmentSequence")}
    drawn = [(_label(segments, number, file=file), number, inside) for number, inside in found]
    for label in (REGION, CALCIFICATION):  # calcifications lie in the region, so they come last
        for _, number, inside in (part for part in drawn if part[0] == label):
            labels[inside] = label
            biopsied |= inside & names.is_biopsied(text(segments[number], "SegmentLabel"))
    return annotation(labels, image, file=file, kind="dicom_seg", references=named, biopsied=biopsied)


def _frames(ds: Dataset) -> Iterator[Frame]:
    shared = items(ds, "SharedFunctionalGroupsSequence")[:1]
    per_frame = items(ds, "PerFrameFunctionalGroupsSequence")
    only = only_reference(ds)
    for number in range(whole(ds, "NumberOfFrames") or 1):
        groups = (*per_frame[number : number + 1], *shared)
        uids = [uid for group in groups for uid in source_images(group)]
        numbers = [
            whole(item, "ReferencedSegmentNumber")
            for group in groups
            for item in items(group, "SegmentIdentificationSequence")
        ]
        yield Frame(
            number=number,
            image_uid=uids[0] if uids else only,
            offset=next((offset for group in groups for offset in stated_offsets(group)), None),
            segment=next((number for number in numbers if number), 0),
        )


def _references(ds: Dataset, frames: tuple[Frame, ...]) -> tuple[str, ...]:
    listed = [
        text(instance, "ReferencedSOPInstanceUID")
        for series in items(ds, "ReferencedSeriesSequence")
        for instance in items(series, "ReferencedInstanceSequence")
    ]
    return tuple(uid for uid in dict.fromkeys([*(frame.image_uid for frame in frames), *listed]) if uid)


def _parts(
    ds: Dataset, pixels: NDArray[np.generic], frame: Frame, image: ImageFacts, *, file: str
) -> Iterator[tuple[int, Mask]]:
    """Give the segment number and (rows, columns) bool of each segment that a frame outlines."""
    values = _placed(np.asarray(pixels, np.int64), frame, image, file=file)
    kind = text(ds, "SegmentationType").upper()
    if kind == _LABELMAP:
        yield from ((int(number), values == number) for number in np.unique(values) if number)
        return
    largest = whole(ds, "MaximumFractionalValue") or _LARGEST_FRACTION
    inside = 2 * values >= largest if kind == _FRACTIONAL else values > 0
    if inside.any():
        yield frame.segment, inside


def _placed(values: NDArray[np.int64], frame: Frame, image: ImageFacts, *, file: str) -> NDArray[np.int64]:
    """Lay a frame on the image."""
    if frame.offset is None or values.shape == image.shape:
        check_size(values.shape, image, file=file)
        return values
    (top, left), (rows, columns) = frame.offset, values.shape
    if top < 0 or left < 0 or top + rows > image.rows or left + columns > image.columns:
        raise TrainingError(f"{file}: a frame reaches outside the image")
    picture = np.zeros(image.shape, values.dtype)
    picture[top : top + rows, left : left + columns] = values
    return picture


def _label(segments: dict[int, Dataset], number: int, *, file: str) -> int:
    """Give the label of a segment; its name may hold a patient's, so it is not told."""
    if number not in segments:
        raise TrainingError(f"{file}: unknown label values: there is no segment {number}")
    segment = segments[number]
    kinds = items(segment, "SegmentedPropertyTypeCodeSequence")[:1]
    code, meaning = next(((text(kind, "CodeValue"), text(kind, "CodeMeaning")) for kind in kinds), ("", ""))
    label = names.label_of(text(segment, "SegmentLabel"), code=code, meaning=meaning)
    if label is None:
        raise TrainingError(f"{file}: segment {number} has a name that is not known; {names.ALLOWED}")
    return label
