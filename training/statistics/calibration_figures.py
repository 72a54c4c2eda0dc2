"""Whether a probability means what it says."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.statistics.confusion import wilson
from training.statistics.interval import rounded

BINS = 5


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Give the mean squared difference of probability and outcome."""
    return float(np.mean((np.asarray(probabilities, np.float64) - np.asarray(labels)) ** 2))


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, *, bins: int = BINS, equal_widths: bool = False
) -> float:
    """Give the mean gap between probability and frequency over bins, weighted by their size.

    Parameters
    ----------
    equal_widths
        False, as everywhere here: bins of equal numbers, because a few hundred patients leave wide bins nearly empty.
    """
    y, p = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64)
    parts = _by_width(p, bins) if equal_widths else _by_number(p, bins)
    return float(sum(abs(y[part].mean() - p[part].mean()) * part.size for part in parts) / len(p))


def error_by_chance(probabilities: ArrayLike, *, seed: int, bins: int = BINS, samples: int = 200) -> float:
    """Give the mean calibration error of as many patients if the probabilities were exactly right.

    A few hundred patients never reach 0; what an error means is told by this beside it.
    """
    p = np.asarray(probabilities, np.float64)
    outcomes = np.random.default_rng(seed).random((samples, len(p))) < p
    return float(np.mean([expected_calibration_error(drawn, p, bins=bins) for drawn in outcomes]))


def reliability(labels: ArrayLike, probabilities: ArrayLike, *, bins: int = BINS) -> list[dict[str, Any]]:
    """Give the reliability curve: mean probability and frequency of each bin of equal numbers, Wilson's interval."""
    y, p = np.asarray(labels, np.int64), np.asarray(probabilities, np.float64)
    rows = []
    for part in _by_number(p, bins):
        share = wilson(int(y[part].sum()), part.size)
        frequency = {"frequency": rounded(share.value), "low": rounded(share.low), "high": rounded(share.high)}
        rows.append({"probability": rounded(float(p[part].mean())), **frequency, "patients": int(part.size)})
    return rows


def _by_number(p: NDArray[np.float64], bins: int) -> list[NDArray[np.intp]]:
    """Cut into equal numbers; equal probabilities stay in their order."""
    order = np.argsort(p, kind="stable")
    return [part for part in np.array_split(order, bins) if part.size]


def _by_width(p: NDArray[np.float64], bins: int) -> list[NDArray[np.intp]]:
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    return [part for part in (np.flatnonzero(place == number) for number in range(bins)) if part.size]
