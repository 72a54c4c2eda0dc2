"""Notifications that come to our listener: reports on our requests for storage commitment (PS3.4 J.3.3).

The peer that we asked is the requestor of the association then, and the SCP of the service (PS3.7 D.3.3.4): role
selection is agreed on if the peer proposes it, and not insisted on, as not every archive does. We commit ourselves to
nothing: a request for it (N-ACTION) is refused.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

from pynetdicom import build_context
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.presentation import PresentationContext

from dcis_node.commitment import (
    MOST_REPORT_BYTES,
    NO_SUCH_CLASS,
    PROCESSING_FAILURE,
    RESOURCE_LIMITATION,
    STORAGE_COMMITMENT,
    SUCCESS,
    UNRECOGNIZED_OPERATION,
    Report,
    ReportFault,
    answer_to,
    read_report,
)
from dcis_node.errors import StorageError
from dcis_node.mammogram.storage_classes import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from dcis_node.receive.store import where

log = logging.getLogger(__name__)

# Records a report in the index, durably; False if it is on no request of ours. Raises StorageError.
TakeReport = Callable[[Report], bool]

_SYNTAXES: Final = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


def none_is_ours(_: Report) -> bool:
    """Know no request: a `TakeReport` for a receiver without a courier beside it."""
    return False


def commitment_context() -> PresentationContext:
    """Accept a peer as the SCP of storage commitment; one that insists on being its SCU is refused."""
    context = build_context(STORAGE_COMMITMENT, list(_SYNTAXES))
    context.scu_role, context.scp_role = False, True  # of the requestor
    return context


class Notification:
    """The data set of a notification, kept in memory and capped; stands where an object has its sink.

    Longer ones are cut, and refused when they are read.
    """

    def __init__(self) -> None:
        self._data = bytearray()

    @property
    def data(self) -> bytes:
        """All of it."""
        return bytes(self._data)

    def write(self, data: bytes | memoryview) -> None:
        """Take the next piece."""
        if len(self._data) <= MOST_REPORT_BYTES:
            self._data += data[: MOST_REPORT_BYTES + 1 - len(self._data)]

    def discard(self) -> None:
        """Forget it."""
        self._data.clear()


def answer_request(
    request: Any,  # noqa: ANN401 -- pynetdicom ships no types
    context: PresentationContext,
    take: TakeReport,
    *,
    number: int,
) -> Any:  # noqa: ANN401 -- as above
    """Answer one N-EVENT-REPORT or N-ACTION; never raises.

    Parameters
    ----------
    request
        Carries its data set as `sink`.
    number
        Of the association, for the log.

    Returns
    -------
    The response primitive. Success is answered when the index is written, and not before.
    """
    status, text = _judge(request, context, take)
    if status == SUCCESS:
        log.info("event=commitment_report association=%d", number)
    else:
        log.warning("event=report_refused association=%d status=0x%04X text=%r", number, status, text)
    return answer_to(request, status, text)


def _judge(request: Any, context: PresentationContext, take: TakeReport) -> tuple[int, str]:  # noqa: ANN401 -- as above
    if not isinstance(request, N_EVENT_REPORT):
        return UNRECOGNIZED_OPERATION, "this node commits itself to nothing"
    try:
        if not take(_read(request, context)):
            return PROCESSING_FAILURE, "no request of ours has this Transaction UID"
    except ReportFault as fault:
        return fault.status, str(fault)
    except StorageError as error:
        return RESOURCE_LIMITATION, str(error)
    except Exception as error:  # noqa: BLE001 -- the edge: recorded, and answered as ours
        log.error("event=report_failed error=%s at=%s", type(error).__name__, where(error))
        return PROCESSING_FAILURE, "internal error; try again later"
    return SUCCESS, ""


def _read(request: Any, context: PresentationContext) -> Report:  # noqa: ANN401 -- as above
    if request.AffectedSOPClassUID != STORAGE_COMMITMENT:
        raise ReportFault(NO_SUCH_CLASS, "only reports on storage commitment are taken")
    data = b"" if request.sink is None else request.sink.data
    return read_report(request.EventTypeID, data, implicit_vr=context.transfer_syntax[0].is_implicit_VR)
