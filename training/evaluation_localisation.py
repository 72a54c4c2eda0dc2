"""How well the sweep finds the lesion. See `training.evaluation_figures`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from training.evaluation import JudgedPatient, JudgedView
from training.statistics.bootstrap import ratio
from training.statistics.confusion import rate

Count = Callable[[JudgedView], float]


def localisation_figures(
    views: Sequence[JudgedView], patients: Sequence[JudgedPatient], *, seed: int
) -> dict[str, Any]:
    """Give hit rates and false marks over the swept views.

    A view whose lesion nobody annotated can be neither hit nor missed, and is left out.
    """
    swept = [view for view in views if view.swept and (not view.lesion or view.given_probabilities)]
    lesions = [view for view in swept if view.lesion]
    healthy = [view for view in swept if not view.lesion]
    return {
        "views": len(swept),
        "views_with_lesion": len(lesions),
        "healthy_views": len(healthy),
        "hit_rate_first": hit_rate(lesions, seed=seed),
        "hit_rate_any": _rate(lesions, lambda view: view.any_hit, seed=seed),
        "false_marks_per_view": _mean(swept, lambda view: view.false_marks, seed=seed),
        "false_marks_per_healthy_view": _mean(healthy, lambda view: view.false_marks, seed=seed),
        "healthy_views_marked": _rate(healthy, lambda view: view.marks > 0, seed=seed),
        "patients_without_a_mark": sum(patient.found is None for patient in patients),
    }


def hit_rate(lesions: Sequence[JudgedView], *, seed: int) -> dict[str, Any]:
    """Give the share of views with a lesion whose first mark is it."""
    return _rate(lesions, lambda view: view.hit, seed=seed)


def _rate(views: Sequence[JudgedView], of: Count, *, seed: int) -> dict[str, Any]:
    parts, wholes = _by_patient(views, of)
    return rate(parts, wholes, seed=seed)


def _mean(views: Sequence[JudgedView], of: Count, *, seed: int) -> dict[str, Any]:
    parts, wholes = _by_patient(views, of)
    return ratio(np.array(parts), np.array(wholes), seed=seed).to_json()


def _by_patient(views: Sequence[JudgedView], of: Count) -> tuple[list[float], list[float]]:
    """Sum what is counted, and the views, of each patient: patients are drawn, not views."""
    sums: dict[str, list[float]] = {}
    for view in views:
        mine = sums.setdefault(view.patient, [0.0, 0.0])
        mine[0] += float(of(view))
        mine[1] += 1.0
    return [pair[0] for pair in sums.values()], [pair[1] for pair in sums.values()]
