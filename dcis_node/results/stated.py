"""Values of a source exactly as it states them: bytes, not what they may mean.

A name may be in any character set, declared rightly, wrongly or not at all. Decoding it and encoding it again loses
what the declared set does not hold; so the bytes go from the source into the result as they are.
"""

import copy
import re
from typing import Final

from pydicom import DataElement, Dataset
from pydicom.charset import python_encoding
from pydicom.config import RAISE
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag, Tag
from pydicom.valuerep import CUSTOMIZABLE_CHARSET_VR, validate_value

from dcis_node.mammogram.values import items

# Texts whose bytes the Specific Character Set rules, and the characters they may have (PS3.5 6.2; a PN: each of its
# three groups).
_LIMITS: Final[dict[str, int]] = {"LO": 64, "PN": 64, "SH": 16}
# In items of sequences nothing else is copied: pydicom encodes them anew, and fails on numbers that are none.
_ITEM_VRS = frozenset({"AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"})
# Explicit VR has 16 bits for the length of these.
_LONGEST_BYTES = 0xFFFE
_HEADER_BYTES = 8
_ESCAPE = b"\x1b"
# PS3.5 6.1.2.5: one set into G0 or G1, of one or of two bytes for each character.
_ESCAPES = re.compile(rb"\x1b(\$?[()\-]?.)")
# In these a byte like that of the backslash may be the second half of a character.
_DOUBLE_BYTE = frozenset({"GB18030", "GBK", "ISO 2022 GBK"})


def stated(source: Dataset, keyword: str) -> bytes | None:
    """Give the bytes of a text attribute, of even length; None where the source lacks it, or it is no text.

    Parameters
    ----------
    source
        As it was read; an element that somebody has looked at was decoded by pydicom, and is encoded again.
    """
    tag = Tag(keyword)
    if tag not in source:
        return None
    element = source.get_item(tag)
    if element.VR == "SQ":
        return None
    value = (element.value or b"") if isinstance(element, RawDataElement) else _encoded(element, source)
    value += b" " * (len(value) % 2)
    return value if len(value) <= _LONGEST_BYTES else None


def as_element(keyword: str, value: bytes) -> RawDataElement:
    """Give the element of these bytes, which `dcis_node.results.part10` writes as they are."""
    tag = Tag(keyword)
    return RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, is_implicit_VR=False, is_little_endian=True)


def keeps_its_vr(source: Dataset, keyword: str) -> bool:
    """Tell if a value is valid for its VR; a text may have no control characters, and no more characters than allowed.

    Where characters cannot be told, as the set is unknown or wrong, bytes are counted.
    """
    value, vr = stated(source, keyword), str(dictionary_VR(Tag(keyword)))
    if value is None:
        return False
    if vr not in _LIMITS:
        return _is_valid(vr, value.decode("latin-1").rstrip(" \0"))
    term = _first_term(source)
    if any(byte < ord(" ") for byte in value.replace(_ESCAPE, b"").rstrip(b"\0")):
        return False
    if b"\\" in value and _ESCAPE not in value and term not in _DOUBLE_BYTE:
        return False
    groups = value.split(b"=") if vr == "PN" and _ESCAPE not in value else [value]
    return all(_characters(group.rstrip(b" \0"), term) <= _LIMITS[vr] for group in groups)


def _is_valid(vr: str, value: str) -> bool:
    try:
        validate_value(vr, value, RAISE)
    except ValueError:
        return False
    return "\\" not in value


def plain_items(source: Dataset, keyword: str) -> list[Dataset]:
    """Copy the items of a sequence; [] if any text in it, at any depth, is not ASCII, or anything is no text at all."""
    found = items(source, keyword)
    return [copy.deepcopy(item) for item in found] if all(_is_plain(item) for item in found) else []


def _is_plain(item: Dataset) -> bool:
    return all(_is_plain_element(item, tag) for tag in item.keys())  # noqa: SIM118 - iterating decodes the elements


def _is_plain_element(item: Dataset, tag: BaseTag) -> bool:
    element = item.get_item(tag)
    vr = element.VR or (dictionary_VR(tag) if dictionary_has_tag(tag) else "UN")
    if vr == "SQ":
        return all(_is_plain(child) for child in items(item, keyword_for_tag(tag)))
    value = stated(item, keyword_for_tag(tag)) if vr in _ITEM_VRS and dictionary_has_tag(tag) else None
    return value is not None and value.isascii() and _ESCAPE not in value


def _first_term(source: Dataset) -> str:
    declared = stated(source, "SpecificCharacterSet") or b""
    return declared.decode("latin-1").split("\\")[0].strip(" \0")


def _characters(value: bytes, term: str) -> int:
    """Count characters. With escape sequences they may have two bytes each, which is not told apart here."""
    if _ESCAPE in value:
        return -(-len(_ESCAPES.sub(b"", value)) // 2)
    try:
        return len(value.decode(python_encoding.get(term, "latin-1")))
    except UnicodeDecodeError:
        return len(value)


def _encoded(element: DataElement, source: Dataset) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    declared = source.get("SpecificCharacterSet") if element.VR in CUSTOMIZABLE_CHARSET_VR else None
    write_data_element(buffer, element, declared)
    return bytes(buffer.getvalue()[_HEADER_BYTES:])
