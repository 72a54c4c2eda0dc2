"""Compute on the device that was asked for; with less at once if it is short of memory; on the CPU if that is allowed.

A view is never lost for a device's sake: it is computed elsewhere, or it waits. And nothing is done silently: the state
says where the analysis computes, since when, and why it is not the device that was asked for.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from dcis_node.analyse.device_faults import is_fatal, is_short_of_memory
from dcis_node.analyse.device_record import RETRY_SECONDS, DeviceRecord
from dcis_node.analyse.view import Predictor
from dcis_node.errors import DeviceError
from dcis_node.model.bundle import Bundle
from dcis_node.model.device import choose_device
from dcis_node.model.evidence import ViewPrediction

log = logging.getLogger(__name__)

CPU = torch.device("cpu")
SHORT = "out of memory, with one tile at once too"


class Batched(Predictor, Protocol):
    """An ensemble that judges so many tiles at once (`dcis_node.model.predict.Ensemble`)."""

    tiles_at_once: int


Build = Callable[[Bundle, torch.device], Batched]


@dataclass(frozen=True)
class DeviceState:
    """Where the analysis computes, as the status shows it.

    Parameters
    ----------
    fault_since, fault
        Since when (Unix seconds) and why it is not the device that was asked for, or that views wait for it; None and
        "" if all is well.
    """

    device: str
    fault_since: float | None = None
    fault: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return dict(vars(self))


class DeviceCare:
    """Which device a worker uses, and what is done when that fails. Used by one thread; `state` may be read by any.

    Parameters
    ----------
    name
        Of the device, as `analyse.device` has it.
    fallback
        Whether the CPU may take its place.
    record
        What earlier workers of this name have met.
    may_leave
        Whether somebody starts this process again when it has left to try its device anew.
    choose
        Gives the device of a name.
    clock
        Gives Unix seconds.

    Raises
    ------
    DeviceError
        On construction: the device is not there, or has failed again and again, and the CPU is not allowed.
    """

    def __init__(
        self,
        name: str,
        *,
        fallback: bool,
        record: DeviceRecord | None = None,
        may_leave: bool = True,
        choose: Callable[[str], torch.device] = choose_device,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.fallback = fallback
        self._record = record or DeviceRecord()
        self._clock = clock
        self._may_leave = may_leave
        self._began = clock()
        self.device, why, since = self._first(name, choose)
        self.state = DeviceState(str(self.device), since, why)
        if why:
            log.error("event=device_fallback device=cpu because=%r", why)

    def _first(self, name: str, choose: Callable[[str], torch.device]) -> tuple[torch.device, str, float | None]:
        """Give the device to begin with, and why and since when it is not the one that was asked for."""
        now, history = self._clock(), self._record.history
        try:
            device = choose(name)
        except ValueError as error:
            return self._instead(str(error), now)
        if name == "auto" and device.type == "cpu" and history.kind:
            return self._instead(f"the {history.kind} device of before is not there", now)
        if device.type != "cpu" and history.is_given_up(now):
            return self._instead(f"{device} failed {history.failures} times: {history.because}", history.since)
        return device, "", None

    def _instead(self, why: str, since: float) -> tuple[torch.device, str, float | None]:
        if not self.fallback:
            raise DeviceError(f"{why}, and analyse.cpu_fallback = false")
        return CPU, why, since

    @property
    def wants_another_try(self) -> bool:
        """True if the device has failed for so long that a new process may find it well."""
        since = self.state.fault_since
        return self._may_leave and since is not None and self._clock() - max(since, self._began) >= RETRY_SECONDS

    def served(self) -> None:
        """Note that a view was computed on the device."""
        if self.device != CPU:
            self._record.served(self.device.type)
        if self.state.fault_since is not None and self.device != CPU:
            log.warning("event=device_serves_again device=%s", self.device)
            self.state = DeviceState(str(self.device))

    def fails(self, because: str) -> None:
        """Note that the device cannot take a view now: the CPU computes it in its place, or it waits.

        Raises
        ------
        DeviceError
            It waits: the CPU is not allowed.
        """
        if self.state.fault_since is None:
            log.error("event=device_fails device=%s because=%r cpu_fallback=%s", self.device, because, self.fallback)
            where = "cpu" if self.fallback else str(self.device)
            self.state = DeviceState(where, self._clock(), f"{self.device}: {because}")
        if not self.fallback:
            raise DeviceError(f"{self.device}: {because}, and analyse.cpu_fallback = false")

    def spoilt(self, error: BaseException) -> DeviceError:
        """Note that the device can be used no more by this process; give the error that ends it."""
        because = type(error).__name__
        self._record.failed(because, now=self._clock())
        log.critical("event=device_lost device=%s error=%s failures=%d", self.device, because, self.failures)
        return DeviceError(f"{self.device} failed: {because}", spoilt=True)

    @property
    def failures(self) -> int:
        """How often the device has failed without a view computed in between."""
        return self._record.history.failures


class CarefulEnsemble:
    """An ensemble on the worker's device, with the CPU behind it.

    Parameters
    ----------
    build
        Makes the ensemble of a bundle on a device.

    Raises
    ------
    DeviceError
        On construction: it does not fit the device or the device fails, and the CPU is not allowed or will not help.
    """

    def __init__(self, bundle: Bundle, care: DeviceCare, build: Build) -> None:
        self.bundle = bundle
        self._care = care
        self._build = build
        self._on_cpu: Batched | None = None
        self.stood_in = False
        self._own = self._on_device()

    def predict_view(
        self,
        image: NDArray[np.float32],
        breast_mask: NDArray[np.bool_],
        *,
        mirrored: bool = False,
        given: tuple[float, float] | None = None,
        spacing_mm: tuple[float, float] | None = None,
    ) -> ViewPrediction:
        """Judge one view, wherever that is possible; `stood_in` says afterwards that it was the CPU's turn.

        Raises
        ------
        DeviceError
            The device failed. The view is not at fault.
        """

        def judged(ensemble: Batched) -> ViewPrediction:
            return ensemble.predict_view(image, breast_mask, mirrored=mirrored, given=given, spacing_mm=spacing_mm)

        self.stood_in = False
        while self._own is not None:
            try:
                found = judged(self._own)
            except RuntimeError as error:
                self._lessen(error, self._own)
                if self.stood_in:
                    break
            else:
                self._care.served()
                return found
        self.stood_in = True
        return judged(self._stand_in())

    def _lessen(self, error: RuntimeError, own: Batched) -> None:
        """Make it possible to try again, or say that the CPU has to; raise what has nothing to do with the device."""
        if self._care.device == CPU:
            raise error
        if is_fatal(error):
            raise self._care.spoilt(error) from error
        if not is_short_of_memory(error):
            raise error
        _empty_cache(self._care.device)
        if own.tiles_at_once > 1:
            own.tiles_at_once //= 2
            log.warning("event=device_out_of_memory device=%s tiles_at_once=%d", self._care.device, own.tiles_at_once)
            return
        self._care.fails(SHORT)
        self.stood_in = True

    def _on_device(self) -> Batched | None:
        """Build the ensemble on the device; None if it does not fit and the CPU may compute."""
        try:
            return self._build(self.bundle, self._care.device)
        except RuntimeError as error:
            if self._care.device == CPU:
                raise
            if is_fatal(error):
                raise self._care.spoilt(error) from error
            if not is_short_of_memory(error):
                raise
        _empty_cache(self._care.device)
        self._care.fails("out of memory for the networks")
        return None

    def _stand_in(self) -> Batched:
        if self._on_cpu is None:
            self._on_cpu = self._build(self.bundle, CPU)
        return self._on_cpu


def _empty_cache(device: torch.device) -> None:
    """Give back to the device what this process keeps for later, so that there is no gap between what is in use."""
    if device.type == "cuda" and torch.cuda.is_available():
        torch.cuda.empty_cache()
