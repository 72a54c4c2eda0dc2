"""The objects of an exam agree on where a lesion is: one tracking UID, one place; and each outline holds a whole piece.

A segmentation holds the whole lesion of a view and bears the tracking UID of its largest piece.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from scipy import ndimage

from dcis_node.results.answer import ExamAnswer, SourceImage
from dcis_node.results.check.cad import image_of
from dcis_node.results.check.reading import content, demand, named
from dcis_node.results.check.region import mask_box, points_of
from dcis_node.results.hanging import hung
from dcis_node.results.outline import Points

Box = NDArray[np.float64]  # x0, y0, x1, y1

# Thinning moves an edge of an outline by 0.75 pixel, and farther where more than 200 points would be left of a very
# ragged one.
_THINNED_PX, _THINNED_SHARE = 2.0, 0.1
_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, eq=False)
class Drawn:
    """An outline as an object draws it: (n, 2) points (x, y) on the image of that UID."""

    image_uid: str
    tracking_uid: str
    points: Points


def drawn_in(ds: Dataset) -> Iterator[Drawn]:
    """Give the tracked outlines of a report or a presentation state."""
    for item in content(ds):
        for region in named(item, "111030"):
            tracked = named(item, "112040")
            if tracked and region.GraphicType == "POLYLINE":
                image = region.ContentSequence[0].ReferencedSOPSequence[0]
                uids = str(image.ReferencedSOPInstanceUID), str(tracked[0].UID)
                yield Drawn(*uids, points_of(region.GraphicData))
        # Of a CAD report, whose outlines point at its library.
        for region in named(item, "111041"):
            for identifier in named(item, "112040"):
                yield Drawn(image_of(ds, region), str(identifier.UID), points_of(region.GraphicData))
    for annotation in ds.get("GraphicAnnotationSequence") or ():
        for graphic in annotation.get("GraphicObjectSequence") or ():
            if "TrackingUID" in graphic and graphic.GraphicType == "POLYLINE":
                image = annotation.ReferencedImageSequence[0]
                uids = str(image.ReferencedSOPInstanceUID), str(graphic.TrackingUID)
                yield Drawn(*uids, points_of(graphic.GraphicData))


def segment_of(ds: Dataset) -> tuple[str, str]:
    """Give the image and the tracking UID of a segmentation."""
    reference = ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0]
    return str(reference.ReferencedSOPInstanceUID), str(ds.SegmentSequence[0].TrackingUID)


def check_agreement(drawn: Iterable[Drawn], segments: Iterable[tuple[str, str]], answer: ExamAnswer) -> None:
    """Hold the outlines and segments of all objects of an exam to each other, and to the pieces of the masks.

    Parameters
    ----------
    drawn, segments
        Of all objects, as `drawn_in` and `segment_of` give them.

    Raises
    ------
    ResultError
        If a tracking UID stands for two places, or an outline for no piece of the mask.
    """
    places: dict[str, Drawn] = {}
    for outline in drawn:
        uid = outline.tracking_uid
        first = places.setdefault(uid, outline)
        same = first.image_uid == outline.image_uid and np.array_equal(first.points, outline.points)
        demand(same, f"two objects draw another place for {uid}")
    pieces = {i.header.sop_instance_uid: pieces_of(i) for i in hung(answer) if i.outlined}
    for outline in places.values():
        demand(_piece_of(outline, pieces) is not None, f"an outline holds no piece of the mask: {outline.tracking_uid}")
    for image_uid, tracking_uid in segments:
        if places and any(outline.image_uid == image_uid for outline in places.values()):
            demand(tracking_uid in places, f"a segment is drawn nowhere: {tracking_uid}")
            largest = places[tracking_uid].image_uid == image_uid and _piece_of(places[tracking_uid], pieces) == 0
            demand(largest, f"a segment bears the tracking UID of another piece: {tracking_uid}")


def pieces_of(image: SourceImage) -> list[Box]:
    """Give the boxes of the connected pieces of a mask, the largest piece first; diagonal neighbours belong together.

    Of equally large pieces that which begins higher in the image comes first.
    """
    if image.prediction is None:
        return []
    left, top, right, bottom = mask_box(image)
    numbered, _ = ndimage.label(image.prediction.mask[top:bottom, left:right], structure=_EIGHT_NEIGHBOURS)
    sizes = np.bincount(numbered.ravel())[1:]
    boxes = [
        np.array([columns.start + left, rows.start + top, columns.stop + left, rows.stop + top], dtype=np.float64)
        for rows, columns in ndimage.find_objects(numbered)
    ]
    return [boxes[piece] for piece in np.argsort(-sizes, kind="stable")]


def _piece_of(outline: Drawn, pieces: Mapping[str, list[Box]]) -> int | None:
    """Give the number of the piece that an outline holds, 0 for the largest; None if it holds none."""
    box = np.concatenate([outline.points.min(axis=0), outline.points.max(axis=0)])
    for number, piece in enumerate(pieces.get(outline.image_uid, [])):
        allowed = max(_THINNED_PX, _THINNED_SHARE * float((piece[2:] - piece[:2]).max()))
        if bool((np.abs(box - piece) <= allowed).all()):
            return number
    return None
