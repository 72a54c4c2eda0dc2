"""An archive for tests that takes objects, and is asked after them: it answers as its script says."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from pydicom import Dataset
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.transport import ThreadedAssociationServer

from dcis_node.commitment import ALL_COMMITTED, SOME_FAILED, STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE
from dcis_node.deliver.query import STUDY_ROOT_FIND
from tests.peer_tools import START_SECONDS, free_port, wait_until

VERIFICATION = "1.2.840.10008.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
EXPLICIT = "1.2.840.10008.1.2.1"


@dataclass(frozen=True)
class Request:
    """One N-ACTION as it came; `association` is the one on which it came."""

    transaction_uid: str
    uids: tuple[str, ...]
    association: Association


def report(transaction_uid: str, committed: Sequence[str], failed: dict[str, int] | None = None) -> tuple[int, Dataset]:
    """Build event type and Event Information of a report."""
    information = Dataset()
    information.TransactionUID = transaction_uid
    information.ReferencedSOPSequence = [_item(uid) for uid in committed]
    if failed:
        information.FailedSOPSequence = [_item(uid, reason) for uid, reason in failed.items()]
    return SOME_FAILED if failed else ALL_COMMITTED, information


def _item(uid: str, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = SECONDARY_CAPTURE
    item.ReferencedSOPInstanceUID = uid
    if reason is not None:
        item.FailureReason = reason
    return item


def report_to(
    node: tuple[str, int], event_type: int, information: Dataset, *, aet: str = "PACS", role: bool = True
) -> int | None:
    """Report on an association of one's own, as the SCP of the service; gives the status of the answer.

    Parameters
    ----------
    role
        Whether the role is proposed; without it, it is simply taken.
    """
    entity = AE(ae_title=aet)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = START_SECONDS
    entity.add_requested_context(STORAGE_COMMITMENT)
    proposed = [build_role(STORAGE_COMMITMENT, scp_role=True)] if role else []
    association = entity.associate("127.0.0.1", node[1], ae_title=node[0], ext_neg=proposed)
    if not association.is_established:
        return None
    for context in association.accepted_contexts:
        if not role:
            context._as_scp = True
    try:
        status, _ = association.send_n_event_report(information, event_type, STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE)
        return status.get("Status")
    finally:
        if association.is_established:
            association.release()


@dataclass
class CommitmentPeer:
    """A storage SCP that commits itself, or is queried; use it as a context manager.

    Parameters
    ----------
    answer
        Called with the peer and each request, in a thread, after its N-ACTION was answered: reports, or does not.
    action_status
        Status of the N-ACTION response; None aborts the association in place of it.
    offers
        Which of `commitment` and `query` it accepts to be asked by.
    listed
        Given the SOP Instance UIDs that it has and the query: those that it answers with.
    """

    answer: Callable[["CommitmentPeer", Request], object] = lambda peer, request: None
    action_status: int | None = 0x0000
    offers: Sequence[str] = ("commitment",)
    listed: Callable[[list[str], Dataset], Sequence[str]] | None = None
    find_status: int = 0x0000
    node: tuple[str, int] = ("NODE", 0)
    aet: str = "PACS"
    port: int = 0
    stored: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    queries: list[Dataset] = field(default_factory=list)
    answers: list[int | None] = field(default_factory=list)

    def __enter__(self) -> "CommitmentPeer":
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self.port = self.port or free_port()
        entity = AE(ae_title=self.aet)
        entity.maximum_associations = 50
        contexts = [build_context(VERIFICATION), build_context(SECONDARY_CAPTURE, EXPLICIT)]
        if "commitment" in self.offers:
            contexts.append(build_context(STORAGE_COMMITMENT))
        if "query" in self.offers:
            contexts.append(build_context(STUDY_ROOT_FIND))
        entity.supported_contexts = contexts
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_N_ACTION, self._action), (evt.EVT_C_FIND, self._find)]
        self._server = entity.make_server(
            ("127.0.0.1", self.port), evt_handlers=handlers, server_class=ThreadedAssociationServer
        )
        entity._servers.append(self._server)
        self._serving = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._serving.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._serving.join(START_SECONDS)
        for association in list(self._server.active_associations):
            association.abort()
            association.join(START_SECONDS)
        for thread in self._threads:
            thread.join(START_SECONDS)

    def wait_for(self, number: int, *, seconds: float = START_SECONDS) -> list[Request]:
        """Wait until so many requests have come."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= number, seconds):
                pytest.fail(f"{len(self.requests)} of {number} requests came within {seconds:g} s")
            return list(self.requests)

    def report_here(self, request: Request, failed: dict[str, int] | None = None) -> None:
        """Report on the association of the request; all that did not fail is committed."""
        committed = [uid for uid in request.uids if uid not in (failed or {})]
        kind, information = report(request.transaction_uid, committed, failed)
        _pause(request.association)
        status, _ = request.association.send_n_event_report(information, kind, STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE)
        self._note(status.get("Status"))

    def report_elsewhere(
        self,
        request: Request,
        failed: dict[str, int] | None = None,
        *,
        left_out: Sequence[str] = (),
        transaction_uid: str = "",
        role: bool = True,
    ) -> None:
        """Report on an association to the node's listener."""
        committed = [uid for uid in request.uids if uid not in (failed or {}) and uid not in left_out]
        kind, information = report(transaction_uid or request.transaction_uid, committed, failed)
        self._note(report_to(self.node, kind, information, aet=self.aet, role=role))

    def _note(self, status: int | None) -> None:
        with self._changed:
            self.answers.append(status)
            self._changed.notify_all()

    def _store(self, event: evt.Event) -> int:
        with self._changed:
            self.stored.append(str(event.request.AffectedSOPInstanceUID))
            self._changed.notify_all()
        return 0x0000

    def _action(self, event: evt.Event) -> tuple[int, None]:
        information = event.action_information
        uids = tuple(str(item.ReferencedSOPInstanceUID) for item in information.ReferencedSOPSequence)
        request = Request(str(information.TransactionUID), uids, event.assoc)
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        if self.action_status is None:
            event.assoc.abort()
            return 0x0110, None
        if self.action_status == 0x0000:
            thread = threading.Thread(target=self._answer, args=(request,), daemon=True)
            self._threads.append(thread)
            thread.start()
        return self.action_status, None

    def _answer(self, request: Request) -> None:
        # The association may be gone, or the node: a real archive would log it.
        with contextlib.suppress(RuntimeError, ValueError, OSError):
            self.answer(self, request)

    def _find(self, event: evt.Event):
        query = event.identifier
        with self._changed:
            self.queries.append(query)
            there = list(dict.fromkeys(self.stored))
        if self.find_status:
            yield self.find_status, None
            return
        for uid in (self.listed or by_the_standard)(there, query):
            answer = Dataset()
            answer.QueryRetrieveLevel = "IMAGE"
            answer.SOPInstanceUID = uid
            yield 0xFF00, answer


def _pause(association: Association) -> None:
    """Let the thread of an association stand still before another one sends and waits on it.

    pynetdicom looks once at a flag that is also set for a moment while that thread goes on: on a busy machine it then
    takes the answer away.
    """
    association._reactor_checkpoint.clear()
    for _ in range(2):
        wait_until(lambda: association._is_paused or not association.is_established, "the association stands still")
        threading.Event().wait(0.05)


def by_the_standard(there: list[str], query: Dataset) -> list[str]:
    """Match a list of UIDs, one, or none, which means all (PS3.4 C.2.2.2)."""
    wanted = query.SOPInstanceUID
    if not wanted:
        return there
    return [uid for uid in there if uid in ([wanted] if isinstance(wanted, str) else list(wanted))]
