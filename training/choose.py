"""Choose the localisation's settings on calibration patients."""

from collections.abc import Sequence
from itertools import product

from dcis_node.model.localise import Localisation
from training.evaluate import THRESHOLDS, GivenView
from training.whole import Swept, SweptView

_AREAS_MM2 = (2.0, 4.0, 8.0, 16.0)
_COUNTS = (0, 2, 3, 4, 5, 6)
_RANKS = ("calcifications", "summed_probability")

# What a false mark costs in hits. At 0.5 false marks per view and a hit rate of 0.8, the goal of the facts, a further
# tenth of a mark per view must bring at least two more hits in a hundred lesions.
_PRICE_OF_A_MARK = 0.2


def choose_threshold(views: Sequence[GivenView]) -> float:
    """Give the lesion probability whose outlines overlap the true lesions best (mean Dice)."""
    means = [sum(view.dices[place] for view in views) for place in range(len(THRESHOLDS))]
    return THRESHOLDS[means.index(max(means))]


def choose_localisation(views: Sequence[SweptView], *, threshold: float) -> tuple[Localisation, dict[str, float]]:
    """Give the settings with the best first-candidate hit rate less a price for false marks, and what they reached.

    Parameters
    ----------
    views
        Sweeps with every component at every threshold of `THRESHOLDS`.
    threshold
        The chosen one of them.
    """
    scored = []
    for area, count, rank in product(_AREAS_MM2, _COUNTS, _RANKS):
        settings = Localisation(threshold=threshold, min_area_mm2=area, min_calcifications=count, rank=rank)  # type: ignore[arg-type]
        hits, marks = _reached(views, settings)
        scored.append((hits - _PRICE_OF_A_MARK * marks, hits, marks, settings))
    _, hits, marks, settings = max(scored, key=lambda row: row[0])
    return settings, {"hit_rate_first": round(hits, 4), "false_marks_per_view": round(marks, 4)}


def _reached(views: Sequence[SweptView], settings: Localisation) -> tuple[float, float]:
    hits = marks = lesions = 0
    for view in views:
        kept = [component for component in view.components if _counts(component, settings)]
        marks += sum(not component.hit for component in kept)
        lesions += view.lesion
        if kept and view.lesion:
            hits += max(kept, key=lambda component: _rank(component, settings)).hit
    return hits / max(lesions, 1), marks / max(len(views), 1)


def _counts(component: Swept, settings: Localisation) -> bool:
    return (
        component.threshold == settings.threshold
        and component.area_mm2 >= settings.min_area_mm2
        and component.calcifications >= settings.min_calcifications
    )


def _rank(component: Swept, settings: Localisation) -> tuple[float, float]:
    if settings.rank == "calcifications":
        return component.calcifications * component.mean_probability, component.summed_probability
    return component.summed_probability, 0.0
