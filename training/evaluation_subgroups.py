"""Whether the model is as good for some as for others. See `training.evaluation_figures`."""

from collections.abc import Callable, Sequence
from typing import Any

from training.cohort import UNLABELLED
from training.evaluation import JudgedPatient, JudgedView
from training.evaluation_localisation import hit_rate
from training.evaluation_sides import NOTHING_FOUND, mean_dice
from training.patients import judge_patients
from training.statistics.confusion import point
from training.statistics.roc import auroc
from training.statistics.subgroups import UNKNOWN, has_both, size_group, too_few

# Where a view belongs. A patient belongs to the group of the views that were averaged.
_GROUPINGS: tuple[tuple[str, Callable[[JudgedView], str]], ...] = (
    ("vendor", lambda view: view.vendor or UNKNOWN),
    ("view", lambda view: view.view),
    ("density", lambda view: view.density or UNKNOWN),
    ("size", lambda view: size_group(view.size_mm)),
    ("detection", lambda view: view.detection or UNKNOWN),
)


def subgroup_figures(
    views: Sequence[JudgedView], patients: Sequence[JudgedPatient], *, threshold: float, seed: int
) -> list[dict[str, Any]]:
    """Give the figures of each subgroup of the labelled patients; too small ones are counted and withheld."""
    labelled = {patient.patient for patient in patients}
    index = [view for view in views if view.patient in labelled and view.label != UNLABELLED]
    rows = []
    for by, group_of in _GROUPINGS:
        for group in sorted({group_of(view) for view in index}):
            members = [view for view in index if group_of(view) == group]
            rows.append({"by": by, "group": group, **_figures(members, threshold=threshold, seed=seed)})
    return rows


def _figures(views: Sequence[JudgedView], *, threshold: float, seed: int) -> dict[str, Any]:
    patients = judge_patients(views)
    given = [(patient.label, patient.given) for patient in patients if patient.given is not None]
    labels = [label for label, _ in given]
    suppressed = too_few(len(patients))
    counts = {
        "patients": len(patients),
        "high_risk": sum(patient.label for patient in patients),
        "views_with_lesion": len(views),
        "suppressed": suppressed,
    }
    if suppressed:
        return {**counts, **dict.fromkeys(("given_auc", "found_auc", "npv", "sensitivity", "dice", "hit_rate_first"))}
    at = point(labels, [p for _, p in given], threshold=threshold, seed=seed)
    swept = [view for view in views if view.swept and view.given_probabilities]
    return {
        **counts,
        "given_auc": _auc(given, seed=seed),
        "found_auc": _auc(_found(patients), seed=seed) if swept else None,
        "npv": at["npv"],
        "sensitivity": at["sensitivity"],
        "dice": mean_dice(views, lambda view: view.given_dice, seed=seed),
        "hit_rate_first": hit_rate(swept, seed=seed) if swept else None,
    }


def _found(patients: Sequence[JudgedPatient]) -> list[tuple[int, float]]:
    return [(patient.label, NOTHING_FOUND if patient.found is None else patient.found) for patient in patients]


def _auc(rows: Sequence[tuple[int, float]], *, seed: int) -> dict[str, Any] | None:
    labels = [label for label, _ in rows]
    return auroc(labels, [p for _, p in rows], seed=seed).to_json() if has_both(labels) else None
