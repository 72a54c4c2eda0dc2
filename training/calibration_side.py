"""Who calibrates a bundle: a group that trained nothing, or each fold's own validation patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcis_node.errors import TrainingError
from dcis_node.model.calibration import Calibration
from dcis_node.model.decide import STANDARD_VIEWS
from training.cohort import UNLABELLED, Cohort, patient_labels
from training.evaluation import JudgedView
from training.judging_job import Row
from training.patients import judge_patients
from training.run import Run
from training.splits import Splits
from training.statistics.confusion import confusion
from training.statistics.operating import operating_point

# The NPVs that a threshold is chosen for beside the bundle's own: each hundredth, and the paper's two.
NPVS = tuple(sorted({*(step / 100 for step in range(70, 100)), 0.839, 0.909}))

Probabilities = tuple[list[int], list[float]]


@dataclass(frozen=True)
class Part:
    """Patients that one fold alone (its number, from 1), or the whole ensemble (None), may judge."""

    fold: int | None
    patients: tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """The patients that choose; `words` say in the bundle's record which they were."""

    words: str
    parts: tuple[Part, ...]

    @property
    def patients(self) -> frozenset[str]:
        """All of them."""
        return frozenset(patient for part in self.parts for patient in part.patients)


def calibration_side(run: Run, cohort: Cohort, splits: Splits) -> Side:
    """Give the calibration group of the splits; without one, each fold's validation patients for that fold alone.

    Out of fold, a probability is of one network where the bundle averages several: its calibration is then a little too
    cautious, and the outline's settings are those of one network.

    Raises
    ------
    TrainingError
        If one class is missing: nothing can be calibrated then.
    """
    if splits.calibration:
        side = Side("calibration group, which trained nothing", (Part(None, splits.calibration),))
    else:
        parts = tuple(Part(number, run.folds[number - 1].validation) for number in run.numbers)
        side = Side("out-of-fold validation patients, each fold alone", parts)
    labels = patient_labels([row for row in cohort.views if row.patient in side.patients], run.scenario)
    if len(set(labels.values())) < 2:
        msg = (
            f"the {side.words} have {len(labels)} labelled patients in the scenario {run.scenario}, not of both "
            "classes: nothing can be calibrated; split with a larger --calibration-share"
        )
        raise TrainingError(msg)
    return side


def raw_of(rows: Sequence[Row]) -> tuple[list[NDArray[np.float64]], list[int]]:
    """Give each labelled patient's (views, folds) probabilities as they leave the softmax, and the label.

    CC and MLO where there are any, as the decision counts them; with a lesion in both breasts those of both.
    """
    groups: dict[str, list[Row]] = {}
    for row in _merged(rows):
        if row["label"] != UNLABELLED and row["given"]:
            groups.setdefault(row["patient"], []).append(row)
    raw, labels = [], []
    for patient in sorted(groups):
        views = [row for row in groups[patient] if row["view"] in STANDARD_VIEWS] or groups[patient]
        raw.append(np.array([row["given"] for row in views], np.float64))
        labels.append(int(views[0]["label"]))
    return raw, labels


def patient_probabilities(rows: Sequence[Row], calibration: Calibration) -> Probabilities:
    """Give labels and calibrated probabilities of the patients, by the node's own rule."""
    views = [_judged(row, calibration) for row in _merged(rows) if row["given"]]
    patients = [patient for patient in judge_patients(views) if patient.given is not None]
    return [patient.label for patient in patients], [float(patient.given or 0.0) for patient in patients]


def operating_points(labels: Sequence[int], probabilities: Sequence[float]) -> list[dict[str, float]]:
    """Give the threshold for each NPV of `NPVS` that is reached here at all."""
    rows = []
    for npv in NPVS:
        threshold = round(operating_point(labels, probabilities, npv=npv), 6)
        if confusion(labels, probabilities, threshold=threshold).npv >= npv:
            rows.append({"npv": npv, "threshold": threshold})
    return rows


def _merged(rows: Sequence[Row]) -> list[Row]:
    """Put together what several folds said of one image: a patient may validate in more than one."""
    merged: dict[str, Row] = {}
    for row in rows:
        known = merged.get(row["image"])
        merged[row["image"]] = row if known is None else {**known, "given": [*known["given"], *row["given"]]}
    return list(merged.values())


def _judged(row: Row, calibration: Calibration) -> JudgedView:
    values: dict[str, Any] = {key: row[key] for key in ("image", "patient", "laterality", "view", "label", "lesion")}
    return JudgedView(**values, given_probabilities=tuple(calibration.apply(p) for p in row["given"]))
