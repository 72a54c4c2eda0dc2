"""Keep a lease alive while its item is worked on."""

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Generic

from dcis_node.errors import StorageError
from storage.database import Database
from storage.work import Claim, renew

log = logging.getLogger(__name__)

# A lease is renewed three times in its length.
RENEWALS_IN_A_LEASE = 3
BEAT_SECONDS = 1.0


class LeaseKeeper(Generic[Claim]):
    """Renew the lease of a claim from a second thread until the `with` block ends.

    Afterwards `claim` is the one to write with; if the lease was lost meanwhile, writing with it is refused.

    Parameters
    ----------
    beat
        Shows that the process lives; called about each second from the second thread. It stops when renewing stops.
    clock
        Gives Unix seconds.
    item_seconds
        How long an item may take. One that takes longer hangs: nothing is renewed nor shown any more.
    hangs
        Called then, from the second thread.
    monotonic
        Gives the seconds by which that is measured.
    """

    def __init__(
        self,
        db: Database,
        claim: Claim,
        *,
        lease_seconds: float,
        clock: Callable[[], float],
        beat: Callable[[], None],
        item_seconds: float = float("inf"),
        hangs: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.claim: Claim = claim
        self._db = db
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._beat = beat
        self._item_seconds = item_seconds
        self._hangs = hangs
        self._monotonic = monotonic
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> "LeaseKeeper[Claim]":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _keep(self) -> None:
        every = self._lease_seconds / RENEWALS_IN_A_LEASE
        next_renewal = self._clock() + every
        give_up_at = self._monotonic() + self._item_seconds
        while not self._done.wait(min(BEAT_SECONDS, every)):
            if self._monotonic() > give_up_at:
                log.error("event=item_hangs item=%d seconds=%.0f", self.claim.id, self._item_seconds)
                self._hangs()
                return
            try:
                self._beat()
                if self._clock() < next_renewal:
                    continue
                renewed = renew(self._db, self.claim, now=self._clock(), lease_seconds=self._lease_seconds)
            except StorageError as error:
                log.warning("event=lease_not_renewed item=%d error=%s", self.claim.id, type(error).__name__)
                continue
            if renewed is None:
                log.warning("event=lease_lost item=%d", self.claim.id)
                return
            self.claim = renewed
            next_renewal = self._clock() + every
