"""What an evaluation says of one way of reading: the lesion given, or found. Figures by name, predictions as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from training.evaluation import Evaluation

Kind = Literal["given", "found"]
KINDS: tuple[Kind, ...] = ("given", "found")
NAMES = {"given": "lesion given", "found": "lesion found"}

# Thresholds of the figures, and their names in tables and pictures.
POINTS = {"one_half": "at 0.5", "operating": "operating point", "at_npv": "chosen NPV"}


@dataclass(frozen=True, eq=False)
class Reading:
    """One way of reading the test patients.

    Parameters
    ----------
    kind
        `given`: cropped round the true lesion, as the paper; `found`: round what the network found, as the node.
    figures
        `SIDE` of `training.evaluation_figures`.
    labels
        (patients,) int64, 1 high, 0 low.
    probabilities
        (patients,) float64, folds and views averaged.
    by_fold
        (patients, folds) float64; no columns where some patient has no value of each fold.
    """

    kind: Kind
    figures: dict[str, Any]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    by_fold: NDArray[np.float64]

    @property
    def name(self) -> str:
        """Words for titles."""
        return NAMES[self.kind]

    @property
    def both_classes(self) -> bool:
        """True if there are patients of high and of low risk: nothing can be told apart otherwise."""
        return 0 < int(self.labels.sum()) < len(self.labels)

    @property
    def points(self) -> dict[str, dict[str, Any]]:
        """The operating points that were reached, by their words."""
        return {words: self.figures[name] for name, words in POINTS.items() if self.figures.get(name)}


def point_name(words: str, point: dict[str, Any]) -> str:
    """Name an operating point with its threshold, once."""
    return words if words == POINTS["one_half"] else f"{words}, {point['threshold']:.3f}"


def readings(evaluation: Evaluation) -> tuple[Reading, ...]:
    """Give what was read; `found` is missing where no view was swept."""
    return tuple(_read(evaluation, kind) for kind in KINDS if evaluation.figures.get(kind))


def _read(evaluation: Evaluation, kind: Kind) -> Reading:
    # Without a given lesion nothing was judged; without a found one the answer was the lowest probability.
    chosen = [patient for patient in evaluation.patients if kind == "found" or patient.given is not None]
    values = [getattr(patient, kind) for patient in chosen]
    return Reading(
        kind,
        evaluation.figures[kind],
        np.array([patient.label for patient in chosen], np.int64),
        np.array([0.0 if value is None else value for value in values], np.float64),
        _folds([getattr(patient, f"{kind}_by_fold") for patient in chosen]),
    )


def _folds(rows: Sequence[Sequence[float]]) -> NDArray[np.float64]:
    count = max((len(row) for row in rows), default=0)
    full = [row or (0.0,) * count for row in rows]
    if any(len(row) != count for row in full):
        return np.zeros((len(rows), 0))
    return np.array(full, np.float64).reshape(len(rows), count)
