"""Keep a lease alive while its item is worked on."""

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic

from dcis_node.errors import StorageError
from storage.database import Database
from storage.work import Claim, renew

log = logging.getLogger(__name__)

# A lease is renewed three times in its length, and at most so often: an item that hangs is given up in the end.
RENEWALS_IN_A_LEASE = 3
MOST_RENEWALS = 36
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
    """

    def __init__(
        self, db: Database, claim: Claim, *, lease_seconds: float, clock: Callable[[], float], beat: Callable[[], None]
    ) -> None:
        self.claim: Claim = claim
        self._db = db
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._beat = beat
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
        renewals = 0
        while renewals < MOST_RENEWALS and not self._done.wait(min(BEAT_SECONDS, every)):
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
            renewals += 1
            next_renewal = self._clock() + every
