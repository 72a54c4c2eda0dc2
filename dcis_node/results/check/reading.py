"""What all checks use: demand something, and walk through an object that was read back."""

from collections.abc import Iterator

from pydicom import DataElement, Dataset

from dcis_node.errors import ResultError


def demand(holds: bool, text: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise a ResultError with the text unless it holds."""
    if not holds:
        raise ResultError(text)


def elements(ds: Dataset) -> Iterator[DataElement]:
    """Give every element in depth."""
    for element in ds:
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from elements(item)


def content(ds: Dataset) -> Iterator[Dataset]:
    """Give every content item of an SR tree in depth."""
    for item in ds.get("ContentSequence") or ():
        yield item
        yield from content(item)


def code(item: Dataset) -> str:
    """Give the code value of an item's concept name, or ""."""
    return str(item.ConceptNameCodeSequence[0].CodeValue) if "ConceptNameCodeSequence" in item else ""
