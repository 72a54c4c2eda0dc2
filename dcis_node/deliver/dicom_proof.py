"""Ask a DICOM peer after what it has taken: by storage commitment, by query, or both, on one association."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pynetdicom import build_context
from pynetdicom.association import Association

from dcis_node.commitment import STORAGE_COMMITMENT, SUCCESS
from dcis_node.deliver import commitment, proof_policy
from dcis_node.deliver.outcome import Failure, PeerAddress
from dcis_node.deliver.policy import judge_failure, judge_rejection
from dcis_node.deliver.proof_policy import DAY_SECONDS, Offers, Way
from dcis_node.deliver.prover import NOT_OFFERED, Prover, put_off, settle_query
from dcis_node.deliver.query import STUDY_ROOT_FIND, find
from dcis_node.deliver.transport import Refused, associate, leave
from storage import commitments
from storage.proofs import Unproven

log = logging.getLogger(__name__)

REPORT_SECONDS = 2.0
# Of the lease, for which the courier may show no sign of life. The rest is for what a question waits for beside its
# queries: association, request for commitment, the answer in hand, release; six of the eight time-outs of a lease.
QUERIES_SHARE = 0.25
# What is asked for, by the setting `proof` of a destination.
SERVICES = {
    "auto": (STORAGE_COMMITMENT, STUDY_ROOT_FIND),
    "commitment": (STORAGE_COMMITMENT,),
    "query": (STUDY_ROOT_FIND,),
}


@dataclass
class Memory:
    """What was learnt of a destination since this process began: until when it need not be asked what it offers."""

    nothing_until: float = 0.0


@dataclass(frozen=True)
class DicomProof:
    """Asks one peer; `ask` is what a `Prover` needs.

    Parameters
    ----------
    commitment_timeout_seconds
        How long a report may take, on whatever association, until the request counts as lost.
    report_seconds
        How long it is waited for on the association on which was asked.
    rng
        Gives the order in which objects are asked after by query.
    """

    peer: PeerAddress
    commitment_timeout_seconds: float
    report_seconds: float = REPORT_SECONDS
    memory: Memory = field(default_factory=Memory)
    rng: random.Random = field(default_factory=random.SystemRandom)

    def ask(self, context: Prover, rows: Sequence[Unproven], now: float) -> None:
        """Ask after some objects of one study, and record what comes of it."""
        # A moment further ahead than any that is set here was set by a clock that was wrong: the peer is asked anew.
        if now < self.memory.nothing_until <= now + DAY_SECONDS:
            put_off(context, rows, now=now, until=self.memory.nothing_until, text=NOT_OFFERED[context.mode])
            return
        started = time.monotonic()

        def clock() -> float:
            return now + time.monotonic() - started

        listener = commitment.Listener(context.db, clock)
        contexts = [build_context(uid) for uid in SERVICES[context.mode]]
        try:
            association = associate(self.peer, contexts, also=[listener.handler])
        except Refused as refused:
            self._put_off(context, rows, refused, clock())
            return
        try:
            offers = _offers(association)
            by = {one: [row for row in rows if proof_policy.way(context.mode, offers, row) is one] for one in Way}
            if by[Way.COMMITMENT]:
                self._ask_commitment(context, association, listener, by[Way.COMMITMENT], clock)
            if by[Way.QUERY]:
                until = time.monotonic() + QUERIES_SHARE * context.lease_seconds
                answer = find(association, by[Way.QUERY], until=until, rng=self.rng)
                settle_query(context, by[Way.QUERY], answer, clock())
        finally:
            leave(association)

    def _ask_commitment(
        self,
        context: Prover,
        association: Association,
        listener: commitment.Listener,
        rows: Sequence[Unproven],
        clock: Callable[[], float],
    ) -> None:
        """Ask for commitment; the request is in the index before the peer has it, as its report may overtake us."""
        uid = commitment.new_transaction_uid()
        answered = listener.expect(uid)
        asked_at = clock()
        # If this process dies now it is not known whether the peer has the request: it is asked anew after the lease.
        commitments.open_request(
            context.db,
            rows,
            destination=context.destination,
            transaction_uid=uid,
            now=asked_at,
            due_at=asked_at + context.lease_seconds,
        )
        status = commitment.ask(association, rows, uid)
        log.info(
            "event=commitment_asked destination=%s results=%d status=%s",
            context.destination,
            len(rows),
            "none" if status is None else f"0x{status:04X}",
        )
        now = clock()
        if status is not None and status != SUCCESS:
            commitments.refuse_request(
                context.db, uid, now=now, judge=lambda row: proof_policy.judge_refusal(row, status, now)
            )
            return
        seconds, text = self.commitment_timeout_seconds, ""
        if status is None:  # the peer may have the request, and report on it
            seconds, text = min(seconds, proof_policy.wait(rows[0], now)), proof_policy.NO_ANSWER
        if commitments.await_report(context.db, uid, due_at=now + seconds, text=text) and status == SUCCESS:
            answered.wait(self.report_seconds)

    def _put_off(self, context: Prover, rows: Sequence[Unproven], refused: Refused, now: float) -> None:
        if refused.failure is Failure.CLASS_NOT_ACCEPTED:
            self.memory.nothing_until = now + DAY_SECONDS
            put_off(context, rows, now=now, until=now + DAY_SECONDS, text=NOT_OFFERED[context.mode])
            return
        if refused.rejection is not None:
            text = judge_rejection(refused.rejection, self.peer).text
        else:
            text = judge_failure(refused.failure, self.peer, detail=refused.detail).text
        put_off(context, rows, now=now, until=now + proof_policy.wait(rows[0], now), text=text)


def _offers(association: Association) -> Offers:
    accepted = {str(context.abstract_syntax) for context in association.accepted_contexts}
    return Offers(commitment=STORAGE_COMMITMENT in accepted, query=STUDY_ROOT_FIND in accepted)
