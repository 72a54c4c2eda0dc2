"""The figures of one side of an evaluation: the lesion given, or found. See `training.evaluation_figures`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.cohort import UNLABELLED
from training.evaluation import JudgedPatient, JudgedView
from training.patients import Which, found_of, given_of
from training.statistics.bootstrap import Indices, bootstrap, ratio
from training.statistics.calibration_figures import brier, error_by_chance, expected_calibration_error, reliability
from training.statistics.confusion import point
from training.statistics.decision_curve import decision_curve
from training.statistics.delong import delong_interval
from training.statistics.interval import Interval, rounded
from training.statistics.roc import area, auroc, roc_points
from training.statistics.spread import spread

Floats = NDArray[np.float64]
# Which overlap of a view is meant; None where it has none.
Overlap = Callable[[JudgedView], float | None]

# What the paper calls high risk: "from a likelihood of 0.5 watchful waiting would be deemed too dangerous".
ONE_HALF = 0.5
# A patient in whose breast nothing was found: the node says no lesion, nobody is called high.
NOTHING_FOUND = 0.0


def given_side(
    views: Sequence[JudgedView],
    patients: Sequence[JudgedPatient],
    *,
    threshold: float,
    at_npv: float | None,
    seed: int,
) -> dict[str, Any]:
    """Give the figures with the lesion given; patients without an annotated lesion are left out and counted."""
    rows = [(patient.label, patient.given) for patient in patients if patient.given is not None]
    return {
        "without_a_figure": len(patients) - len(rows),
        **_probability_figures(rows, threshold=threshold, at_npv=at_npv, seed=seed),
        "view_auc": view_auc(views, given_of, seed=seed).to_json(),
        "dice": dice_figures(views, lambda view: view.given_dice, seed=seed),
    }


def found_side(
    views: Sequence[JudgedView],
    patients: Sequence[JudgedPatient],
    *,
    threshold: float,
    at_npv: float | None,
    seed: int,
) -> dict[str, Any]:
    """Give the figures with the lesion found; patients with nothing found are the lowest."""
    rows = [(patient.label, NOTHING_FOUND if patient.found is None else patient.found) for patient in patients]
    return {
        "without_a_figure": sum(patient.found is None for patient in patients),
        **_probability_figures(rows, threshold=threshold, at_npv=at_npv, seed=seed),
        "view_auc": view_auc(views, found_of, seed=seed).to_json(),
        "dice": dice_figures(views, lambda view: view.found_dice, seed=seed),
    }


def _probability_figures(
    rows: Sequence[tuple[int, float]], *, threshold: float, at_npv: float | None, seed: int
) -> dict[str, Any]:
    labels, p = [row[0] for row in rows], [row[1] for row in rows]
    y, values = np.asarray(labels), np.asarray(p)

    def over(figure: Callable[[Any, Any], float]) -> dict[str, float | None]:
        return bootstrap(lambda drawn: figure(y[drawn], values[drawn]), len(y), seed=seed).to_json()

    return {
        "patients": len(labels),
        "high_risk": sum(labels),
        "auc": auroc(labels, p, seed=seed).to_json(),
        "auc_delong": delong_interval(labels, p).to_json(),
        "one_half": point(labels, p, threshold=ONE_HALF, seed=seed),
        "operating": point(labels, p, threshold=threshold, seed=seed),
        "at_npv": None if at_npv is None else point(labels, p, threshold=at_npv, seed=seed),
        "brier": over(brier),
        "ece": over(expected_calibration_error),
        "ece_by_chance": rounded(error_by_chance(p, seed=seed)) if p else None,
        "roc": roc_points(labels, p),
        "reliability": reliability(labels, p) if p else [],
        "decision_curve": decision_curve(labels, p) if p else [],
    }


def view_auc(views: Sequence[JudgedView], which: Which, *, seed: int) -> Interval:
    """Give the area over single views; patients are drawn, each with all their views."""
    rows = [view for view in views if view.label != UNLABELLED and which(view)]
    labels = np.array([view.label for view in rows])
    p = np.array([float(np.mean(which(view))) for view in rows])
    members = _members([view.patient for view in rows])

    def figure(drawn: Indices) -> float:
        chosen = np.concatenate([members[place] for place in drawn])
        return area(labels[chosen], p[chosen])

    return bootstrap(figure, len(members), seed=seed)


def dice_figures(views: Sequence[JudgedView], of: Overlap, *, seed: int) -> dict[str, Any]:
    """Give mean and median overlap over views; patients are drawn, each with all their views."""
    values, members = _overlaps(views, of)

    def median(drawn: Indices) -> float:
        return float(np.median(values[np.concatenate([members[place] for place in drawn])]))

    middle = bootstrap(median, len(members), seed=seed)
    return {"mean": mean_dice(views, of, seed=seed), "median": middle.to_json(), "views": len(values)}


def mean_dice(views: Sequence[JudgedView], of: Overlap, *, seed: int) -> dict[str, float | None]:
    """Give the mean overlap over views; patients are drawn, each with all their views."""
    values, members = _overlaps(views, of)
    sums = np.array([values[places].sum() for places in members])
    counts = np.array([float(places.size) for places in members])
    return ratio(sums, counts, seed=seed).to_json()


def _overlaps(views: Sequence[JudgedView], of: Overlap) -> tuple[Floats, list[NDArray[np.int64]]]:
    """Give the overlaps there are, and the places of each patient's among them."""
    rows = [(view.patient, value) for view in views if (value := of(view)) is not None]
    return np.array([value for _, value in rows]), _members([patient for patient, _ in rows])


def fold_figures(patients: Sequence[JudgedPatient], *, swept: bool) -> list[dict[str, Any]]:
    """Give each fold's areas; nothing found counts as in the ensemble's."""
    folds = max((len(patient.given_by_fold) for patient in patients), default=0)
    given = [patient for patient in patients if patient.given_by_fold]
    rows = []
    for fold in range(folds):
        alone = area([patient.label for patient in given], [patient.given_by_fold[fold] for patient in given])
        found = [patient.found_by_fold[fold] if patient.found_by_fold else NOTHING_FOUND for patient in patients]
        by_sweep = area([patient.label for patient in patients], found) if swept else float("nan")
        rows.append({"fold": fold + 1, "given_auc": rounded(alone), "found_auc": rounded(by_sweep)})
    return rows


def spread_figures(folds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Give how far the folds lie apart."""
    sides = ("given_auc", "found_auc")
    return {side: spread([row[side] for row in folds if row[side] is not None]) for side in sides}


def _members(patients: Sequence[str]) -> list[NDArray[np.int64]]:
    """Give the places of each patient's rows."""
    places: dict[str, list[int]] = {}
    for place, patient in enumerate(patients):
        places.setdefault(patient, []).append(place)
    return [np.array(listed) for listed in places.values()]
