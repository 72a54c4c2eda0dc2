"""Read values of a dataset without trusting it: what cannot be read is absent.

pydicom converts lazily and meets a wrong value with a warning or an exception whose text holds the value. Neither may
reach a log, so elements that are still raw are decoded here, and nothing here raises or warns.
"""

import math
import struct
from collections.abc import Sequence
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.errors import BytesLengthException

# A value longer than this is no value; it keeps garbage from costing time. (LUT Data is read by `words`.) The longest
# real ones are outlines of some ten thousand points.
LONGEST_VALUE_BYTES = 1 << 20
MOST_VALUES = 200_000
MOST_ITEMS = 10_000

_BINARY_FORMATS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "US or SS": "H", "AT": "H"}
# What pydicom raises on elements it cannot convert; the last two have no common base with the others.
UNREADABLE = (
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    OSError,
    struct.error,
    BytesLengthException,
)


def texts(ds: Dataset, keyword: str) -> tuple[str, ...]:
    """Read the values of one attribute as text, without padding.

    Parameters
    ----------
    ds
        Dataset or sequence item.
    keyword
        Keyword of the attribute, such as `ViewPosition`.

    Returns
    -------
        The values in order, inner empty ones kept as ""; () if absent, empty or unreadable.
    """
    values = tuple(str(value).strip(" \0") for value in _values(ds, keyword))
    return values if any(values) else ()


def text(ds: Dataset, keyword: str) -> str:
    """Read the first value of one attribute as text; "" if absent or unreadable."""
    return next(iter(texts(ds, keyword)), "")


def numbers(ds: Dataset, keyword: str) -> tuple[float, ...]:
    """Read the values of one attribute as finite numbers; () if there is none or any of them is not a number."""
    parsed = optional_numbers(ds, keyword)
    return tuple(value for value in parsed if value is not None) if None not in parsed else ()


def optional_numbers(ds: Dataset, keyword: str) -> tuple[float | None, ...]:
    """Read the values of one attribute in their places; None where a value is no finite number."""
    return tuple(_number(value) for value in _values(ds, keyword))


def number(ds: Dataset, keyword: str) -> float | None:
    """Read the first value of one attribute as a finite number; None if there is none."""
    return next(iter(numbers(ds, keyword)), None)


def whole(ds: Dataset, keyword: str) -> int | None:
    """Read the first value of one attribute as a whole number; None if there is none."""
    value = number(ds, keyword)
    return int(value) if value is not None and value == int(value) else None


def is_present(ds: Dataset, keyword: str) -> bool:
    """Tell whether the attribute is there at all, be it empty."""
    tag = tag_for_keyword(keyword)
    return tag is not None and tag in ds


def items(ds: Dataset, keyword: str) -> tuple[Dataset, ...]:
    """Read the items of a sequence; () if absent, not a sequence or unreadable."""
    element = element_of(ds, keyword)
    if element is None or (element.VR or "SQ") not in ("SQ", "UN"):  # another VR would be converted, with a warning
        return ()
    try:
        value = ds[keyword].value
    except UNREADABLE:
        return ()
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        return ()
    return tuple(item for item in value[:MOST_ITEMS] if isinstance(item, Dataset))


def element_of(ds: Dataset, keyword: str) -> DataElement | RawDataElement | None:
    """Give an element as it is, decoded or not; None if it is absent."""
    tag = tag_for_keyword(keyword)
    if tag is None or tag not in ds:
        return None
    try:
        return ds.get_item(tag)
    except UNREADABLE:
        return None


def _values(ds: Dataset, keyword: str) -> tuple[Any, ...]:
    """Give the values of one attribute as pydicom or `_decoded` has them; () if there is none."""
    element = element_of(ds, keyword)
    if element is None or element.value is None:
        return ()
    if isinstance(element, RawDataElement):
        return _decoded(element, keyword)
    value = element.value
    if isinstance(value, str | bytes):
        plain = value if isinstance(value, str) else value.decode("latin-1")
        return tuple(plain.split("\\")) if len(plain) <= LONGEST_VALUE_BYTES else ()
    if isinstance(value, Sequence):
        return () if any(isinstance(item, Dataset) for item in value[:1]) else tuple(value[:MOST_VALUES])
    return (value,)


def _decoded(element: RawDataElement, keyword: str) -> tuple[Any, ...]:
    """Decode the bytes of an element as its VR says (the dictionary's where the file names none)."""
    data = element.value
    if not isinstance(data, bytes) or len(data) > LONGEST_VALUE_BYTES:
        return ()
    vr = element.VR if element.VR not in (None, "UN") else dictionary_VR(keyword)
    if vr == "SQ":
        return ()
    letter = _BINARY_FORMATS.get(str(vr))
    if letter is None:
        return tuple(data.decode("latin-1").split("\\"))
    size = struct.calcsize("=" + letter)
    order = "<" if element.is_little_endian else ">"
    return struct.unpack(f"{order}{len(data) // size}{letter}", data[: len(data) // size * size])


def _number(value: object) -> float | None:
    try:
        parsed = float(str(value).strip(" \0"))
    except ValueError:
        return None
    return parsed if math.isfinite(parsed) else None
