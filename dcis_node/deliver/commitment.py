"""Ask a peer to commit itself to what it has taken (storage commitment, push model), as SCU."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from pydicom.uid import generate_uid
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import N_EVENT_REPORT

from dcis_node.commitment import (
    NO_SUCH_CLASS,
    PROCESSING_FAILURE,
    REQUEST_COMMITMENT,
    RESOURCE_LIMITATION,
    STORAGE_COMMITMENT,
    SUCCESS,
    WELL_KNOWN_INSTANCE,
    Report,
    ReportFault,
    answer_to,
    read_report,
    request_information,
)
from dcis_node.deliver.proof_policy import judge_report
from dcis_node.errors import StorageError
from storage import commitments
from storage.commitments import Taken
from storage.database import Database
from storage.proofs import Unproven

log = logging.getLogger(__name__)


def new_transaction_uid() -> str:
    """Make a Transaction UID that nobody can guess: 2.25 with 128 random bits (PS3.5 B.2)."""
    return str(generate_uid(prefix=None))


def ask(association: Association, rows: Sequence[Unproven], transaction_uid: str) -> int | None:
    """Send one request.

    Parameters
    ----------
    association
        Established, with an accepted context for storage commitment.

    Returns
    -------
    int | None
        Status of the N-ACTION response (PS3.7 10.1.4.1.10). None if no valid one came: the peer may have the request,
        and report on it.
    """
    objects = [(row.sop_class_uid, row.sop_instance_uid) for row in rows]
    try:
        answer, _ = association.send_n_action(
            request_information(transaction_uid, objects), REQUEST_COMMITMENT, STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE
        )
    except RuntimeError:  # the peer ended the association meanwhile
        return None
    return int(answer.Status) if "Status" in answer else None


def record(db: Database, report: Report, *, now: float) -> Taken:
    """Record a report in the index, and what follows from it.

    Raises
    ------
    StorageError
        The index cannot be written.
    """
    taken = commitments.take_report(
        db,
        transaction_uid=report.transaction_uid,
        committed=report.committed,
        failed=report.failed,
        now=now,
        judge=judge_report,
    )
    log.info(
        "event=commitment_reported taken=%s committed=%d failed=%d",
        taken.value,
        len(report.committed),
        len(report.failed),
    )
    return taken


class Listener:
    """Takes reports that come on the association on which was asked, in place of pynetdicom's own service.

    That one, in a thread of its own, changes the flag by which `send_n_action` and `release` wait for another thread;
    they could wait for ever.

    Parameters
    ----------
    clock
        Gives Unix seconds.
    """

    def __init__(self, db: Database, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock
        self._answered: dict[str, threading.Event] = {}

    def expect(self, transaction_uid: str) -> threading.Event:
        """Give what is set when the report on a request is recorded, and its answer is on its way."""
        return self._answered.setdefault(transaction_uid, threading.Event())

    @property
    def handler(self) -> evt.EventHandlerType:
        """Bind this to the association."""
        return (evt.EVT_CONN_OPEN, self._attach)

    def _attach(self, event: evt.Event) -> None:
        association = event.assoc

        def serve(request: Any, context_id: int) -> None:  # noqa: ANN401 -- pynetdicom ships no types
            self.serve(association, request, context_id)

        setattr(association, "_serve_request", serve)  # noqa: B010 -- a method of this one; a test fails when it moves

    def serve(self, association: Association, request: Any, context_id: int) -> None:  # noqa: ANN401 -- as above
        """Answer one request of the peer; never raises."""
        if not isinstance(request, N_EVENT_REPORT) or not request.is_valid_request:
            log.warning("event=request_passed_over text='only reports are taken here'")
            return
        uid = ""
        try:
            uid, status = self._take(association, request, context_id)
        except ReportFault as fault:
            status = fault.status
            log.warning("event=report_refused status=0x%04X text=%r", status, str(fault))
        except StorageError as error:
            status = RESOURCE_LIMITATION
            log.warning("event=report_not_recorded error=%r", str(error))
        except Exception as error:  # noqa: BLE001 -- the edge: recorded, and answered as ours
            status = PROCESSING_FAILURE
            log.error("event=report_not_recorded error=%s", type(error).__name__)
        association.dimse.send_msg(answer_to(request, status), context_id)
        if status == SUCCESS:
            self.expect(uid).set()

    def _take(self, association: Association, request: N_EVENT_REPORT, context_id: int) -> tuple[str, int]:
        context = association._accepted_cx.get(context_id)  # noqa: SLF001 -- as above
        if context is None or str(context.abstract_syntax) != STORAGE_COMMITMENT:
            raise ReportFault(NO_SUCH_CLASS, "a report of another service")
        data = request.EventInformation.getvalue() if request.EventInformation else b""
        report = read_report(request.EventTypeID, data, implicit_vr=context.transfer_syntax[0].is_implicit_VR)
        known = record(self._db, report, now=self._clock()) is not Taken.UNKNOWN
        return report.transaction_uid, SUCCESS if known else PROCESSING_FAILURE
