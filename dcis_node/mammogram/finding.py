"""One fact read from a header, with the rule that gave it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Finding(Generic[T_co]):
    """A value, the attribute it came from ("" if nothing gave one), and contradictions met on the way."""

    value: T_co
    source: str = ""
    notes: tuple[str, ...] = ()
