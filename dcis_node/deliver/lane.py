"""One unit of the courier's work: claim what is due for a destination, send it, record what came of it."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dcis_node.config import DeliverSettings
from dcis_node.deliver import policy
from dcis_node.deliver.breaker import Breaker, Streak, conclude
from dcis_node.deliver.events import Notify, nobody
from dcis_node.deliver.outcome import Failure, Outgoing, Sent
from dcis_node.deliver.policy import Action, Verdict
from dcis_node.deliver.proof_policy import PROOF_DELAY_SECONDS
from dcis_node.deliver.route import Route
from dcis_node.deliver.transfer import Transfer
from dcis_node.errors import StorageError
from storage import outbox
from storage.database import Database
from storage.destinations import Condition
from storage.files import FileStore
from storage.losses import note_losses
from storage.outbox import Parcel

log = logging.getLogger(__name__)

# Waits that one object can meet: connection, association, network, answer (see `Address.timeout_seconds`).
WAITS_OF_ONE_OBJECT = 4


@dataclass(frozen=True)
class Lane:
    """What a courier needs to serve one destination.

    Parameters
    ----------
    destination
        Name of the destination in configuration and outbox.
    route
        How it is reached.
    owner
        Name under which rows are leased; the same after a restart, and no one else's.
    rng
        Source of the jitter between attempts.
    stop
        Set when the current object is the last one.
    tick
        Called after each object as a sign of life.
    notify
        Told what is about to go, and what came of it.
    proven
        True if the arrival of what is sent is to be proven (see `dcis_node.deliver.prover`).
    """

    db: Database
    files: FileStore
    destination: str
    route: Route
    settings: DeliverSettings
    owner: str
    rng: random.Random
    stop: threading.Event
    tick: Callable[[], None] = lambda: None
    notify: Notify = nobody
    proven: bool = False

    @property
    def breaker(self) -> Breaker:
        """The destination's circuit breaker."""
        return Breaker(self.db, self.destination, self.route, self.settings, self.rng)

    @property
    def lease_seconds(self) -> float:
        """Length of a lease: longer than the handling of one object, after which it is renewed."""
        return lease_of(self.settings, self.route.address.timeout_seconds)


def lease_of(settings: DeliverSettings, timeout_seconds: float | None) -> float:
    """Give the length of a lease for a destination with such a time-out (None: that of the settings), in seconds."""
    return settings.lease_seconds + WAITS_OF_ONE_OBJECT * (timeout_seconds or settings.timeout_seconds)


def deliver_next(context: Lane, *, now: float) -> bool:
    """Send what is due of one study to the lane's destination, and record what came of each object.

    A death at any line leaves leased rows, which are sent again. An object that fails is pushed back in time; those
    behind it go on. While the destination's breaker is open nothing is claimed; at its time the destination is probed.

    Parameters
    ----------
    context
        The lane.
    now
        Wall clock in Unix seconds; times within the call are counted from it by the monotonic clock.

    Returns
    -------
    bool
        True if something was claimed, or the destination has come back.

    Raises
    ------
    StorageError
        The index cannot be used. What was sent but not recorded will be sent again.
    """
    breaker = context.breaker
    before = breaker.condition()
    if before.is_open:
        return breaker.probe(before, now=now)
    parcels = outbox.claim(
        context.db, owner=context.owner, now=now, lease_seconds=context.lease_seconds, destination=context.destination
    )
    if not parcels:
        return False
    _deliver(context, parcels, before, now=now)
    return True


def _deliver(context: Lane, parcels: Sequence[Parcel], before: Condition, *, now: float) -> None:
    started = time.monotonic()

    def clock() -> float:
        return now + time.monotonic() - started

    setback = _setback(context, parcels, before, now=now)
    left = {parcel.sop_instance_uid: parcel for parcel in parcels}
    lost: list[Parcel] = []
    streak = Streak(context.settings.breaker_failures)
    text = ""
    with Transfer(parcels, context.route.address, context.notify) as transfer:
        for sent in _send(context, parcels):
            moment = clock()
            parcel = left.pop(sent.item.sop_instance_uid)
            streak.add(sent)
            verdict = _record(context, parcel, sent, now=moment, setback=setback)
            text = verdict.text
            if policy.is_lost(sent):
                lost.append(parcel)
            transfer.note(parcel, verdict)
            context.tick()
            if context.stop.is_set() or streak.is_hopeless or not _keep(context, left, now=moment):
                break
    if left:
        outbox.release(context.db, left.values(), owner=context.owner)
    # Several in a row were lost by the destination; one alone may always be the object that it cannot bear.
    if len(lost) == 1 or (lost and not streak.is_hopeless):
        _put_off(context, lost, now=clock())
    conclude(context.breaker, streak, before=before, now=clock(), text=text)


@dataclass(frozen=True)
class _Setback:
    """What a failure of a claim leads to.

    Parameters
    ----------
    retry_at, return_at
        When objects that failed themselves are tried again, and those that met a failure of the destination: one
        moment for all, so that the objects of an exam stay together.
    counts
        True if a failure of the destination counts as a try of the objects, too.
    """

    retry_at: float
    return_at: float
    counts: bool


def _setback(context: Lane, parcels: Sequence[Parcel], before: Condition, *, now: float) -> _Setback:
    settings = context.settings

    def after(attempt: int) -> float:
        first, most = settings.backoff_first_seconds, settings.backoff_most_seconds
        return now + policy.backoff(attempt, first=first, most=most, rng=context.rng)

    # Its probe was answered, and nothing since: if it fails now, these objects may be why. The next claim takes others.
    counts = before.failures >= settings.breaker_failures
    return _Setback(after(max(parcel.attempts for parcel in parcels)), after(before.failures + 1), counts)


def _put_off(context: Lane, lost: Sequence[Parcel], *, now: float) -> None:
    """Count lost answers against their objects; one that was lost often has to wait."""
    waits = [(parcel, policy.put_off(parcel.losses + 1)) for parcel in lost]
    note_losses(context.db, [(parcel, None if wait is None else now + wait) for parcel, wait in waits])
    for parcel, wait in waits:
        if wait is not None:
            log.warning(
                "event=object_put_off outbox=%d destination=%s losses=%d seconds=%.0f",
                parcel.outbox_id,
                parcel.destination,
                parcel.losses + 1,
                wait,
            )


def _send(context: Lane, parcels: Sequence[Parcel]) -> Iterator[Sent]:
    """Check the stored bytes, then send; a defect of ours becomes the outcome of the object that met it."""
    items = [_outgoing(context, parcel) for parcel in parcels]
    pending = {item.sop_instance_uid: item for item in items}
    try:
        for sent in _send_whole(context, items, parcels):
            del pending[sent.item.sop_instance_uid]
            yield sent
    except Exception as error:  # noqa: BLE001 -- the edge: whatever goes wrong is recorded, and the others go on
        # Only the kind is kept: the text may quote values of the object.
        for item in list(pending.values())[:1]:
            yield Sent(item, failure=Failure.INTERNAL, detail=type(error).__name__)


def _send_whole(context: Lane, items: Sequence[Outgoing], parcels: Sequence[Parcel]) -> Iterator[Sent]:
    whole = []
    for item, parcel in zip(items, parcels, strict=True):
        try:
            context.files.read(parcel.sha256)
        except StorageError as error:
            yield Sent(item, failure=Failure.UNREADABLE, detail=str(error))
        else:
            whole.append(item)
    yield from context.route.send(whole)


def _outgoing(context: Lane, parcel: Parcel) -> Outgoing:
    path = context.files.path(parcel.sha256)
    return Outgoing(parcel.sop_class_uid, parcel.sop_instance_uid, parcel.transfer_syntax_uid, path)


def _record(context: Lane, parcel: Parcel, sent: Sent, *, now: float, setback: _Setback) -> Verdict:
    verdict = policy.limited(
        policy.judge(sent, context.route.address, refusals=_refusals(context.db, parcel, sent.status)),
        tried_for=now - parcel.first_try_at,
        give_up=context.settings.give_up_seconds,
    )
    level = logging.INFO if verdict.action is Action.DONE else logging.WARNING
    log.log(
        level,
        "event=delivery outbox=%d destination=%s attempt=%d action=%s status=%s text=%r",
        parcel.outbox_id,
        parcel.destination,
        parcel.attempts,
        verdict.action.value,
        "none" if sent.status is None else f"0x{sent.status:04X}",
        verdict.text,
    )
    if verdict.action is Action.DONE and sent.status is not None:
        proof_due_at = now + PROOF_DELAY_SECONDS if context.proven else None
        outbox.mark_sent(context.db, parcel, now=now, status=sent.status, note=verdict.text, proof_due_at=proof_due_at)
        return verdict
    if verdict.action is Action.DEAD:
        outbox.mark_dead(context.db, parcel, owner=context.owner, now=now, status=sent.status, error=verdict.text)
        return verdict
    of_destination = policy.is_of_destination(sent)
    next_try_at = setback.return_at if of_destination else setback.retry_at
    if verdict.wait_seconds is not None:
        next_try_at = now + verdict.wait_seconds
    outbox.mark_retry(
        context.db,
        parcel,
        owner=context.owner,
        now=now,
        next_try_at=next_try_at,
        status=sent.status,
        error=verdict.text,
        tried=setback.counts or not of_destination,
    )
    return verdict


def _refusals(db: Database, parcel: Parcel, status: int | None) -> int:
    counted = policy.counted_range(status)
    if counted is None:
        return 0
    return outbox.count_answers(db, parcel, lowest=counted.start, highest=counted.stop - 1)


def _keep(context: Lane, left: dict[str, Parcel], *, now: float) -> bool:
    """Renew the lease of what is left; False if some of it was handed to another courier meanwhile."""
    if not left:
        return True
    return outbox.renew(context.db, left.values(), owner=context.owner, now=now, lease_seconds=context.lease_seconds)
