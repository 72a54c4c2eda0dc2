"""What a reader has drawn: coordinates of a structured report (SCOORD), graphics of a presentation state (GSPS)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydicom import Dataset

from dcis_node.errors import TrainingError
from dcis_node.mammogram.content import walk
from dcis_node.mammogram.marks_gsps import references
from dcis_node.mammogram.marks_sr import image_of
from dcis_node.mammogram.shapes import MOST_POINTS
from dcis_node.mammogram.values import items, numbers, text
from training.annotations import raster
from training.annotations.annotation import REGION, Annotation, ImageFacts, Mask, annotation, check_references

# How many points a shape needs at least, and whether it may have more.
_POINTS: Final = {
    "POINT": (1, False),
    "MULTIPOINT": (1, True),
    "POLYLINE": (3, True),
    "INTERPOLATED": (3, True),
    "CIRCLE": (2, False),
    "ELLIPSE": (4, False),
}
_LINES: Final = ("POLYLINE", "INTERPOLATED")
_DOTS: Final = ("POINT", "MULTIPOINT")


@dataclass(frozen=True, eq=False)
class Graphic:
    """One drawn shape.

    Parameters
    ----------
    image_uid
        SOP Instance UID of the image it was drawn on.
    kind
        `POINT`, `MULTIPOINT`, `POLYLINE`, `INTERPOLATED`, `CIRCLE` or `ELLIPSE`.
    points
        (n, 2) float64 (x, y), (0, 0) at the outer corner of the first pixel.
    """

    image_uid: str
    kind: str
    points: raster.Points


def read_sr(ds: Dataset, image: ImageFacts, *, file: str) -> Annotation:
    """Draw the image regions of a report (TID 1500 and its kin) that were selected from this image.

    Raises
    ------
    TrainingError
        If it outlines nothing, or other images only.
    """
    return _draw(tuple(_of_report(ds)), image, file=file, kind="sr")


def read_gsps(ds: Dataset, image: ImageFacts, *, file: str) -> Annotation:
    """Draw the graphics in PIXEL units of a presentation state that were drawn on this image.

    Raises
    ------
    TrainingError
        If it outlines nothing, other images only, or in DISPLAY units, which hang on a screen and not on the image.
    """
    graphics = tuple(_of_state(ds))
    if not graphics and items(ds, "GraphicAnnotationSequence"):
        raise TrainingError(
            f"{file}: has no graphic in PIXEL units on a stated image; DISPLAY units tell no place in it"
        )
    return _draw(graphics, image, file=file, kind="gsps")


def _of_report(ds: Dataset) -> Iterator[Graphic]:
    for item in walk(ds):
        if text(item, "ValueType") == "SCOORD":
            yield from _graphic(item, image_of(ds, item))


def _of_state(ds: Dataset) -> Iterator[Graphic]:
    everything = [uid for series in items(ds, "ReferencedSeriesSequence") for uid in references(series)]
    for layer in items(ds, "GraphicAnnotationSequence"):
        # Without a reference of its own an annotation belongs to every image of the state (C.10.5): to be believed of
        # an outline where that is one image.
        images = references(layer) or (everything if len(everything) == 1 else [])
        for item in items(layer, "GraphicObjectSequence"):
            if text(item, "GraphicAnnotationUnits").upper() == "PIXEL":
                for uid in images:
                    yield from _graphic(item, uid)


def _graphic(item: Dataset, image_uid: str) -> Iterator[Graphic]:
    """Give the shape, if its data fits its type and it says where it belongs."""
    kind, data = text(item, "GraphicType").upper(), numbers(item, "GraphicData")
    if kind not in _POINTS or not image_uid or len(data) % 2 or len(data) > MOST_POINTS:
        return
    least, more = _POINTS[kind]
    points = np.asarray(data, np.float64).reshape(-1, 2)
    if len(points) == least or (more and len(points) > least):
        yield Graphic(image_uid, kind, points)


def _draw(graphics: Sequence[Graphic], image: ImageFacts, *, file: str, kind: str) -> Annotation:
    """Fill the outlines; points count only where nothing is outlined, lines that do not close never."""
    named = tuple(dict.fromkeys(graphic.image_uid for graphic in graphics))
    check_references(named, image, file=file)
    mine = [graphic for graphic in graphics if graphic.image_uid == image.sop_instance_uid]
    shapes = [g for g in mine if g.kind not in _DOTS and (g.kind not in _LINES or raster.is_outline(g.points))]
    used = shapes or [graphic for graphic in mine if graphic.kind in _DOTS]
    if not used:
        raise TrainingError(f"{file}: nothing is outlined in this image, the mask is empty")
    inside = np.any([_mask(graphic, image.shape) for graphic in used], axis=0)
    if not inside.any():
        raise TrainingError(f"{file}: all that is outlined lies outside the image")
    return annotation(
        np.where(inside, np.uint8(REGION), np.uint8(0)),
        image,
        file=file,
        kind=kind,
        weak=all(graphic.kind not in _LINES or raster.is_box(graphic.points) for graphic in used),
        references=named,
    )


def _mask(graphic: Graphic, shape: tuple[int, int]) -> Mask:
    if graphic.kind in _LINES:
        return raster.polygon(graphic.points, shape)
    if graphic.kind == "CIRCLE":
        return raster.circle(graphic.points, shape)
    if graphic.kind == "ELLIPSE":
        return raster.ellipse(graphic.points, shape)
    return raster.pixels(graphic.points, shape)
