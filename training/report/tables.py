"""A table of the page: words only, so that the template has nothing to decide."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Rows under a heading of their own; "" for none. The first cell of a row names it."""

    name: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Table:
    """A table with its caption; every row has as many cells as the head."""

    caption: str
    head: tuple[str, ...]
    groups: tuple[Group, ...]


def table(caption: str, head: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> Table:
    """Give a table without headings between its rows."""
    return Table(caption, head, (Group("", rows),))
