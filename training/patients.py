"""From judged views to patients, by the node's own rule."""

from collections.abc import Callable, Sequence

from dcis_node.model.decide import decide
from dcis_node.model.evidence import ViewEvidence
from training.cohort import UNLABELLED
from training.evaluation import JudgedPatient, JudgedView

# The decision's threshold shapes its words only, never its probability.
_ANY_THRESHOLD = 0.5

# Which of a view's figures are meant: each fold's, () where there is none.
Which = Callable[[JudgedView], tuple[float, ...]]


def judge_patients(views: Sequence[JudgedView]) -> tuple[JudgedPatient, ...]:
    """Give each labelled patient's figures, in the order of their keys.

    MLO and CC are averaged within the breast with the lesion, a view taken twice once; other views count only if the
    breast has neither. With a lesion in both breasts it is the higher of the two (`dcis_node.model.decide`).
    """
    groups: dict[str, list[JudgedView]] = {}
    for view in views:
        groups.setdefault(view.patient, []).append(view)
    labelled = {key: rows for key, rows in sorted(groups.items()) if any(row.label != UNLABELLED for row in rows)}
    return tuple(_patient(key, rows) for key, rows in labelled.items())


def given_of(view: JudgedView) -> tuple[float, ...]:
    """Give what a view says with its lesion given."""
    return view.given_probabilities


def found_of(view: JudgedView) -> tuple[float, ...]:
    """Give what a view says with the lesion found; () without a mark."""
    return view.found_probabilities


def average(views: Sequence[JudgedView], which: Which) -> tuple[float | None, tuple[float, ...]]:
    """Average views as the node does: over folds, then within a breast; and the same with each fold alone.

    Parameters
    ----------
    views
        Of one patient's breasts with a lesion.

    Returns
    -------
    The figure, or None if no view has one; each fold's, () then.
    """
    whole = decide([_evidence(view, which(view)) for view in views], threshold=_ANY_THRESHOLD).probability
    if whole is None:
        return None, ()
    folds = max(len(which(view)) for view in views)
    alone = [_decide_fold(views, which, fold) for fold in range(folds)]
    return whole, tuple(figure for figure in alone if figure is not None)


def _decide_fold(views: Sequence[JudgedView], which: Which, fold: int) -> float | None:
    evidence = [_evidence(view, which(view)[fold : fold + 1]) for view in views]
    return decide(evidence, threshold=_ANY_THRESHOLD).probability


def _evidence(view: JudgedView, probabilities: tuple[float, ...]) -> ViewEvidence:
    mean = sum(probabilities) / len(probabilities) if probabilities else None
    return ViewEvidence(view.image, view.laterality, view.view, mean, probabilities)


def _patient(key: str, views: Sequence[JudgedView]) -> JudgedPatient:
    index = [view for view in views if view.label != UNLABELLED]
    sides = {view.laterality for view in index}
    given, given_by_fold = average([view for view in index if view.given_probabilities], given_of)
    # The node sees every view of the breast, also one in which nothing was annotated.
    found, found_by_fold = average([view for view in views if view.swept and view.laterality in sides], found_of)
    first = index[0]
    return JudgedPatient(
        patient=key,
        label=first.label,
        given=given,
        found=found,
        given_by_fold=given_by_fold,
        found_by_fold=found_by_fold,
        vendor=first.vendor,
        density=first.density,
        detection=first.detection,
        size_mm=first.size_mm,
    )
