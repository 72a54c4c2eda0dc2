"""The messages of the Storage Commitment Push Model (PS3.4 J.3): what we ask, and what the answer says. Pure.

Here and not in a room, as the answer comes where we asked (`deliver`) or at our own listener (`receive`).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

from pydicom import Dataset
from pydicom.filereader import read_dataset

STORAGE_COMMITMENT: Final = "1.2.840.10008.1.20.1"
"""Storage Commitment Push Model SOP Class (PS3.6)."""
WELL_KNOWN_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
"""Its one SOP Instance (PS3.4 J.3.5)."""
REQUEST_COMMITMENT: Final = 1
"""Action Type ID (PS3.4 J.3.2.1)."""
ALL_COMMITTED, SOME_FAILED = 1, 2  # Event Type ID (PS3.4 J.3.3.1)
MOST_REPORT_BYTES = 128 * 1024
"""A report on 64 objects, the most that we ask for at once, has 16 KB. Read, bytes become a hundred times as many."""

# Statuses of an N-EVENT-REPORT or N-ACTION response (PS3.7 10.1.1.1.8, Annex C).
SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
NO_SUCH_EVENT_TYPE = 0x0113
INVALID_ARGUMENT = 0x0115
NO_SUCH_CLASS = 0x0118
UNRECOGNIZED_OPERATION = 0x0211
RESOURCE_LIMITATION = 0x0213

LONGEST_COMMENT = 64  # Error Comment (0000,0902) is LO

_TRANSACTION_UID = 0x00081195
_FAILED_SEQUENCE, _COMMITTED_SEQUENCE = 0x00081198, 0x00081199
_CLASS_UID, _INSTANCE_UID, _REASON = 0x00081150, 0x00081155, 0x00081197
_UID = re.compile(r"[0-9.]{1,64}")


class ReportFault(Exception):  # noqa: N818 -- the peer's fault, not the program's
    """A report cannot be used; `status` answers it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Report:
    """What a peer says to one request.

    Parameters
    ----------
    transaction_uid
        Of our request; dead after this report (PS3.4 J.3.3.1.2).
    committed
        SOP Instance UIDs of the objects that it will keep.
    failed
        SOP Instance UID and Failure Reason (PS3.3 C.14.1.1) of those that it will not; None where it gives no reason.
        An object in both lists is taken as failed.
    """

    transaction_uid: str
    committed: frozenset[str]
    failed: dict[str, int | None]


def request_information(transaction_uid: str, objects: Iterable[tuple[str, str]]) -> Dataset:
    """Build the Action Information of a request (PS3.4 Table J.3-1).

    Parameters
    ----------
    objects
        SOP Class UID and SOP Instance UID of each.
    """
    information = Dataset()
    information.TransactionUID = transaction_uid
    information.ReferencedSOPSequence = [_reference(*one) for one in objects]
    return information


def read_report(event_type: int | None, data: bytes, *, implicit_vr: bool) -> Report:
    """Read the Event Information of an N-EVENT-REPORT (PS3.4 Table J.3-2), little endian.

    Lists, not the Event Type ID, say what is committed: some peers report failures under type 1.

    Raises
    ------
    ReportFault
        It cannot be used. The text holds no value of it.
    """
    if event_type not in (ALL_COMMITTED, SOME_FAILED):
        raise ReportFault(NO_SUCH_EVENT_TYPE, "no event type of storage commitment")
    if len(data) > MOST_REPORT_BYTES:
        raise ReportFault(RESOURCE_LIMITATION, f"a report is longer than {MOST_REPORT_BYTES} bytes")
    try:
        information = read_dataset(BytesIO(data), implicit_vr, True)  # noqa: FBT003 -- little endian
        report = _report(information)
    except Exception as error:  # noqa: BLE001 -- whatever pydicom makes of hostile bytes, RecursionError among it
        text = f"a report cannot be read ({type(error).__name__})"
        raise ReportFault(INVALID_ARGUMENT, text) from None
    if not report.transaction_uid:
        raise ReportFault(INVALID_ARGUMENT, "a report has no valid Transaction UID")
    return report


def answer_to(request: Any, status: int, comment: str = "") -> Any:  # noqa: ANN401 -- pynetdicom ships no types
    """Build the response to an N-EVENT-REPORT or N-ACTION request primitive."""
    response = type(request)()
    response.MessageIDBeingRespondedTo = request.MessageID
    response.Status = status
    if comment:
        response.ErrorComment = comment[:LONGEST_COMMENT]
    return response


def _report(information: Dataset) -> Report:
    failed = {_uid(item, _INSTANCE_UID): _reason(item) for item in _items(information, _FAILED_SEQUENCE)}
    committed = {_uid(item, _INSTANCE_UID) for item in _items(information, _COMMITTED_SEQUENCE)}
    failed.pop("", None)
    return Report(_uid(information, _TRANSACTION_UID), frozenset(committed - {""} - set(failed)), failed)


def _items(information: Dataset, tag: int) -> Iterator[Dataset]:
    if tag in information:
        # An empty sequence is read as none.
        yield from information[tag].value or ()


def _uid(item: Dataset, tag: int) -> str:
    """Give a UID; "" if there is none or it is no UID. Raw, as pydicom's conversion would warn, and quote it."""
    value = item.get_item(tag).value if tag in item else b""
    text = (value or b"").decode("ascii").rstrip("\0 ")
    return text if _UID.fullmatch(text) else ""


def _reason(item: Dataset) -> int | None:
    value = item.get_item(_REASON).value if _REASON in item else b""
    return int.from_bytes(value, "little") if value and len(value) == 2 else None


def _reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item
