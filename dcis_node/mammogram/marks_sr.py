"""Marks of structured reports: image regions of TID 1500 and clusters of Mammography CAD (TID 4000)."""

from typing import Final

from pydicom import Dataset

from dcis_node.mammogram.content import coded_value, concept, resolve, walk
from dcis_node.mammogram.facts import Mark
from dcis_node.mammogram.shapes import centre_of
from dcis_node.mammogram.values import items, numbers, text

# PS3.16: concept names (DCM) and the values of CID 6014.
SINGLE_IMAGE_FINDING: Final = "111059"
RENDERING_INTENT: Final = "111056"
NOT_FOR_PRESENTATION: Final = "111152"
CENTER: Final = "111010"
OUTLINE: Final = "111041"
CALCIFICATION_CLUSTER: Final = ("129769006", "F-01775", "111105")  # SCT, SRT, and the retired DCM code


def read_scoords(ds: Dataset) -> tuple[Mark, ...]:
    """Read one mark per SCOORD of a report that says which image it was drawn on.

    TID 1500 and its kin: an image region, a path, a point. Whatever it measures, the reader looked there.
    """
    marks = (_mark(ds, item, kind="sr_scoord") for item in walk(ds) if text(item, "ValueType") == "SCOORD")
    return tuple(mark for mark in marks if mark is not None)


def read_cad(ds: Dataset) -> tuple[Mark, ...]:
    """Read one mark per calcification cluster of a Mammography CAD report: its center, else its outline.

    Masses, densities, nipples and single calcifications in a cluster are no marks of a cluster, and a finding that its
    maker holds back (Rendering Intent: not for presentation) is not believed either.
    """
    marks = [_cluster(ds, item) for item in walk(ds) if _is_cluster(item)]
    return tuple(mark for mark in marks if mark is not None)


def _is_cluster(item: Dataset) -> bool:
    return concept(item) == SINGLE_IMAGE_FINDING and coded_value(item) in CALCIFICATION_CLUSTER


def _cluster(root: Dataset, finding: Dataset) -> Mark | None:
    parts = items(finding, "ContentSequence")
    if any(concept(part) == RENDERING_INTENT and coded_value(part) == NOT_FOR_PRESENTATION for part in parts):
        return None
    for wanted in (CENTER, OUTLINE):
        for part in parts:
            mark = _mark(root, part, kind="cad_sr") if concept(part) == wanted else None
            if mark is not None:
                return mark
    return None


def _mark(root: Dataset, scoord: Dataset, *, kind: str) -> Mark | None:
    centre = centre_of(text(scoord, "GraphicType").upper(), numbers(scoord, "GraphicData"))
    image_uid = image_of(root, scoord)
    return Mark(image_uid, *centre, kind, text(root, "SOPInstanceUID")) if centre is not None and image_uid else None


def image_of(root: Dataset, scoord: Dataset) -> str:
    """Give the image that the coordinates are SELECTED FROM, stated there or in the image library by reference."""
    for child in items(scoord, "ContentSequence"):
        target = resolve(root, child)
        if target is None:
            continue
        for reference in items(target, "ReferencedSOPSequence"):
            uid = text(reference, "ReferencedSOPInstanceUID")
            if uid:
                return uid
    return ""
