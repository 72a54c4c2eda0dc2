"""The circuit breaker of a destination: while it does not answer, it is asked whether it is there, and nothing else.

Without it every result that waits would meet the dead peer on its own, and each would have its own long wait to sit out
after the peer is back. With it the results keep their attempts, and leave in a burst, oldest first, once one probe has
been answered.
"""

import logging
import time
from dataclasses import dataclass
from random import Random

from dcis_node.config import DeliverSettings
from dcis_node.deliver import policy
from dcis_node.deliver.outcome import Sent
from dcis_node.deliver.route import Route
from storage import destinations
from storage.database import Database
from storage.destinations import Condition
from storage.undelivered import give_up

log = logging.getLogger(__name__)

# Part of the longest wait that may pass between two probes. The rest is for the probe and the sending, so that the
# first result arrives within the longest wait after the peer's return.
PROBE_SHARE = 0.9


@dataclass(frozen=True)
class Breaker:
    """The breaker of one destination; its state is in the index.

    Parameters
    ----------
    rng
        Source of the jitter between probes.
    """

    db: Database
    destination: str
    route: Route
    settings: DeliverSettings
    rng: Random

    def condition(self) -> Condition:
        """Look how the destination is."""
        return destinations.condition(self.db, self.destination)

    def probe(self, seen: Condition, *, now: float) -> bool:
        """Ask the destination whether it is there, if that is due and no other courier does; True if it is.

        Raises
        ------
        StorageError
            The index cannot be used; the next probe comes all the same.
        """
        # A time further ahead than any wait was set by a clock that was wrong.
        if now < seen.next_probe_at <= now + self.settings.backoff_most_seconds:
            return False
        next_probe_at = now + self._wait(seen.failures + 1)
        if not destinations.take_probe(self.db, seen, now=now, next_probe_at=next_probe_at):
            return False
        started = time.monotonic()
        answer = self.route.probe()
        moment = now + time.monotonic() - started
        if answer.is_there:
            return self._close(seen, now=now)
        log.info("event=probe destination=%s failures=%d text=%r", self.destination, seen.failures + 1, answer.text)
        destinations.note_silence(self.db, self.destination, now=moment, error=answer.text)
        given_up = give_up(
            self.db,
            self.destination,
            first_tried_before=moment - self.settings.give_up_seconds,
            reason=policy.given_up_text(self.settings.give_up_seconds, answer.text),
        )
        if given_up:
            log.error("event=given_up destination=%s results=%d text=%r", self.destination, given_up, answer.text)
        return False

    def failed(self, *, count: int, now: float, text: str) -> None:
        """Count failures of the destination as a whole, and open at the limit.

        Faults that a person has to repair are no exception: a probe is cheap, and finds out soon that it was repaired.
        """
        found = destinations.note_failures(self.db, self.destination, count=count, now=now, error=text)
        if found.is_open or found.failures < self.settings.breaker_failures:
            return
        next_probe_at = now + self._wait(found.failures)
        if destinations.open_breaker(self.db, self.destination, now=now, next_probe_at=next_probe_at):
            log.warning("event=breaker_open destination=%s failures=%d text=%r", self.destination, found.failures, text)

    def answered(self) -> None:
        """Take note that the destination has answered for an object."""
        destinations.note_answer(self.db, self.destination)

    def _close(self, seen: Condition, *, now: float) -> bool:
        due = destinations.close_breaker(self.db, self.destination, now=now)
        if due is not None:
            open_seconds = max(0.0, now - seen.changed_at)
            log.warning(
                "event=breaker_closed destination=%s open_seconds=%.0f results_due=%d",
                self.destination,
                open_seconds,
                due,
            )
        return True

    def _wait(self, failures: int) -> float:
        """Draw the wait before the next probe; it grows with each failure beyond the limit."""
        return policy.backoff(
            failures - self.settings.breaker_failures + 1,
            first=self.settings.backoff_first_seconds,
            most=PROBE_SHARE * self.settings.backoff_most_seconds,
            rng=self.rng,
        )


class Streak:
    """What the outcomes of one claim say of the destination, in the order in which they come.

    Without a connection or an association all objects share one outcome, which counts once. Silence or an end of the
    association after an object may be that object's doing; only when `limit` objects in a row meet it, it is the
    destination.

    Parameters
    ----------
    limit
        As `deliver.breaker_failures`.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lost = 0
        self.answered = False
        self.failures = 0

    def add(self, sent: Sent) -> None:
        """Take one outcome."""
        if policy.is_of_destination(sent):
            self.failures = max(self.failures, 1)
        elif policy.is_lost(sent):
            self._lost += 1
            if self._lost >= self._limit:
                self.failures = self._lost
        elif sent.status is not None:
            self._lost, self.failures, self.answered = 0, 0, True

    @property
    def is_hopeless(self) -> bool:
        """True if so many objects in a row were lost that the rest is better left for later."""
        return self._lost >= self._limit


def conclude(breaker: Breaker, streak: Streak, *, before: Condition, now: float, text: str) -> None:
    """Record what a claim has said of the destination.

    Parameters
    ----------
    before
        Its condition before the claim.
    text
        What became of the last object.
    """
    if streak.answered and (before.failures or streak.failures):
        breaker.answered()
    if streak.failures:
        breaker.failed(count=streak.failures, now=now, text=text)
