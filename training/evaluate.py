"""What an ensemble reaches: with the lesion given, and with the lesion found in the whole view."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcis_node.model.predict import NOMINAL_SPACING_MM, Ensemble, outline_marked
from training.cohort import label
from training.crops import CropStore
from training.plan import FitPlan
from training.sampling import plain_crop
from training.statistics import dice

# Lesion probabilities from which a pixel may be outlined; which, is chosen on calibration patients.
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)

# A candidate is the true lesion if its centre lies on it or as near as calcifications of one cluster are joined.
HIT_REACH_MM = 3.0


@dataclass(frozen=True)
class GivenView:
    """One view judged round its true lesion.

    Parameters
    ----------
    label
        1 high, 0 low, -1 outside the scenario.
    probabilities
        Each fold's.
    dices
        Overlap of the lesion region that the node outlines at the mark with the true one, at each of `THRESHOLDS`.
    """

    patient: str
    view: str
    label: int
    probabilities: tuple[float, ...]
    dices: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self)


def judge_regions(ensemble: Ensemble, store: CropStore, *, plan: FitPlan, scenario: str) -> Iterable[GivenView]:
    """Judge every lesion region of a store as the node would with the lesion given."""
    size = ensemble.bundle.preprocessing.crop_px
    for index, view in enumerate(region.view for region in store.regions):
        if not view.grade:
            continue
        crop, labels = plain_crop(store, index, plan=plan, size_px=size)
        foreground, probabilities = ensemble.judge_crop(crop)
        truth = labels > 0
        scores = tuple(_marked_dice(foreground, truth, ensemble, threshold) for threshold in THRESHOLDS)
        yield GivenView(view.patient, view.view, label(view, scenario), probabilities, scores)


def _marked_dice(
    foreground: NDArray[np.float32], truth: NDArray[np.bool_], ensemble: Ensemble, threshold: float
) -> float:
    """Give the overlap of what the node outlines at a mark in the centre; what is outlined elsewhere is not it."""
    rows, columns = np.nonzero(truth)
    spacing = ensemble.bundle.preprocessing.input_spacing_mm or NOMINAL_SPACING_MM
    outlined, components = outline_marked(
        foreground,
        replace(ensemble.bundle.manifest.localisation, threshold=threshold),
        mark=(float(rows.mean()), float(columns.mean())),
        spacing_mm=(spacing, spacing),
    )
    seen = outlined == components[0].label if components else np.zeros(truth.shape, np.bool_)
    return dice(seen, truth)


def by_patient(views: Sequence[GivenView]) -> tuple[list[str], list[NDArray[np.float64]], list[int]]:
    """Group labelled views: patients, their (views, folds) probabilities, their labels."""
    groups: dict[str, list[GivenView]] = {}
    for view in views:
        if view.label >= 0:
            groups.setdefault(view.patient, []).append(view)
    patients = sorted(groups)
    raw = [np.array([view.probabilities for view in groups[patient]]) for patient in patients]
    return patients, raw, [groups[patient][0].label for patient in patients]


@dataclass(frozen=True)
class FoundView:
    """One whole view judged with nothing given.

    Parameters
    ----------
    lesion
        True if there is one in truth.
    found
        True if the view has a candidate at all.
    hit
        True if the first candidate is the lesion.
    any_hit
        True if any candidate is.
    false_marks
        Candidates that are not the lesion.
    dice
        Of the mask with the true lesion in the whole view; 0 where it was missed.
    """

    patient: str
    laterality: str
    view: str
    label: int
    lesion: bool
    found: bool
    hit: bool
    any_hit: bool
    false_marks: int
    dice: float
    probability: float | None

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self)


def is_hit(candidate: tuple[float, float], true: NDArray[np.bool_], *, spacing_mm: tuple[float, float]) -> bool:
    """Tell whether a candidate's centre lies within 3 mm of the true lesion, (rows, columns) bool of its grid."""
    rows, columns = np.nonzero(true)
    if not rows.size:
        return False
    gaps = np.hypot((rows - candidate[0]) * spacing_mm[0], (columns - candidate[1]) * spacing_mm[1])
    return bool(gaps.min() <= HIT_REACH_MM)


def summarise_found(views: Sequence[FoundView]) -> dict[str, Any]:
    """Give hit rates, false marks and whole-view Dice."""
    lesions = [view for view in views if view.lesion]
    normal = [view for view in views if not view.lesion]
    return {
        "views": len(views),
        "views_with_lesion": len(lesions),
        "hit_rate_first": _mean(view.hit for view in lesions),
        "hit_rate_any": _mean(view.any_hit for view in lesions),
        "false_marks_per_view": _mean(view.false_marks for view in views),
        "false_marks_per_normal_view": _mean(view.false_marks for view in normal),
        "normal_views_marked": _mean(view.found for view in normal),
        "dice_mean": _mean(view.dice for view in lesions),
    }


def _mean(values: Iterable[float]) -> float | None:
    listed = [float(value) for value in values]
    return round(float(np.mean(listed)), 4) if listed else None
