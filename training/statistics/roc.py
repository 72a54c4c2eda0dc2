"""The ROC curve and the area under it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.metrics import roc_curve as _sklearn_curve

from training.statistics.bootstrap import SAMPLES, draw, percentiles
from training.statistics.interval import NO_INTERVAL, Interval, rounded

Floats = NDArray[np.float64]


def area(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Give the share of (high, low) pairs in the right order, ties as half; nan with one class only."""
    y, p = np.asarray(labels)[None], np.asarray(probabilities, np.float64)[None]
    return float(_areas(y, p)[0])


def auroc(labels: Sequence[int], probabilities: Sequence[float], *, seed: int, samples: int = SAMPLES) -> Interval:
    """Give the area under the ROC curve with a bootstrap interval over patients; nan with one class only."""
    y, p = np.asarray(labels), np.asarray(probabilities, np.float64)
    if len(set(y.tolist())) < 2:
        return NO_INTERVAL
    drawn = draw(len(y), seed=seed, samples=samples)
    return Interval(area(y, p), *percentiles(_areas(y[drawn], p[drawn])))


def roc_points(labels: Sequence[int], probabilities: Sequence[float]) -> list[list[float | None]]:
    """Give the corners of the ROC curve: [false positive rate, sensitivity, threshold], from (0, 0) to (1, 1).

    At or above the threshold is called high; the first corner calls nobody high and has none. Empty with one class
    only. Corners on a straight line are left out.
    """
    if len(set(labels)) < 2:
        return []
    false_positive, sensitivity, thresholds = _sklearn_curve(labels, probabilities)
    rows = zip(false_positive, sensitivity, thresholds, strict=True)
    return [[rounded(x), rounded(y), rounded(t) if np.isfinite(t) else None] for x, y, t in rows]


def _areas(labels: NDArray[np.int64], probabilities: Floats) -> Floats:
    """Give the area of each row of (rows, patients), from the ranks (Mann-Whitney)."""
    high = (labels == 1).sum(axis=1)
    low = labels.shape[1] - high
    above = np.where(labels == 1, rankdata(probabilities, axis=1), 0.0).sum(axis=1) - high * (high + 1) / 2
    areas = np.full(len(labels), np.nan)
    np.divide(above, high * low, out=areas, where=(high > 0) & (low > 0))
    return areas
