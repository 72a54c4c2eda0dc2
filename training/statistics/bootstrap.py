"""How sure a figure is: patients drawn again and again with replacement, seeded.

A patient is the unit, never a view: the views of one patient resemble one another, and intervals over views would be
too narrow.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.statistics.interval import NO_INTERVAL, Interval, rounded

SAMPLES = 1000
# The 95 % percentile interval.
PERCENTILES = (2.5, 97.5)

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def draw(units: int, *, seed: int, samples: int = SAMPLES) -> Indices:
    """Draw units with replacement: (samples, units) indices. Equal seeds give equal draws, so pairs share one."""
    return np.random.default_rng(seed).integers(units, size=(samples, units))


def percentiles(values: Floats) -> tuple[float, float]:
    """Give the interval of drawn values; those that are no figure (nan) are left out."""
    known = values[~np.isnan(values)]
    if not known.size:
        return NO_INTERVAL.low, NO_INTERVAL.high
    low, high = np.percentile(known, PERCENTILES)
    return float(low), float(high)


def bootstrap(figure: Callable[[Indices], float], units: int, *, seed: int, samples: int = SAMPLES) -> Interval:
    """Give a figure's percentile interval.

    Parameters
    ----------
    figure
        From indices of units to the figure; nan where it cannot be given.
    units
        How many patients there are; 0 gives no figure.
    """
    if not units:
        return NO_INTERVAL
    value = figure(np.arange(units))
    if np.isnan(value):
        return NO_INTERVAL
    values = np.array([figure(drawn) for drawn in draw(units, seed=seed, samples=samples)])
    return Interval(float(value), *percentiles(values))


def ratio(parts: Floats, wholes: Floats, *, seed: int, samples: int = SAMPLES) -> Interval:
    """Give the ratio of two sums over patients, as hits of a patient's views over these views.

    Parameters
    ----------
    parts, wholes
        (patients,) what each patient adds above and below the line. nan where the sum of `wholes` is 0.
    """
    if not wholes.size or not wholes.sum():
        return NO_INTERVAL
    drawn = draw(len(wholes), seed=seed, samples=samples)
    above, below = parts[drawn].sum(axis=1), wholes[drawn].sum(axis=1)
    values = np.divide(above, below, out=np.full(len(drawn), np.nan), where=below > 0)
    return Interval(float(parts.sum() / wholes.sum()), *percentiles(values))


@dataclass(frozen=True)
class Difference:
    """A figure of one model less that of another on the same patients.

    Parameters
    ----------
    value, low, high
        First less second, with the 95 % interval.
    not_above
        Share of the draws in which the first is not above the second.
    """

    value: float
    low: float
    high: float
    not_above: float

    def to_json(self) -> dict[str, float | None]:
        """Give plain values, see `rounded`."""
        return {name: rounded(value) for name, value in vars(self).items()}


def paired_difference(
    first: Callable[[Indices], float],
    second: Callable[[Indices], float],
    units: int,
    *,
    seed: int,
    samples: int = SAMPLES,
) -> Difference:
    """Give how much a figure differs between two models, both figured on the same patients in each draw.

    Raises
    ------
    ValueError
        If there is no patient.
    """
    if not units:
        msg = "a difference needs at least one patient"
        raise ValueError(msg)
    everyone = np.arange(units)
    drawn = draw(units, seed=seed, samples=samples)
    values = np.array([first(indices) - second(indices) for indices in drawn])
    known = values[~np.isnan(values)]
    share = float(np.mean(known <= 0)) if known.size else float("nan")
    return Difference(first(everyone) - second(everyone), *percentiles(values), share)
