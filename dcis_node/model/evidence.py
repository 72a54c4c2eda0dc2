"""The values that the model hands on: what was seen in a view, and what is decided from the views."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class LesionSource(StrEnum):
    """Where the centre of the crop came from (design: `given`, else `found`, else none)."""

    GIVEN = "given"
    FOUND = "found"
    NONE = "none"


class Risk(StrEnum):
    """The decision for a breast or a patient."""

    LOW = "low"
    HIGH = "high"
    NO_LESION = "no_lesion"
    NOT_ANALYSED = "not_analysed"


@dataclass(frozen=True)
class Candidate:
    """One outlined component of a view, in stored pixels of the full image.

    Parameters
    ----------
    row, column
        Probability-weighted centre, 0-based (pixel centre at the whole number).
    box
        (first row, first column, last row + 1, last column + 1).
    area_px
        Pixels of the component in the full image.
    summed_probability
        Sum of the lesion probability over the component. Candidates are ranked by it, or by calcifications times mean
        probability, as the bundle says.
    calcifications
        Individual calcifications counted inside, or None where the network does not tell them apart.
    """

    row: float
    column: float
    box: tuple[int, int, int, int]
    area_px: int
    summed_probability: float
    mean_probability: float
    calcifications: int | None


@dataclass(frozen=True, eq=False)
class ViewPrediction:
    """What the fold ensemble says of one view.

    Parameters
    ----------
    source
        Where the lesion's centre came from. NONE: nothing was outlined and nothing given.
    probability
        Probability of high-risk DCIS in [0, 1], calibrated, averaged over the folds; None if source is NONE.
    fold_probabilities
        The same, fold by fold.
    centre
        (row, column) of the crop's centre in stored pixels; None if source is NONE.
    candidates
        Outlined components, best first. The lesion is the first one.
    mask
        (rows, columns) bool, the outlined calcifications of the lesion in the full image, as stored (not mirrored).
    """

    source: LesionSource
    probability: float | None
    fold_probabilities: tuple[float, ...]
    centre: tuple[float, float] | None
    candidates: tuple[Candidate, ...]
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class ViewEvidence:
    """One analysed view as the decision sees it."""

    sop_instance_uid: str
    laterality: str
    view: str
    probability: float | None
    fold_probabilities: tuple[float, ...] = ()


@dataclass(frozen=True)
class BreastDecision:
    """The figure of one breast.

    Parameters
    ----------
    views
        Names of the views that were averaged (CC and MLO where there are any).
    flags
        Stable names: `views_disagree`, `folds_disagree`, `no_standard_view`, `single_view`.
    """

    laterality: str
    probability: float | None
    risk: Risk
    views: tuple[str, ...]
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """The decision of one exam; `threshold` is the bundle's operating point."""

    breasts: tuple[BreastDecision, ...]
    probability: float | None
    risk: Risk
    threshold: float
    flags: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give plain values for the index."""
        return {
            "breasts": {
                b.laterality: {
                    "probability": b.probability,
                    "risk": b.risk.value,
                    "views": list(b.views),
                    "flags": list(b.flags),
                }
                for b in self.breasts
            },
            "patient": {"probability": self.probability, "risk": self.risk.value, "flags": list(self.flags)},
            "threshold": self.threshold,
        }
