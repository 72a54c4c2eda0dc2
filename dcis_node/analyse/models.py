"""The ensembles in a worker's memory: that of the active bundle, and at most one more for exams of an older one."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from dcis_node.analyse.bundles import Bundles
from dcis_node.analyse.view import Predictor
from dcis_node.errors import DcisNodeError
from dcis_node.model.bundle import Bundle

log = logging.getLogger(__name__)

# A bundle that did not load is tried again at the next switch, and this often in case its files were mended.
RETRY_SECONDS = 60.0


@dataclass(frozen=True)
class ModelState:
    """What new exams are judged by, as the status shows it.

    Parameters
    ----------
    refused
        Why the bundle that should be active is not, or "".
    """

    name: str
    version: str
    sha256: str
    synthetic: bool
    refused: str = ""

    def to_json(self) -> dict[str, str | bool]:
        """Give plain values."""
        return dict(vars(self))


class Models:
    """Ensembles by bundle, loaded when they are needed. Used by one thread; `state` may be read by any.

    Parameters
    ----------
    bundles
        Where bundles come from.
    build
        Makes the ensemble of a bundle on the worker's device.
    monotonic
        Gives seconds.

    Raises
    ------
    BundleError, StorageError
        On construction: neither the active bundle nor the one before loads.
    """

    def __init__(
        self,
        bundles: Bundles,
        build: Callable[[Bundle], Predictor],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bundles = bundles
        self._build = build
        self._monotonic = monotonic
        self._stamp = bundles.stamp()
        self._retry_at = float("inf")
        self._older: Predictor | None = None
        self._refused = ""
        self._current = self._first()
        self.state = self._state()

    def current(self) -> Predictor:
        """Give the ensemble that new exams are judged by; a newly active bundle is loaded here.

        One that does not load is refused: the old one stays, the log and `state` say so.
        """
        stamp = self._bundles.stamp()
        if stamp != self._stamp or self._monotonic() >= self._retry_at:
            self._stamp = stamp
            self._switch()
        return self._current

    def of(self, sha256: str) -> Predictor | None:
        """Give the ensemble of a bundle by its hash; None if that bundle can no longer be had."""
        if self._current.bundle.sha256 == sha256:
            return self._current
        if self._older is not None and self._older.bundle.sha256 == sha256:
            return self._older
        # Let go before the next is loaded: never three at once.
        self._older = None
        try:
            self._older = self._build(self._bundles.find(sha256))
        except Exception as error:  # noqa: BLE001 -- the edge of a bundle: recorded, and its exams go to the active one
            log.warning("event=bundle_gone bundle_sha256=%s why='%s'", sha256, _why(error))
        return self._older

    def _first(self) -> Predictor:
        try:
            return self._build(self._bundles.active())
        except DcisNodeError as error:
            self._refuse(error)
            before = self._bundles.before()
            if before is None:
                raise
            return self._build(before)

    def _switch(self) -> None:
        self._older, self._retry_at = None, float("inf")
        try:
            bundle = self._bundles.active()
            if bundle.sha256 != self._current.bundle.sha256:
                self._older, self._current = self._current, self._build(bundle)
                log.info("event=bundle_switched name=%s bundle_sha256=%s", bundle.name, bundle.sha256)
            self._refused = ""
        except Exception as error:  # noqa: BLE001 -- the edge of a switch: recorded, and the old bundle goes on
            self._refuse(error)
        self.state = self._state()

    def _refuse(self, error: Exception) -> None:
        self._refused = _why(error)
        self._retry_at = self._monotonic() + RETRY_SECONDS
        log.error("event=bundle_refused why='%s'", self._refused)

    def _state(self) -> ModelState:
        bundle = self._current.bundle
        return ModelState(bundle.name, bundle.version, bundle.sha256, bundle.synthetic, self._refused)


def _why(error: Exception) -> str:
    """Say what was wrong: our own texts hold no patient data, of others the type is enough."""
    return str(error) if isinstance(error, DcisNodeError) else type(error).__name__
