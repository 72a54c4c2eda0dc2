"""Content items of the Mammography CAD SR (PS3.3 C.17.3), as plain datasets.

By hand and not by highdicom: the template points from its findings back to the image library by reference, and
highdicom's content items neither are such a reference nor take one among their children.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.sr.coding import Code

from dcis_node.results.answer import ObjectReference
from dcis_node.results.identity import coded, plain
from dcis_node.results.sr.document import reference_item

CONTAINS = "CONTAINS"
HAS_PROPERTIES = "HAS PROPERTIES"
HAS_CONCEPT_MOD = "HAS CONCEPT MOD"
HAS_OBS_CONTEXT = "HAS OBS CONTEXT"
HAS_ACQ_CONTEXT = "HAS ACQ CONTEXT"
INFERRED_FROM = "INFERRED FROM"
SELECTED_FROM = "SELECTED FROM"

# Position of an item in the tree, counted from 1 at each level; the root is (1,).
Path = tuple[int, ...]


def container(relationship: str, name: Code, children: Iterable[Dataset], *, template: str = "") -> Dataset:
    """Give a CONTAINER whose items stand for themselves; the root has no relationship."""
    item = _item(relationship, "CONTAINER", name)
    item.ContinuityOfContent = "SEPARATE"
    if template:
        identification = Dataset()
        identification.MappingResource = "DCMR"
        identification.TemplateIdentifier = template
        item.ContentTemplateSequence = [identification]
    return with_children(item, children)


def code(relationship: str, name: Code, value: Code, children: Iterable[Dataset] = ()) -> Dataset:
    """Give a CODE item."""
    item = _item(relationship, "CODE", name)
    item.ConceptCodeSequence = [coded(value)]
    return with_children(item, children)


def text(relationship: str, name: Code, value: str) -> Dataset:
    """Give a TEXT item; the value is made plain."""
    item = _item(relationship, "TEXT", name)
    item.TextValue = plain(value)
    return item


def uid(relationship: str, name: Code, value: str) -> Dataset:
    """Give a UIDREF item."""
    item = _item(relationship, "UIDREF", name)
    item.UID = value
    return item


def date(relationship: str, name: Code, value: str) -> Dataset:
    """Give a DATE item of a DA value."""
    item = _item(relationship, "DATE", name)
    item.Date = value
    return item


def time(relationship: str, name: Code, value: str) -> Dataset:
    """Give a TIME item of a TM value."""
    item = _item(relationship, "TIME", name)
    item.Time = value
    return item


def number(relationship: str, name: Code, value: float, unit: Code) -> Dataset:
    """Give a NUM item, of eight digits: DS has 16 characters."""
    item = _item(relationship, "NUM", name)
    measured = Dataset()
    measured.MeasurementUnitsCodeSequence = [coded(unit)]
    measured.NumericValue = f"{float(value):.8g}"
    item.MeasuredValueSequence = [measured]
    return item


def image(relationship: str, reference: ObjectReference, children: Iterable[Dataset] = ()) -> Dataset:
    """Give an IMAGE item, which needs no name (TID 4020 row 1)."""
    item = _item(relationship, "IMAGE", None)
    item.ReferencedSOPSequence = [reference_item(reference)]
    return with_children(item, children)


def coordinates(name: Code, graphic_type: str, points: NDArray[np.float32], *, of: Path) -> Dataset:
    """Give a SCOORD item that is selected from the image at a place of the tree.

    Parameters
    ----------
    points
        (n, 2), x to the right, y down, (0, 0) the upper left corner of the first pixel (PS3.3 C.18.6.1.1).
    """
    item = _item(HAS_PROPERTIES, "SCOORD", name)
    item.GraphicType = graphic_type
    item.GraphicData = [float(value) for value in points.ravel()]
    return with_children(item, [by_reference(SELECTED_FROM, of)])


def by_reference(relationship: str, path: Path) -> Dataset:
    """Point at another item of the same tree (PS3.3 C.17.3.2.5)."""
    item = Dataset()
    item.RelationshipType = relationship
    item.ReferencedContentItemIdentifier = list(path)
    return item


def with_children(item: Dataset, children: Iterable[Dataset]) -> Dataset:
    """Put items below an item; none leaves it as it is."""
    below = list(children)
    if below:
        item.ContentSequence = below
    return item


def _item(relationship: str, value_type: str, name: Code | None) -> Dataset:
    item = Dataset()
    if relationship:
        item.RelationshipType = relationship
    item.ValueType = value_type
    if name is not None:
        item.ConceptNameCodeSequence = [coded(name)]
    return item
