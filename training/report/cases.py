"""Which cases to look at: those in which the model is most wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Literal

from training.evaluation import Evaluation, JudgedPatient, JudgedView

CaseKind = Literal["wrong", "missed", "outline"]
TITLES: dict[CaseKind, str] = {
    "wrong": "most confidently wrong, lesion given",
    "missed": "lesion missed",
    "outline": "worst outline at a given mark",
}


@dataclass(frozen=True)
class Case:
    """Something to look at.

    Parameters
    ----------
    images
        Keys of its views in the cohort.
    words
        What is wrong, with the figures; no more of the patient than the cohort's key.
    """

    kind: CaseKind
    patient: str
    images: tuple[str, ...]
    words: str


def choose_cases(evaluation: Evaluation, *, count: int) -> tuple[Case, ...]:
    """Choose up to `count` cases, the three kinds in turn, the worst of each kind first."""
    turns = zip_longest(wrong_patients(evaluation), missed_lesions(evaluation), worst_outlines(evaluation))
    return tuple(case for case in chain.from_iterable(turns) if case is not None)[:count]


def wrong_patients(evaluation: Evaluation) -> Iterator[Case]:
    """Give the patients on the wrong side of the operating point, the farthest from the truth first."""
    wrong = [p for p in evaluation.patients if p.given is not None and _called(p, evaluation.threshold) != p.label]
    for patient in sorted(wrong, key=lambda p: (-abs(p.label - (p.given or 0.0)), p.patient)):
        views = _lesion_views(evaluation.views, patient.patient)
        was, called = ("high", "low") if patient.label else ("low", "high")
        words = f"{patient.patient}: {was} risk, called {called} at probability {patient.given:.3f}"
        yield Case("wrong", patient.patient, tuple(view.image for view in views), words)


def missed_lesions(evaluation: Evaluation) -> Iterator[Case]:
    """Give the swept views without any mark on their lesion, the largest lesion first."""
    missed = [view for view in evaluation.views if view.swept and _placed(view) and not view.any_hit]
    for view in sorted(missed, key=lambda v: (-(v.size_mm or 0.0), v.image)):
        size = "" if view.size_mm is None else f", lesion of {view.size_mm:.0f} mm"
        words = f"{view.patient}, {view.laterality} {view.view}{size}: not found, marks elsewhere: {view.marks}"
        yield Case("missed", view.patient, (view.image,), words)


def worst_outlines(evaluation: Evaluation) -> Iterator[Case]:
    """Give the views by their Dice at a given mark, the lowest first."""
    outlined = [(view.given_dice, view) for view in evaluation.views if view.given_dice is not None]
    for dice, view in sorted(outlined, key=lambda pair: (pair[0], pair[1].image)):
        words = f"{view.patient}, {view.laterality} {view.view}: Dice {dice:.3f}"
        yield Case("outline", view.patient, (view.image,), words)


def _called(patient: JudgedPatient, threshold: float) -> int:
    return int(patient.given is not None and patient.given >= threshold)


def _lesion_views(views: Sequence[JudgedView], patient: str) -> list[JudgedView]:
    return [view for view in views if view.patient == patient and _placed(view)]


def _placed(view: JudgedView) -> bool:
    """Tell whether somebody marked where the lesion is: a graded view without a mark can be neither hit nor missed."""
    return bool(view.given_probabilities)
