"""From views to a breast, from breasts to the patient.

Cancer Imaging 2024, 24:48, Methods: the MLO and CC probabilities of a patient are averaged. The paper's patients have
one affected breast; so the average stays within a breast and the patient's figure is the higher of the two.
"""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from dcis_node.model.evidence import BreastDecision, Decision, Risk, ViewEvidence

STANDARD_VIEWS = frozenset({"CC", "MLO"})

# Two views of one lesion on two sides of the operating point and this far apart need a person's look. Below it they
# are one answer with noise: on held-out phantoms (demo bundle 2) CC and MLO of a lesion differ by 0.07 on average
# and by more than 0.19 in one patient of twenty.
VIEWS_DISAGREE_BY = 0.2

# More than one fold in five on the other side of the operating point: then another draw of the training patients
# could have turned the answer round. One dissenting fold of five is what five noisy folds give.
FOLDS_DISAGREE_SHARE = 0.2


def decide(evidence: Sequence[ViewEvidence], *, threshold: float) -> Decision:
    """Decide on an exam from its analysed views.

    Parameters
    ----------
    evidence
        One per analysed view; `probability` None means that nothing was found in it.
    threshold
        The bundle's operating point; at or above it is high risk.

    Returns
    -------
    Decision. NOT_ANALYSED without any view, NO_LESION if no view that counts shows one. Breasts in the order R, L.
    """
    by_side: dict[str, list[ViewEvidence]] = defaultdict(list)
    for view in evidence:
        by_side[view.laterality].append(view)
    breasts = tuple(_decide_breast(side, by_side[side], threshold=threshold) for side in sorted(by_side, reverse=True))
    figures = [breast for breast in breasts if breast.probability is not None]
    if not figures:
        risk = Risk.NO_LESION if breasts else Risk.NOT_ANALYSED
        return Decision(breasts, None, risk, threshold)
    highest = max(figures, key=lambda breast: breast.probability or 0.0)
    return Decision(breasts, highest.probability, highest.risk, threshold, highest.flags)


def _decide_breast(laterality: str, views: Sequence[ViewEvidence], *, threshold: float) -> BreastDecision:
    standard = [view for view in views if view.view in STANDARD_VIEWS]
    counted = standard or list(views)
    flags = set()
    if not standard:
        flags.add("no_standard_view")
    elif len({view.view for view in standard}) == 1:
        flags.add("single_view")
    by_view: dict[str, list[float]] = defaultdict(list)
    for view in counted:
        if view.probability is not None:
            by_view[view.view].append(view.probability)
    if not by_view:
        return BreastDecision(laterality, None, Risk.NO_LESION, (), tuple(sorted(flags)))
    # A view taken twice counts once: first its images, then the views.
    figures = {name: fmean(values) for name, values in by_view.items()}
    if _views_disagree(figures, seen={view.view for view in counted}, threshold=threshold):
        flags.add("views_disagree")
    if any(_folds_disagree(view, threshold=threshold) for view in counted):
        flags.add("folds_disagree")
    probability = fmean(figures.values())
    risk = Risk.HIGH if probability >= threshold else Risk.LOW
    return BreastDecision(laterality, probability, risk, tuple(sorted(figures)), tuple(sorted(flags)))


def _views_disagree(figures: dict[str, float], *, seen: set[str], threshold: float) -> bool:
    """Tell whether one view shows a lesion and another none, or they differ across the threshold."""
    lowest, highest = min(figures.values()), max(figures.values())
    across = lowest < threshold <= highest and highest - lowest >= VIEWS_DISAGREE_BY
    return across or figures.keys() != seen


def _folds_disagree(view: ViewEvidence, *, threshold: float) -> bool:
    """Tell whether more folds than chance gives stand on the other side of the threshold than the view does."""
    if view.probability is None or not view.fold_probabilities:
        return False
    high = view.probability >= threshold
    dissenting = sum((p >= threshold) != high for p in view.fold_probabilities)
    return dissenting > FOLDS_DISAGREE_SHARE * len(view.fold_probabilities)
