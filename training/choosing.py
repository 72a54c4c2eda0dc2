"""Choose what counts as an outlined lesion, on patients that are not the test's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dcis_node.errors import TrainingError
from dcis_node.model.localise import Component, Localisation, outline
from dcis_node.model.predict import Ensemble, outline_marked
from dcis_node.model.preprocess import Grid, average, highest
from training.cohort import CohortView, label
from training.judging import PreparedView, is_hit
from training.judging_job import Row
from training.statistics.overlap import dice

Rank = Literal["calcifications", "summed_probability"]

# Lesion probabilities from which a pixel may be outlined.
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
_AREAS_MM2 = (2.0, 4.0, 8.0, 16.0)
_COUNTS = (0, 2, 3, 4, 5, 6, 8, 10)
_COUNTED: Rank = "calcifications"
_SUMMED: Rank = "summed_probability"

# A threshold counts as good as the best if its outlines overlap the truth as well but for this.
_DICE_SLACK = 0.01
# The aim is at most half a false mark per view; a tenth less is left for patients that chose nothing.
MOST_FALSE_MARKS = 0.4
# Below that, what a false mark costs in hits: a tenth of a mark per view must bring half a hit in a hundred lesions.
_PRICE_OF_A_MARK = 0.05
# Where nothing stays below, as dear as four times that.
_PRICE_ABOVE = 0.2


@dataclass(frozen=True)
class Choice:
    """The settings, and what they reached on the patients that chose them.

    Parameters
    ----------
    dice_mean
        Of the outlines at the mark; None without an outlined lesion.
    hit_rate_first, false_marks_per_view
        Of the sweeps; None without one.
    """

    localisation: Localisation
    dice_mean: float | None
    hit_rate_first: float | None
    false_marks_per_view: float | None


def judge_for_choice(ensemble: Ensemble, view: PreparedView, row: CohortView, sweep: bool) -> Row:  # noqa: FBT001 - a `Judge`
    """Judge a view at every setting there is: each fold's probability, outlines and components at each threshold.

    Returns
    -------
    Plain values: `given` probabilities, `dices` at `THRESHOLDS` (both [] without an annotated lesion, `dices` also
    where the lesion is a coarse mark), `swept`, and `components` of the sweep.
    """
    shape = (view.image.shape[0], view.image.shape[1])
    grid = ensemble.grid(shape, view.spacing_mm)
    image, breast, lesion = (turned(array, mirrored=view.mirrored) for array in (view.image, view.breast, view.lesion))
    seen, breast = average(image, grid.shape), highest(breast, grid.shape)
    truth = highest(lesion, grid.shape)
    given, dices = _given(ensemble, view, seen, breast, truth, grid)
    return {
        "image": row.image,
        "patient": row.patient,
        "laterality": row.laterality,
        "view": row.view,
        "label": label(row, ensemble.bundle.scenario),
        "lesion": row.lesion,
        "given": list(given),
        "dices": [] if row.weak else dices,
        "swept": sweep,
        "components": _swept(ensemble.sweep_input(seen, breast), truth, grid) if sweep else [],
    }


def turned(array: NDArray[Any], *, mirrored: bool) -> NDArray[Any]:
    """Give a picture as the network sees it."""
    return array[:, ::-1] if mirrored else array


def choose(rows: Sequence[Row], *, classes: int) -> Choice:
    """Choose threshold and localisation: the best hit rate of the first mark at no more than 0.4 false marks per view.

    Of the thresholds, only those whose outlines overlap the truth as well as the best one's are taken.

    Parameters
    ----------
    rows
        As `judge_for_choice` gave them.
    classes
        Segmentation classes of the network; with two it counts no calcifications.

    Raises
    ------
    TrainingError
        If no view has an outlined lesion and none was swept: there is nothing to choose by.
    """
    outlined = [row["dices"] for row in rows if row["dices"]]
    swept = [row for row in rows if row["swept"] and (row["given"] or not row["lesion"])]
    if not outlined and not swept:
        raise TrainingError("no view with an outlined lesion, and no sweep: the outline's settings cannot be chosen")
    means = np.mean(outlined, axis=0) if outlined else np.zeros(len(THRESHOLDS))
    allowed = [i for i, mean in enumerate(means) if mean >= means.max() - _DICE_SLACK]
    rank = _COUNTED if classes > 2 else _SUMMED
    if not any(row["lesion"] for row in swept):
        best = int(means.argmax())
        chosen = Localisation(threshold=THRESHOLDS[best], rank=rank)
        return Choice(chosen, _known(means[best], outlined), None, None)
    settings, hits, marks = _best(swept, [THRESHOLDS[i] for i in allowed], classes=classes)
    reached = means[THRESHOLDS.index(settings.threshold)]
    return Choice(settings, _known(reached, outlined), round(hits, 4), round(marks, 4))


def _best(swept: Sequence[Row], thresholds: Sequence[float], *, classes: int) -> tuple[Localisation, float, float]:
    counts = _COUNTS if classes > 2 else (0,)
    ranks = (_COUNTED, _SUMMED) if classes > 2 else (_SUMMED,)
    scored = []
    for threshold, area, count, rank in product(thresholds, _AREAS_MM2, counts, ranks):
        settings = Localisation(threshold=threshold, min_area_mm2=area, min_calcifications=count, rank=rank)
        hits, marks = reached_by(swept, settings)
        below = marks <= MOST_FALSE_MARKS
        score = hits - (_PRICE_OF_A_MARK if below else _PRICE_ABOVE) * marks
        scored.append((below, score, hits, marks, settings))
    _, _, hits, marks, settings = max(scored, key=lambda row: row[:2])
    return settings, hits, marks


def reached_by(swept: Sequence[Row], settings: Localisation) -> tuple[float, float]:
    """Give the hit rate of the first mark, and the false marks per view, that settings reach on swept views."""
    hits = marks = 0
    for row in swept:
        kept = [component for component in row["components"] if _counts(component, settings)]
        marks += sum(not component["hit"] for component in kept)
        if kept and row["lesion"]:
            hits += max(kept, key=lambda component: _rank(component, settings))["hit"]
    return hits / max(sum(row["lesion"] for row in swept), 1), marks / max(len(swept), 1)


def _given(
    ensemble: Ensemble,
    view: PreparedView,
    seen: NDArray[np.float32],
    breast: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    grid: Grid,
) -> tuple[tuple[float, ...], list[float]]:
    if view.middle is None:
        return (), []
    column = view.image.shape[1] - 1 - view.middle[1] if view.mirrored else view.middle[1]
    mark = grid.to_input((view.middle[0], column))
    foreground, probabilities = ensemble.judge_marked(seen, breast, mark)
    settings = ensemble.bundle.manifest.localisation
    dices = []
    for threshold in THRESHOLDS:
        at = replace(settings, threshold=threshold)
        labels, components = outline_marked(foreground, at, mark=mark, spacing_mm=grid.spacing_mm)
        outlined = labels == components[0].label if components else np.zeros(truth.shape, np.bool_)
        dices.append(dice(outlined, truth))
    return probabilities, dices


def _swept(foreground: NDArray[np.float32], truth: NDArray[np.bool_], grid: Grid) -> list[Row]:
    rows = []
    for threshold in THRESHOLDS:
        loose = Localisation(threshold=threshold, min_area_mm2=0.5)
        _, components = outline(foreground, loose, spacing_mm=grid.spacing_mm)
        rows += [_component(component, threshold, truth, grid) for component in components]
    return rows


def _component(component: Component, threshold: float, truth: NDArray[np.bool_], grid: Grid) -> Row:
    return {
        "threshold": threshold,
        "area_mm2": component.pixels * grid.spacing_mm[0] * grid.spacing_mm[1],
        "summed_probability": component.summed_probability,
        "mean_probability": component.mean_probability,
        "calcifications": component.calcifications or 0,
        "hit": is_hit((component.row, component.column), truth, spacing_mm=grid.spacing_mm),
    }


def _counts(component: Row, settings: Localisation) -> bool:
    return bool(
        component["threshold"] == settings.threshold
        and component["area_mm2"] >= settings.min_area_mm2
        and component["calcifications"] >= settings.min_calcifications
    )


def _rank(component: Row, settings: Localisation) -> tuple[float, float]:
    if settings.rank == "calcifications":
        return component["calcifications"] * component["mean_probability"], component["summed_probability"]
    return component["summed_probability"], 0.0


def _known(mean: float, outlined: Sequence[Any]) -> float | None:
    return round(float(mean), 4) if outlined else None
