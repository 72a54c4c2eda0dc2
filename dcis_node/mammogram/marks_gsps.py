"""Marks of a Grayscale Softcopy Presentation State: what a reader has drawn (PS3.3 C.10.5)."""

from pydicom import Dataset

from dcis_node.mammogram.facts import Mark
from dcis_node.mammogram.shapes import centre_of
from dcis_node.mammogram.values import items, numbers, text


def read_gsps(ds: Dataset) -> tuple[Mark, ...]:
    """Read one mark per graphic object in PIXEL units.

    Objects in DISPLAY units hang on the displayed area, not on the image, and give none. An annotation without a
    reference of its own belongs to every image of the state (C.10.5); it is taken only where that is one image.
    """
    source = text(ds, "SOPInstanceUID")
    found: list[Mark] = []
    for annotation in items(ds, "GraphicAnnotationSequence"):
        images = references(annotation) or [
            uid for series in items(ds, "ReferencedSeriesSequence") for uid in references(series)
        ]
        if len(images) != 1:
            continue
        for graphic in items(annotation, "GraphicObjectSequence"):
            centre = _centre(graphic)
            if centre is not None:
                found.append(Mark(images[0], *centre, "gsps", source))
    return tuple(found)


def references(item: Dataset) -> list[str]:
    """Give the SOP Instance UIDs of the images that an item references."""
    uids = [text(image, "ReferencedSOPInstanceUID") for image in items(item, "ReferencedImageSequence")]
    return [uid for uid in uids if uid]


def _centre(graphic: Dataset) -> tuple[float, float] | None:
    if text(graphic, "GraphicAnnotationUnits").upper() != "PIXEL":
        return None
    return centre_of(text(graphic, "GraphicType").upper(), numbers(graphic, "GraphicData"))
