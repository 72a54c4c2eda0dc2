"""What a service answers to a STOW-RS request: the Store Instances Response Module (PS3.18 Annex I), JSON or XML.

Read by hand and not into a data set: of a peer's text only UIDs that we know and numbers are taken, nothing is
converted, and whatever does not fit is passed over.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

REFERENCED_SOP_SEQUENCE = "00081199"
FAILED_SOP_SEQUENCE = "00081198"
REFERENCED_SOP_INSTANCE_UID = "00081155"
WARNING_REASON = "00081196"
FAILURE_REASON = "00081197"


@dataclass(frozen=True)
class StoreAnswer:
    """What became of each object.

    Parameters
    ----------
    stored
        SOP Instance UID and Warning Reason; 0 where there is none.
    failed
        SOP Instance UID and Failure Reason; None where none is given. An object in both is failed.
    """

    stored: Mapping[str, int]
    failed: Mapping[str, int | None]


NO_ANSWER = StoreAnswer({}, {})


def read_answer(body: bytes) -> StoreAnswer:
    """Read the body of a response; `NO_ANSWER` where it is none that the standard knows.

    The Content-Type is not looked at: services leave it out of answers that are errors.
    """
    start = body.lstrip()[:1]
    try:
        items = _json_items(body) if start in (b"{", b"[") else _xml_items(body)
    except (ValueError, RecursionError, ET.ParseError):
        return NO_ANSWER
    stored: dict[str, int] = {}
    failed: dict[str, int | None] = {}
    for sequence, uid, reason in items:
        if sequence == FAILED_SOP_SEQUENCE:
            failed[uid] = reason
        else:
            stored[uid] = reason or 0
    return StoreAnswer({uid: reason for uid, reason in stored.items() if uid not in failed}, failed)


_REASONS = {REFERENCED_SOP_SEQUENCE: WARNING_REASON, FAILED_SOP_SEQUENCE: FAILURE_REASON}
_Item = tuple[str, str, int | None]  # tag of the sequence, UID, reason


def _json_items(body: bytes) -> list[_Item]:
    """PS3.18 Annex F; a list around the one data set is taken, too."""
    parsed = json.loads(body)
    data_sets = parsed if isinstance(parsed, list) else [parsed]
    return [found for data_set in data_sets for found in _json_data_set(data_set)]


def _json_data_set(data_set: object) -> Iterator[_Item]:
    for sequence, reason in _REASONS.items():
        for item in _json_values(data_set, sequence):
            for uid in _json_values(item, REFERENCED_SOP_INSTANCE_UID)[:1]:
                yield sequence, _uid(uid), _number(_json_values(item, reason)[:1])


def _json_values(data_set: object, tag: str) -> list[Any]:
    element = data_set.get(tag) if isinstance(data_set, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []


def _xml_items(body: bytes) -> list[_Item]:
    """PS3.19 A.1, the Native DICOM Model."""
    # No document type, so no entities that grow: the model has none.
    if b"<!" in body or b"\0" in body:
        raise ValueError
    root = ET.fromstring(body)  # noqa: S314 -- bounded in size, and without declarations
    return [found for sequence, reason in _REASONS.items() for found in _xml_sequence(root, sequence, reason)]


def _xml_sequence(root: ET.Element, sequence: str, reason: str) -> Iterator[_Item]:
    for item in root.iterfind(f"./{{*}}DicomAttribute[@tag='{sequence}']/{{*}}Item"):
        for uid in _xml_values(item, REFERENCED_SOP_INSTANCE_UID)[:1]:
            yield sequence, _uid(uid), _number(_xml_values(item, reason)[:1])


def _xml_values(item: ET.Element, tag: str) -> list[str]:
    return [value.text or "" for value in item.iterfind(f"./{{*}}DicomAttribute[@tag='{tag}']/{{*}}Value")]


def _uid(value: object) -> str:
    return str(value).strip("\0 \t\r\n")


def _number(values: list[Any]) -> int | None:
    for value in values:
        text = str(value).strip()
        if text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 0xFFFF:  # VR US
            return int(text)
    return None
