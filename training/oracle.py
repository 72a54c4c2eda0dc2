"""The oracle of the phantom: who sees all that was drawn, and knows how, cannot rank patients better than this.

Grade shows in three latents only: extent, morphology (given the extent) and the calcifications' size. Distribution,
count, contrast and the breast are drawn without a look at it, given those three, and occult invasion shows in nothing
but grade and extent. So P(high risk | everything drawn) follows by Bayes' rule from the generator's own densities. It
is a bound for what any network can reach on phantoms, and says nothing of patients.
"""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from dcis_node.errors import TrainingError
from dcis_node.phantom.latents import (
    GRADE_SHARES,
    LesionLatents,
    Likelihoods,
    extent_likelihoods,
    morphology_likelihoods,
    sample_lesion,
    size_likelihoods,
    upstaged_probability,
)
from training.cohort import HIGH_GRADE, SCENARIOS, UNLABELLED, CohortView, Scenario, label
from training.images_phantom import PhantomWord, is_phantom, read_word

Array = NDArray[np.float64]
# What the oracle is asked: grade III among all patients, or high risk in one of the scenarios.
Target = Literal["grade_iii", "grade", "upstage"]
_PARTS: Mapping[str, Callable[[LesionLatents], Likelihoods]] = MappingProxyType(
    {
        "extent": lambda lesion: extent_likelihoods(lesion.extent_mm),
        "morphology": lambda lesion: morphology_likelihoods(lesion.morphology, lesion.extent_mm),
        "size": lambda lesion: size_likelihoods(lesion.size_scale),
    }
)
# Partial sights, by the latents that they know. Invasion needs the extent, so they are asked for grade III only.
_SIGHTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "extent": ("extent",),
        "size": ("size",),
        "extent and morphology": ("extent", "morphology"),
        "all": ("extent", "morphology", "size"),
    }
)
_ALL = "all"


@dataclass(frozen=True)
class OracleBound:
    """How well the oracle ranks drawn patients.

    Parameters
    ----------
    target
        What is asked; `grade` leaves the upstaged out.
    sees
        Which latents the oracle knows; `all` is the bound.
    patients
        Drawn, less those left out.
    prevalence, mean_probability
        Share of the target, and the oracle's mean probability: equal but for chance.
    auc
        Area under the ROC curve.
    """

    target: Target
    sees: str
    patients: int
    prevalence: float
    mean_probability: float
    auc: float


def oracle_probabilities(rows: Iterable[CohortView], scenario: Scenario) -> dict[str, float]:
    """Give the oracle's probability of each patient with a lesion, from rows that are drawn on demand.

    Rows of files have first to be told which phantoms they are: `with_truth`.

    Raises
    ------
    TrainingError
        If a row is no phantom's, or a patient has rows of two phantoms.
    """
    words: dict[str, PhantomWord] = {}
    for row in rows:
        if not is_phantom(row.file):
            raise TrainingError(f"row {row.image} is not known to be a phantom; the oracle knows phantoms only")
        word = replace(read_word(row.file), side="R", view="CC")
        if words.setdefault(row.patient, word) != word:
            raise TrainingError(f"patient {row.patient} has rows of two phantoms")
    drawn = {patient: word.patient().drawn_lesion for patient, word in words.items()}
    ill = {patient: lesion for patient, lesion in drawn.items() if lesion is not None}
    return dict(zip(ill, lesion_probabilities(list(ill.values()), scenario).tolist(), strict=True))


def with_truth(rows: Iterable[CohortView], truth: Path) -> tuple[CohortView, ...]:
    """Name the phantom in rows of files, by the `truth.csv` of a synthetic hospital.

    Raises
    ------
    TrainingError
        If the file cannot be read, or a row is not in it.
    """
    try:
        with truth.open(encoding="ascii", newline="") as file:
            words = {row["sop_instance_uid"]: row["phantom"] for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(f"no readable truth of phantoms at {truth}: {type(error).__name__}") from error
    known = tuple(rows)
    missing = [row.image for row in known if row.sop_instance_uid not in words]
    if missing:
        raise TrainingError(f"{truth} does not have {len(missing)} of {len(known)} rows, such as {missing[0]}")
    return tuple(replace(row, file=words[row.sop_instance_uid]) for row in known)


def lesion_probabilities(lesions: Sequence[LesionLatents], target: Target, *, sees: str = _ALL) -> Array:
    """Give P(target | everything drawn) by Bayes' rule; the lesions' own grade and invasion are not looked at.

    Parameters
    ----------
    lesions
        As drawn (`Patient.drawn_lesion`).
    target
        `upstage`: grade III or occult invasion. `grade`: grade III, given that nothing invasive is in the specimen.
        `grade_iii`: grade III.
    sees
        A name of the sights; all but `all` are for `grade_iii` only.

    Returns
    -------
        (n,) float64 in [0, 1].

    Raises
    ------
    TrainingError
        If the target is unknown.
    """
    if target not in get_args(Target):
        raise TrainingError(f"scenario must be grade or upstage, got {target!r}")
    weights = np.tile(GRADE_SHARES, (len(lesions), 1))
    for part in _SIGHTS[sees]:
        weights = weights * [_PARTS[part](lesion) for lesion in lesions]
    grades = weights / weights.sum(axis=1, keepdims=True)  # (n, 3)
    if target == "grade_iii":
        return np.asarray(grades[:, 2])
    upstaged = np.array([[upstaged_probability(grade, x.extent_mm) for grade in (1, 2, 3)] for x in lesions])
    if target == "upstage":
        return np.asarray(grades[:, 2] + (grades * upstaged)[:, :2].sum(axis=1))
    pure = grades * (1.0 - upstaged)
    return np.asarray(pure[:, 2] / pure.sum(axis=1))


def oracle_bounds(*, patients: int = 40_000, seed: int = 0) -> tuple[OracleBound, ...]:
    """Draw patients and give the AUC of the oracle for each target, and of some that see less for grade III."""
    rng = np.random.default_rng(seed)
    drawn = [sample_lesion(rng) for _ in range(patients)]
    bounds = [_bound(drawn, [lesion.grade == HIGH_GRADE for lesion in drawn], "grade_iii", sees) for sees in _SIGHTS]
    for scenario in SCENARIOS:
        labels = [label(CohortView("", "", "", lesion.grade, upstaged=lesion.upstaged), scenario) for lesion in drawn]
        kept = [(lesion, value == 1) for lesion, value in zip(drawn, labels, strict=True) if value != UNLABELLED]
        bounds.append(_bound([lesion for lesion, _ in kept], [value for _, value in kept], scenario, _ALL))
    return tuple(bounds)


def _bound(lesions: Sequence[LesionLatents], labels: Sequence[bool], target: Target, sees: str) -> OracleBound:
    probabilities = lesion_probabilities(lesions, target, sees=sees)
    return OracleBound(
        target,
        sees,
        patients=len(lesions),
        prevalence=float(np.mean(labels)),
        mean_probability=float(probabilities.mean()),
        auc=float(roc_auc_score(labels, probabilities)),
    )
