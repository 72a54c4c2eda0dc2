"""What a section of the page is made of."""

from dataclasses import dataclass
from typing import Literal

from training.report.style import Picture
from training.report.tables import Table


@dataclass(frozen=True)
class Part:
    """One piece: `facts` are (name, value) pairs, set like code; everything is escaped by the template."""

    kind: Literal["text", "heading", "list", "facts", "table", "picture"]
    value: str | tuple[str, ...] | tuple[tuple[str, str], ...] | Table | Picture


@dataclass(frozen=True)
class Section:
    """A chapter with its anchor."""

    key: str
    title: str
    parts: tuple[Part, ...]


def section(key: str, title: str, *parts: Part | None) -> Section:
    """Give a section of those parts that are there."""
    return Section(key, title, tuple(part for part in parts if part is not None))


def text(value: str) -> Part | None:
    """Give a paragraph; None for an empty one."""
    return Part("text", value) if value else None


def listed(values: tuple[str, ...]) -> Part:
    """Give a bulleted list."""
    return Part("list", values)


def facts(values: tuple[tuple[str, str], ...]) -> Part:
    """Give names with their values: hashes, versions."""
    return Part("facts", values)


def tabled(value: Table | None) -> Part | None:
    """Give a table; None for none."""
    return None if value is None else Part("table", value)


def pictured(value: Picture | None) -> Part | None:
    """Give a picture; None for none."""
    return None if value is None else Part("picture", value)


def heading(value: str) -> Part:
    """Give a heading within a section."""
    return Part("heading", value)
