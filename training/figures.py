"""The held-out figures of a run, as they stand in the manifest and on the model card."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from training import tasks
from training.evaluate import THRESHOLDS, FoundView, GivenView, by_patient, summarise_found
from training.statistics import auroc, brier, confusion, expected_calibration_error, rounded
from training.tasks import Run


def held_out(run: Run, *, threshold: float, outline_from: float, parts: int) -> dict[str, Any]:
    """Give all figures of the test group, which chose nothing."""
    found = tasks.read_found(run, parts=parts)
    return {
        "data": "synthetic phantoms, held out; never a clinical figure",
        "given_lesion": given_figures(
            tasks.read_given(run, "test"), threshold=threshold, outline_from=outline_from, seed=run.seed
        ),
        "found_lesion": found_figures(found, threshold=threshold, seed=run.seed),
    }


def given_figures(views: Sequence[GivenView], *, threshold: float, outline_from: float, seed: int) -> dict[str, Any]:
    """Give what is reached round the true lesion: per patient, and the outline per view."""
    _, raw, labels = by_patient(views)
    means = [float(values.mean()) for values in raw]
    place = THRESHOLDS.index(outline_from)
    overlaps = [view.dices[place] for view in views]
    folds = [auroc(labels, [float(v[:, i].mean()) for v in raw], seed=seed, samples=50).value for i in _folds(raw)]
    return {
        "patients": len(labels),
        "high_risk": sum(labels),
        "patient_auc": auroc(labels, means, seed=seed).to_json(),
        "patient_auc_by_fold": [rounded(value) for value in folds],
        "dice_mean": round(float(np.mean(overlaps)), 4),
        "dice_median": round(float(np.median(overlaps)), 4),
        "brier": round(brier(labels, means), 4),
        "calibration_error": round(expected_calibration_error(labels, means), 4),
        "operating_point": {"threshold": threshold, **confusion(labels, means, threshold=threshold).to_json()},
        "at_one_half": confusion(labels, means, threshold=0.5).to_json(),
    }


def found_figures(views: Sequence[FoundView], *, threshold: float, seed: int) -> dict[str, Any]:
    """Give what is reached in whole views; a patient's figure is that of the breast with the lesion.

    A patient in whose breast nothing was found has no probability; the figures say how many, and the AUC counts them
    as the lowest.
    """
    groups: dict[str, list[FoundView]] = {}
    for view in views:
        if view.lesion and view.label >= 0:
            groups.setdefault(view.patient, []).append(view)
    labels, means, missed = [], [], 0
    for patient in sorted(groups):
        known = [view.probability for view in groups[patient] if view.probability is not None]
        labels.append(groups[patient][0].label)
        means.append(float(np.mean(known)) if known else 0.0)
        missed += not known
    return {
        **summarise_found(views),
        "patients": len(labels),
        "patients_without_a_mark": missed,
        "patient_auc": auroc(labels, means, seed=seed).to_json(),
        "operating_point": confusion(labels, means, threshold=threshold).to_json(),
    }


def _folds(raw: Sequence[Any]) -> range:
    return range(raw[0].shape[1]) if raw else range(0)
