"""Two evaluations of one locked test set, patient by patient."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcis_node.errors import TrainingError
from training.evaluation import Evaluation, JudgedPatient
from training.evaluation_sides import NOTHING_FOUND

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Paired:
    """One side (lesion given, or found) of two evaluations.

    Parameters
    ----------
    labels
        (patients,) 1 high, 0 low.
    candidate, champion
        (patients,) probabilities of the same patients in the same order.
    candidate_threshold, champion_threshold
        Each bundle's own operating point.
    """

    labels: NDArray[np.int64]
    candidate: Floats
    champion: Floats
    candidate_threshold: float
    champion_threshold: float


def paired_given(candidate: Evaluation, champion: Evaluation) -> Paired:
    """Pair the patients whose lesion both had; TrainingError if these are not enough."""
    return _paired(candidate, champion, lambda patient: patient.given)


def paired_found(candidate: Evaluation, champion: Evaluation) -> Paired | None:
    """Pair all patients by what was found, nothing found being 0; None if one of the two was not swept."""
    if candidate.figures["found"] is None or champion.figures["found"] is None:
        return None
    return _paired(candidate, champion, lambda patient: NOTHING_FOUND if patient.found is None else patient.found)


def refuse_unequal(candidate: Evaluation, champion: Evaluation) -> None:
    """Check that two evaluations judged the same test set.

    Raises
    ------
    TrainingError
        Test set, scenario, patients or their labels differ.
    """
    for what, one, other in (
        ("scenario", candidate.scenario, champion.scenario),
        ("test set", candidate.test_sha256, champion.test_sha256),
        ("labels", _labels(candidate), _labels(champion)),
    ):
        if one != other:
            words = f"the two evaluations are of different {what}s" if what != "labels" else "the patients differ"
            msg = f"{words}: candidate and champion must be evaluated on one locked test set"
            raise TrainingError(msg)


def _paired(candidate: Evaluation, champion: Evaluation, of: Callable[[JudgedPatient], float | None]) -> Paired:
    theirs = {patient.patient: of(patient) for patient in champion.patients}
    rows = [
        (patient.label, mine, other)
        for patient in candidate.patients
        if (mine := of(patient)) is not None and (other := theirs[patient.patient]) is not None
    ]
    labels = np.array([row[0] for row in rows], np.int64)
    if min((labels == 1).sum(), (labels == 0).sum()) < 2:
        msg = "the test set has fewer than two patients of a class that both bundles judged: nothing can be compared"
        raise TrainingError(msg)
    return Paired(
        labels=labels,
        candidate=np.array([row[1] for row in rows]),
        champion=np.array([row[2] for row in rows]),
        candidate_threshold=candidate.threshold,
        champion_threshold=champion.threshold,
    )


def _labels(evaluation: Evaluation) -> dict[str, int]:
    return {patient.patient: patient.label for patient in evaluation.patients}
