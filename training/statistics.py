"""The figures: numbers in, numbers out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float | None]:
        """Give plain values, see `rounded`."""
        return {"value": rounded(self.value), "low": rounded(self.low), "high": rounded(self.high)}


def rounded(value: float) -> float | None:
    """Give a figure to four places; None where it is none, as JSON has no nan."""
    return None if np.isnan(value) else round(value, 4)


def auroc(labels: Sequence[int], probabilities: Sequence[float], *, seed: int, samples: int = 1000) -> Interval:
    """Give the area under the ROC curve with a bootstrap interval over patients; nan with one class only."""
    y, p = np.asarray(labels), np.asarray(probabilities, np.float64)
    if len(set(y.tolist())) < 2:
        return Interval(float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(samples):
        drawn = rng.integers(len(y), size=len(y))
        if 0 < y[drawn].sum() < len(y):
            values.append(_area(y[drawn], p[drawn]))
    low, high = np.percentile(values, (2.5, 97.5))
    return Interval(_area(y, p), float(low), float(high))


def _area(y: NDArray[np.int64], p: Floats) -> float:
    """Give the share of (high, low) pairs in the right order, ties as half, from the ranks (Mann-Whitney)."""
    high = int(y.sum())
    above = float(rankdata(p)[y == 1].sum()) - high * (high + 1) / 2
    return above / (high * (len(y) - high))


def dice(outlined: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Give twice the overlap over the sum of the areas; 1 where both are empty."""
    areas = int(outlined.sum()) + int(true.sum())
    return 2.0 * int((outlined & true).sum()) / areas if areas else 1.0


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
        counts: dict[str, float | None] = {
            "true_positive": self.true_positive,
            "false_positive": self.false_positive,
            "true_negative": self.true_negative,
            "false_negative": self.false_negative,
        }
        ratios = {name: getattr(self, name) for name in ("ppv", "npv", "sensitivity", "specificity")}
        return {**counts, **{name: rounded(value) for name, value in ratios.items()}}


def confusion(labels: Sequence[int], probabilities: Sequence[float], *, threshold: float) -> Confusion:
    """Count at a threshold; at or above it is called high, as the node does."""
    y, called = np.asarray(labels) == 1, np.asarray(probabilities, np.float64) >= threshold
    return Confusion(
        int((y & called).sum()), int((~y & called).sum()), int((~y & ~called).sum()), int((y & ~called).sum())
    )


def brier(labels: Sequence[int], probabilities: Sequence[float]) -> float:
    """Give the mean squared difference of probability and outcome."""
    return float(np.mean((np.asarray(probabilities, np.float64) - np.asarray(labels)) ** 2))


def expected_calibration_error(labels: Sequence[int], probabilities: Sequence[float], *, bins: int = 5) -> float:
    """Give the mean gap between probability and frequency over bins of equal numbers, weighted by their size.

    Equal numbers, not equal widths: a few hundred patients leave wide bins nearly empty.
    """
    order = np.argsort(np.asarray(probabilities, np.float64), kind="stable")
    y, p = np.asarray(labels, np.float64)[order], np.asarray(probabilities, np.float64)[order]
    parts = [part for part in np.array_split(np.arange(len(p)), bins) if part.size]
    return float(sum(abs(y[part].mean() - p[part].mean()) * part.size for part in parts) / len(p))


def operating_point(labels: Sequence[int], probabilities: Sequence[float], *, npv: float = 0.909) -> float:
    """Give the highest threshold whose negative predictive value is still at least `npv`.

    The paper's network has an NPV of 90.9 % in the scenario `grade`: who is called low may be watched instead of
    operated, so the low call is the one to be kept safe. Where no threshold reaches it, the one with the best NPV.
    Thresholds lie halfway between two neighbouring probabilities; at least a twentieth must be called low, so that
    a lucky first patient does not decide.
    """
    y, p = np.asarray(labels), np.sort(np.asarray(probabilities, np.float64))
    least = max(1, len(p) // 20)
    thresholds = [float((a + b) / 2) for a, b in zip(p[least - 1 :], p[least:], strict=False) if b > a]
    if not thresholds:
        return 0.5
    values = [(confusion(y.tolist(), list(probabilities), threshold=t).npv, t) for t in thresholds]
    reached = [t for value, t in values if value >= npv]
    return max(reached) if reached else max(values)[1]


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
