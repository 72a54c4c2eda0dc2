"""An index that cannot be used for a while, as the log tells it: when it begins, once a minute, and when it is over."""

import logging
import time
from collections.abc import Callable

from dcis_node.errors import StorageError

# A loop looks for the index several times a second: a line for each would fill a disk in one night.
AGAIN_SECONDS = 60.0


class Outage:
    """What one loop says of it.

    Parameters
    ----------
    log
        The log of whoever uses the index.
    event
        What it could not do, such as `index_unusable`.
    who
        Further words of each line: `key=value ...`.
    clock
        Monotonic seconds.
    """

    def __init__(
        self, log: logging.Logger, event: str, who: str = "", *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._event = f"event={event} {who}".strip()
        self._clock = clock
        self._began: float | None = None
        self._said = 0.0

    def failed(self, error: StorageError) -> None:
        """Take that the index could not be used."""
        now = self._clock()
        if self._began is None:
            self._began = now
        elif now - self._said < AGAIN_SECONDS:
            return
        self._said = now
        self._log.error(
            "%s seconds=%.0f error=%s text=%r", self._event, now - self._began, type(error).__name__, str(error)
        )

    def over(self) -> None:
        """Take that it was used."""
        if self._began is None:
            return
        self._log.warning("%s seconds=%.0f text='it is over'", self._event, self._clock() - self._began)
        self._began = None
