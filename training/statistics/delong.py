"""DeLong's variance of the area under the ROC curve, and his test of two areas on the same patients.

DeLong, DeLong, Clarke-Pearson: Comparing the areas under two or more correlated receiver operating characteristic
curves. Biometrics 1988, 44:837-845. Computed from midranks in n log n: Sun, Xu, IEEE Signal Processing Letters 2014,
21:1389-1393.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from training.statistics.interval import NO_INTERVAL, Interval, rounded

Floats = NDArray[np.float64]
# Of the normal distribution, for 95 %.
_Z = float(norm.ppf(0.975))


@dataclass(frozen=True)
class DelongTest:
    """Two areas on the same patients, and whether they differ.

    Parameters
    ----------
    difference, low, high
        First less second, with the 95 % interval.
    z, p_value
        Two-sided. Two judges who order every pair alike have z 0 and p 1.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    z: float
    p_value: float

    def to_json(self) -> dict[str, float | None]:
        """Give plain values, see `rounded`."""
        return {name: rounded(value) for name, value in vars(self).items()}


def areas_and_covariance(labels: Sequence[int], probabilities: Sequence[Sequence[float]]) -> tuple[Floats, Floats]:
    """Give the areas of several judges and their covariance.

    Parameters
    ----------
    labels
        1 high, 0 low, of each patient.
    probabilities
        Of each judge, for the same patients.

    Returns
    -------
    (judges,) areas and (judges, judges) covariance.

    Raises
    ------
    ValueError
        If a class has fewer than two patients: there is no variance then.
    """
    y, p = np.asarray(labels), np.asarray(probabilities, np.float64)
    high, low = p[:, y == 1], p[:, y == 0]
    m, n = high.shape[1], low.shape[1]
    if min(m, n) < 2:
        msg = f"DeLong's variance needs two patients of each class, got {m} high and {n} low"
        raise ValueError(msg)
    together = rankdata(np.hstack([high, low]), axis=1)
    # Share of the other class that each high, and each low, is ordered rightly against.
    of_high = (together[:, :m] - rankdata(high, axis=1)) / n
    of_low = 1.0 - (together[:, m:] - rankdata(low, axis=1)) / m
    covariance = np.atleast_2d(np.cov(of_high)) / m + np.atleast_2d(np.cov(of_low)) / n
    return of_high.mean(axis=1), covariance


def delong_interval(labels: Sequence[int], probabilities: Sequence[float]) -> Interval:
    """Give the area with DeLong's 95 % interval, kept in [0, 1]; nan where a class has fewer than two patients."""
    y = np.asarray(labels)
    if min((y == 1).sum(), (y == 0).sum()) < 2:
        return NO_INTERVAL
    areas, covariance = areas_and_covariance(labels, [probabilities])
    half = _Z * float(np.sqrt(covariance[0, 0]))
    value = float(areas[0])
    return Interval(value, max(0.0, value - half), min(1.0, value + half))


def delong_test(labels: Sequence[int], first: Sequence[float], second: Sequence[float]) -> DelongTest:
    """Test whether two judges of the same patients have one area.

    Raises
    ------
    ValueError
        If a class has fewer than two patients, or the judges judged unequal numbers.
    """
    areas, covariance = areas_and_covariance(labels, [first, second])
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    # Judges who order every pair alike differ by nothing but rounding.
    error = float(np.sqrt(variance)) if variance > 1e-12 else 0.0
    z = difference / error if error else 0.0
    p_value = 2.0 * float(norm.sf(abs(z)))
    half = _Z * error
    return DelongTest(float(areas[0]), float(areas[1]), difference, difference - half, difference + half, z, p_value)
