"""What all checks use: demand something, and walk through an object that was read back."""

from collections.abc import Iterable, Iterator

from pydicom import DataElement, Dataset
from pydicom.tag import Tag

from dcis_node.errors import ResultError

# By tag, as looking a keyword up takes as long as reading the value.
_CONCEPT_NAME, _CODE_VALUE, _CONTENT = Tag("ConceptNameCodeSequence"), Tag("CodeValue"), Tag("ContentSequence")


def demand(holds: bool, text: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise a ResultError with the text unless it holds."""
    if not holds:
        raise ResultError(text)


def stored(ds: Dataset) -> Iterator[DataElement]:
    """Give the elements of one level.

    Half of the time of the check would go into pydicom's own iteration, which looks each element up again.
    """
    for tag, element in ds.items():
        yield element if isinstance(element, DataElement) else ds[tag]


def elements(ds: Dataset) -> list[DataElement]:
    """Give every element in depth."""
    found: list[DataElement] = []
    for element in stored(ds):
        _collect(element, found)
    return found


def within(element: DataElement) -> list[DataElement]:
    """Give an element and, if it is a sequence, every element in it in depth."""
    found: list[DataElement] = []
    _collect(element, found)
    return found


def _collect(element: DataElement, found: list[DataElement]) -> None:
    found.append(element)
    if element.VR == "SQ":
        for item in element.value:
            for inner in stored(item):
                _collect(inner, found)


def content(ds: Dataset) -> Iterator[Dataset]:
    """Give every content item of an SR tree in depth."""
    for item in _children(ds):
        yield item
        yield from content(item)


def _children(item: Dataset) -> Iterator[Dataset]:
    sequence = item.get(_CONTENT)
    return iter(() if sequence is None else sequence.value)


def code(item: Dataset) -> str:
    """Give the code value of an item's concept name, or ""."""
    name = item.get(_CONCEPT_NAME)
    return str(name.value[0][_CODE_VALUE].value) if name is not None else ""


def named(item: Dataset, value: str) -> list[Dataset]:
    """Give the children of a content item whose concept name has this code value."""
    return [child for child in _children(item) if code(child) == value]


def number(item: Dataset) -> float:
    """Give the figure of a NUM item."""
    return float(item.MeasuredValueSequence[0].NumericValue)


def spoken(item: Dataset) -> list[str]:
    """Give all texts below a content item, line breaks undone."""
    return [" ".join(str(child.TextValue).split()) for child in content(item) if child.get("ValueType") == "TEXT"]


def demand_in_order(item: Dataset, wanted: Iterable[tuple[str, str, str]], what: str) -> None:
    """Demand children of a content item by code value, relationship and value type, in this order.

    Others may stand among them.

    Raises
    ------
    ResultError
        Naming the first code that is missing or out of place.
    """
    rest = iter(item.get("ContentSequence") or ())
    for value, relationship, value_type in wanted:
        sought = (value, relationship, value_type)
        there = any((code(c), c.get("RelationshipType"), c.get("ValueType")) == sought for c in rest)
        demand(there, f"{what} lacks {value_type} {value}, or has it out of place")


def item_at(ds: Dataset, identifier: Iterable[int] | int) -> Dataset | None:
    """Follow a Referenced Content Item Identifier (0040,DB73) from the root; None if it leads nowhere.

    Its numbers count from 1, the first is the root itself (PS3.3 C.17.3.2.5).
    """
    root, *path = [identifier] if isinstance(identifier, int) else [int(step) for step in identifier]
    here = ds if root == 1 else None
    for step in path:
        children = list(here.get("ContentSequence") or ()) if here is not None else []
        here = children[step - 1] if 0 < step <= len(children) else None
    return here
