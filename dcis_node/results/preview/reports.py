"""Read back structured reports: the sentences of the readable one, the regions and figures of the measurements."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from pydicom import Dataset

from dcis_node.mammogram.content import concept, walk
from dcis_node.mammogram.marks_sr import image_of
from dcis_node.mammogram.values import items, numbers, text
from dcis_node.results.preview.drawing import Caption, Drawing, Points

MEASUREMENT_GROUP = "125007"  # PS3.16 DCM
FINDING_SITE = "363698007"  # SCT
# OHIF 3.13 draws the first five texts of a group, writes a name as its own map says, and the site by its code.
OHIF_TEXTS = 5
OHIF_SHORT = MappingProxyType({"Short Axis": "W: ", "Long Axis": "L: ", "AREA": "Area: ", "Length": ""})


@dataclass(frozen=True)
class Section:
    """A heading of a report with its texts."""

    heading: str
    texts: tuple[str, ...]


def read_sections(report: Dataset) -> tuple[Section, ...]:
    """Give the texts of a readable report below their headings; the line breaks inside a text are undone."""
    containers = [item for item in items(report, "ContentSequence") if text(item, "ValueType") == "CONTAINER"]
    return tuple(
        Section(meaning(container), tuple(" ".join(text(item, "TextValue").split()) for item in _of(container, "TEXT")))
        for container in containers
    )


def read_regions(report: Dataset) -> tuple[Drawing, ...]:
    """Give what a measurement report draws: each region with its first five figures, as OHIF writes them beside it."""
    groups = (item for item in walk(report) if concept(item) == MEASUREMENT_GROUP)
    return tuple(_region(report, group, scoord) for group in groups for scoord in _of(group, "SCOORD"))


def read_regions_of_first_view(report: Dataset) -> tuple[Drawing, ...]:
    """Give what OHIF 3.13 draws of a report of several mammograms: the regions of its first view."""
    regions = read_regions(report)
    return tuple(region for region in regions if region.image_uid == regions[0].image_uid)


def _region(report: Dataset, group: Dataset, scoord: Dataset) -> Drawing:
    points = points_of(scoord)
    lines = tuple(ohif_texts(group))
    anchor = (float(points[0, 0]), float(points[0, 1]))
    captions = (Caption(lines, None, anchor),) if lines else ()
    return Drawing(image_of(report, scoord), outlines=(points,), captions=captions)


def ohif_texts(group: Dataset) -> list[str]:
    """Write the figures of a measurement group as OHIF does: `meaning: value unit`, then the finding site."""
    lines = [_figure(item) for item in _of(group, "NUM")]
    sites = (item for item in items(group, "ContentSequence") if concept(item) == FINDING_SITE)
    lines += [f"{FINDING_SITE}: {_meaning(item, 'ConceptCodeSequence')}" for item in sites][:1]
    return lines[:OHIF_TEXTS]


def _figure(item: Dataset) -> str:
    (measured,) = items(item, "MeasuredValueSequence")
    value = numbers(measured, "NumericValue")[0]
    unit = text(items(measured, "MeasurementUnitsCodeSequence")[0], "CodeValue")
    name = meaning(item)
    # A zero is no value to OHIF, and it writes nothing for it.
    return f"{OHIF_SHORT.get(name, name)}: {f'{value:.2f}' if value else ''} {unit}"


def points_of(scoord: Dataset) -> Points:
    """Give the points (n, 2) of a SCOORD or of a graphic object."""
    return np.array(numbers(scoord, "GraphicData"), dtype=np.float64).reshape(-1, 2)


def meaning(item: Dataset) -> str:
    """Give the words of an item's concept name."""
    return _meaning(item, "ConceptNameCodeSequence")


def _meaning(item: Dataset, keyword: str) -> str:
    return next((text(code, "CodeMeaning") for code in items(item, keyword)), "")


def _of(container: Dataset, value_type: str) -> Iterator[Dataset]:
    return (item for item in items(container, "ContentSequence") if text(item, "ValueType") == value_type)
