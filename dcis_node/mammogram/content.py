"""The content tree of a structured report, walked without trusting it."""

from collections.abc import Iterator
from typing import Final

from pydicom import Dataset

from dcis_node.mammogram.values import items, numbers, text

# Real reports are at most a dozen levels deep and have some thousand items.
DEEPEST: Final = 32
MOST_CONTENT_ITEMS: Final = 50_000


def walk(root: Dataset) -> Iterator[Dataset]:
    """Give the content items below `root` in the order of the report, down to `DEEPEST` levels."""
    waiting = [(item, 1) for item in reversed(items(root, "ContentSequence"))]
    for _ in range(MOST_CONTENT_ITEMS):
        if not waiting:
            return
        item, depth = waiting.pop()
        yield item
        if depth < DEEPEST:
            waiting += [(child, depth + 1) for child in reversed(items(item, "ContentSequence"))]


def resolve(root: Dataset, item: Dataset) -> Dataset | None:
    """Give the item itself, or the one it stands for by reference (PS3.3 C.17.3.2.5); None if that leads nowhere.

    A Referenced Content Item Identifier counts from 1; its first value is the root.
    """
    path = numbers(item, "ReferencedContentItemIdentifier")
    if not path:
        return item
    if path[0] != 1 or len(path) > DEEPEST:
        return None
    at = root
    for ordinal in path[1:]:
        children = items(at, "ContentSequence")
        if not 1 <= ordinal <= len(children):
            return None
        at = children[int(ordinal) - 1]
    return at


def concept(item: Dataset) -> str:
    """Give the code value of the item's Concept Name; "" if it has none."""
    return _code(item, "ConceptNameCodeSequence")


def coded_value(item: Dataset) -> str:
    """Give the code value of a CODE item's value; "" if it has none."""
    return _code(item, "ConceptCodeSequence")


def _code(item: Dataset, keyword: str) -> str:
    return next((text(code, "CodeValue") for code in items(item, keyword)[:1]), "")
