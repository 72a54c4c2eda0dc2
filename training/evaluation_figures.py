"""The figures of an evaluation: plain values, made from its rows, whole and reproducible.

A figure that cannot be given (one class only, no patient, not judged) is None; nothing is left out silently.

INTERVAL
    {"value", "low", "high"}: a figure with its 95 % confidence interval, by bootstrap over patients (a patient's views
    are drawn together) unless another way is named.
RATE
    INTERVAL and {"wilson_low", "wilson_high"}: a share, with Wilson's interval beside the bootstrap's.
POINT, an operating point (a probability at or above the threshold is called high)
    {"threshold", "true_positive", "false_positive", "true_negative", "false_negative", "ppv": RATE, "npv": RATE,
    "sensitivity": RATE, "specificity": RATE}

figures = {
    "data": words on whose figures these are; begins with "synthetic" where any row is a phantom's,
    "scenario": "grade" or "upstage",
    "patients", "high_risk": counts of the labelled test patients,
    "views", "views_with_lesion": counts of what was judged,
    "threshold": the bundle's operating point, chosen before,
    "npv": {"aim", "threshold", "rule"}: the point asked for with `--npv`; its threshold was chosen on the bundle's
        calibration side, never here, and is None (with the reason in "rule") where that side recorded none,
    "given": SIDE, the lesion given (the paper's way),
    "found": SIDE or None, the lesion found in the whole view by the node's own way; None where nothing was swept,
    "localisation": LOCALISATION or None,
    "folds": [{"fold", "given_auc", "found_auc"}]: each fold of the ensemble alone,
    "spread": {"given_auc": SPREAD, "found_auc": SPREAD or None}; SPREAD = {"mean", "sd", "lowest", "highest"},
    "subgroups": [SUBGROUP],
    "oracle_auc": INTERVAL or None; what a judge reaches that knows a phantom's every hidden property but its grade,
}

SIDE = {
    "patients", "high_risk": counts that the figures below are of,
    "without_a_figure": in "found" the patients in whose breast nothing was found; they count as called low and as the
        lowest probability, 0, in every figure. In "given" those without an annotated lesion, who are left out of it,
    "auc": INTERVAL, "auc_delong": INTERVAL (DeLong 1988), per patient,
    "view_auc": INTERVAL, per view (patients drawn),
    "dice": {"mean": INTERVAL, "median": INTERVAL, "views"}: outline per view with a lesion,
    "one_half": POINT at 0.5 (the paper's), "operating": POINT at the bundle's threshold, "at_npv": POINT or None,
    "brier": INTERVAL, "ece": INTERVAL, "ece_by_chance": the mean ECE of as many patients with a perfect calibration,
    "roc": [[false positive rate, sensitivity, threshold or None]] from (0, 0) to (1, 1),
    "reliability": [{"probability", "frequency", "low", "high" (Wilson), "patients"}], bins of equal numbers,
    "decision_curve": [{"threshold", "model", "all", "none"}], net benefit per patient at threshold probabilities,
}

LOCALISATION = {
    "views", "views_with_lesion", "healthy_views": counts of the swept views,
    "hit_rate_first", "hit_rate_any": RATE, of the views with a lesion: the first mark, or any, is within 3 mm of it,
    "false_marks_per_view", "false_marks_per_healthy_view": INTERVAL,
    "healthy_views_marked": RATE,
    "patients_without_a_mark": of the labelled patients, those without a mark in any view of the breast,
}

SUBGROUP = {
    "by": "vendor", "view", "density", "size" or "detection", "group": its value, "unknown" where it is not known,
    "patients", "high_risk", "views_with_lesion": counts,
    "suppressed": True where there are too few; every figure below is then None,
    "given_auc", "found_auc": INTERVAL or None (each class needs a few patients),
    "npv", "sensitivity": RATE or None, at the bundle's threshold, lesion given,
    "dice": INTERVAL or None, mean outline at the mark,
    "hit_rate_first": RATE or None,
}
"""

from collections.abc import Sequence
from typing import Any

from training.evaluation import JudgedPatient, JudgedView
from training.evaluation_localisation import localisation_figures
from training.evaluation_sides import fold_figures, found_side, given_side, spread_figures
from training.evaluation_subgroups import subgroup_figures


def figures_of(
    views: Sequence[JudgedView],
    patients: Sequence[JudgedPatient],
    *,
    data: str,
    scenario: str,
    threshold: float,
    npv: dict[str, Any],
    seed: int,
    oracle_auc: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Make all figures from the rows.

    Parameters
    ----------
    data
        Words on whose figures these are.
    threshold
        The bundle's operating point.
    npv
        {"aim", "threshold", "rule"}, see the top of this file.
    seed
        Of every bootstrap.
    """
    swept = any(view.swept for view in views)
    given = given_side(views, patients, threshold=threshold, at_npv=npv["threshold"], seed=seed)
    found = found_side(views, patients, threshold=threshold, at_npv=npv["threshold"], seed=seed) if swept else None
    folds = fold_figures(patients, swept=swept)
    return {
        "data": data,
        "scenario": scenario,
        "patients": len(patients),
        "high_risk": sum(patient.label for patient in patients),
        "views": len(views),
        "views_with_lesion": sum(view.lesion for view in views),
        "threshold": threshold,
        "npv": npv,
        "given": given,
        "found": found,
        "localisation": localisation_figures(views, patients, seed=seed) if swept else None,
        "folds": folds,
        "spread": spread_figures(folds),
        "subgroups": subgroup_figures(views, patients, threshold=threshold, seed=seed),
        "oracle_auc": oracle_auc,
    }
