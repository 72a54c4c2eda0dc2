"""Counts at an operating point, and the shares that a clinician reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from training.statistics.bootstrap import SAMPLES, ratio
from training.statistics.interval import Interval, rounded

Floats = NDArray[np.float64]
RATES = ("ppv", "npv", "sensitivity", "specificity")


@dataclass(frozen=True)
class Confusion:
    """Counts at an operating point; a ratio over nothing is nan."""

    true_positive: int
    false_positive: int
    true_negative: int
    false_negative: int

    @property
    def ppv(self) -> float:
        """Share of the called-high that are high."""
        return _ratio(self.true_positive, self.true_positive + self.false_positive)

    @property
    def npv(self) -> float:
        """Share of the called-low that are low."""
        return _ratio(self.true_negative, self.true_negative + self.false_negative)

    @property
    def sensitivity(self) -> float:
        """Share of the high that are called high."""
        return _ratio(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float:
        """Share of the low that are called low."""
        return _ratio(self.true_negative, self.true_negative + self.false_positive)

    def to_json(self) -> dict[str, float | None]:
        """Give counts and ratios, see `rounded`."""
        return {**vars(self), **{name: rounded(getattr(self, name)) for name in RATES}}


def confusion(labels: Sequence[int], probabilities: Sequence[float], *, threshold: float) -> Confusion:
    """Count at a threshold; at or above it is called high, as the node does."""
    y, called = np.asarray(labels) == 1, np.asarray(probabilities, np.float64) >= threshold
    return Confusion(
        int((y & called).sum()), int((~y & called).sum()), int((~y & ~called).sum()), int((y & ~called).sum())
    )


def wilson(part: int, whole: int) -> Interval:
    """Give a share with Wilson's 95 % interval (Wilson 1927); nan over nothing."""
    if not whole:
        return Interval(float("nan"), float("nan"), float("nan"))
    found = binomtest(part, whole).proportion_ci(0.95, method="wilson")
    return Interval(part / whole, float(found.low), float(found.high))


def rate(parts: Sequence[float], wholes: Sequence[float], *, seed: int, samples: int = SAMPLES) -> dict[str, Any]:
    """Give a share with the bootstrap's interval over patients and Wilson's beside it.

    Parameters
    ----------
    parts, wholes
        What each patient adds above and below the line: whole counts.
    """
    beside = wilson(int(sum(parts)), int(sum(wholes)))
    drawn = ratio(np.asarray(parts, np.float64), np.asarray(wholes, np.float64), seed=seed, samples=samples)
    return {**drawn.to_json(), "wilson_low": rounded(beside.low), "wilson_high": rounded(beside.high)}


def point(labels: Sequence[int], probabilities: Sequence[float], *, threshold: float, seed: int) -> dict[str, Any]:
    """Give counts and rates with their intervals at a threshold."""
    counts = confusion(labels, probabilities, threshold=threshold)
    high, called = np.asarray(labels) == 1, np.asarray(probabilities, np.float64) >= threshold
    right = {
        "ppv": (high, called),
        "npv": (~high, ~called),
        "sensitivity": (called, high),
        "specificity": (~called, ~high),
    }
    shares = {name: rate((of & among).tolist(), among.tolist(), seed=seed) for name, (of, among) in right.items()}
    return {"threshold": threshold, **vars(counts), **shares}


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
