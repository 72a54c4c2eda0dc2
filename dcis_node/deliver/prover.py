"""One unit of proving: take what a destination has been sent of one study, ask after it, record what it says.

What was asked, and until when an answer may take, stands in the index: a restart changes nothing.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dcis_node.deliver import proof_policy
from dcis_node.deliver.query import QueryAnswer
from storage import commitments, proofs
from storage.database import Database
from storage.proofs import Next, Unproven

log = logging.getLogger(__name__)

NOT_OFFERED = {
    "auto": "the destination offers neither storage commitment nor query",
    "commitment": "the destination does not offer storage commitment, which its setting proof demands",
    "query": "the destination does not offer query, which its setting proof demands",
}


@dataclass(frozen=True)
class Prover:
    """What it takes to prove the deliveries to one destination.

    Parameters
    ----------
    destination
        Its name in configuration and outbox.
    mode
        Setting `proof` of the destination: `auto`, `commitment` or `query`.
    give_up_seconds
        What is not proven so long after it was sent is asked after no more, and stays `sent`.
    lease_seconds
        How long one question may take, until another process may ask it.
    ask
        Given the prover, what was claimed, and the moment: asks after it and records what comes of it, by `settle`
        and `settle_query` (see `dcis_node.deliver.dicom_proof`).
    """

    db: Database
    destination: str
    mode: str
    give_up_seconds: float
    lease_seconds: float
    ask: Callable[["Prover", Sequence[Unproven], float], None]


def prove_next(context: Prover, *, now: float) -> bool:
    """Ask after what is due of one study at the prover's destination.

    Parameters
    ----------
    now
        Wall clock in Unix seconds.

    Returns
    -------
    bool
        True if something was due.

    Raises
    ------
    StorageError
        The index cannot be used. What was asked and not recorded is asked again.
    """
    if expired := commitments.expire(context.db, now=now):
        log.warning("event=commitment_expired requests=%d", expired)
    rows = proofs.claim(context.db, context.destination, now=now, lease_seconds=context.lease_seconds)
    if not rows:
        return False
    too_old = {row: proof_policy.too_old(row, now, give_up_seconds=context.give_up_seconds) for row in rows}
    old = [(row, fate) for row, fate in too_old.items() if fate is not None]
    if old:
        log.warning("event=proof_given_up destination=%s results=%d", context.destination, len(old))
        proofs.settle(context.db, old)
    left = [row for row, fate in too_old.items() if fate is None]
    if left:
        _ask(context, left, now)
    return True


def settle_query(context: Prover, rows: Sequence[Unproven], answer: QueryAnswer, now: float) -> None:
    """Record what a query, of whatever kind, has told of some objects."""
    found = [row for row in rows if row.sop_instance_uid in answer.found]
    fates = []
    for row in rows:
        if row.sop_instance_uid in answer.missing:
            fates.append((row, proof_policy.judge_missing(row, now)))
        elif row.sop_instance_uid not in answer.found:
            fates.append((row, proof_policy.judge_unasked(row, answer.failure or "the query got no answer", now)))
    proven = proofs.prove(context.db, found, by="query", now=now)
    proofs.settle(context.db, fates)
    level = logging.INFO if proven == len(rows) else logging.WARNING
    log.log(level, "event=proof destination=%s by=query asked=%d proven=%d", context.destination, len(rows), proven)


def put_off(context: Prover, rows: Sequence[Unproven], *, now: float, until: float, text: str) -> None:
    """Put off what was claimed, and whatever else is due at a destination that cannot be asked: it would meet the same.

    Parameters
    ----------
    text
        Why, in an administrator's words.
    """
    log.warning("event=proof_put_off destination=%s text=%r", context.destination, text)
    proofs.settle(context.db, [(row, Next("sent", until, text)) for row in rows])
    proofs.postpone(context.db, context.destination, now=now, until=until, text=text)


def _ask(context: Prover, rows: Sequence[Unproven], now: float) -> None:
    try:
        context.ask(context, rows, now)
    except Exception as error:  # noqa: BLE001 -- the edge: recorded; an index that cannot be written is raised below
        log.error("event=proof_failed destination=%s error=%s", context.destination, type(error).__name__)
        text = f"an error of this program ({type(error).__name__})"
        proofs.settle(context.db, [(row, proof_policy.judge_unasked(row, text, now)) for row in rows])
