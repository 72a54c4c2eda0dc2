"""Judge one row of a cohort as the node judges a received view, and hold the answer against the truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcis_node.errors import PixelError, TrainingError
from dcis_node.mammogram.anatomy import find_breast
from dcis_node.mammogram.display import brightest
from dcis_node.model.evidence import ViewPrediction
from dcis_node.model.predict import Ensemble
from dcis_node.model.preprocess import Preprocessing, prepare_view
from training.cohort import CohortView, label
from training.evaluation import JudgedView
from training.loaded import LoadedView
from training.statistics.overlap import dice

# A mark is the true lesion if its centre lies on it or as near as calcifications of one cluster are joined.
HIT_REACH_MM = 3.0

Point = tuple[float, float]


@dataclass(frozen=True, eq=False)
class PreparedView:
    """A whole view as the node hands it to its ensemble, and the truth.

    Parameters
    ----------
    image
        (rows, columns) float32 in [0, 1].
    breast, lesion
        (rows, columns) bool; the breast as the node finds it, the lesion as annotated.
    middle
        (row, column) of the middle of the lesion's box; None where nothing is annotated.
    """

    image: NDArray[np.float32]
    breast: NDArray[np.bool_]
    lesion: NDArray[np.bool_]
    middle: Point | None
    spacing_mm: tuple[float, float]
    mirrored: bool


def prepare(loaded: LoadedView, row: CohortView, preprocessing: Preprocessing) -> PreparedView:
    """Prepare a loaded view by the node's own steps.

    Raises
    ------
    TrainingError
        If no breast is found in it: the node would not analyse it either.
    """
    try:
        # As the node does: the breast is looked for where no hard window has made it black.
        breast = find_breast(brightest(loaded.transforms, loaded.stored)).mask
    except PixelError as error:
        raise TrainingError(f"{row.image}: {error}; leave the view out of the cohort") from error
    lesion = loaded.labels > 0
    image = prepare_view(loaded.stored, loaded.transforms, preprocessing)
    return PreparedView(image, breast, lesion, middle_of(lesion), loaded.spacing_mm, loaded.mirrored)


def middle_of(lesion: NDArray[np.bool_]) -> Point | None:
    """Give the middle of the box round a (rows, columns) mask; None if it is empty."""
    rows, columns = np.flatnonzero(lesion.any(axis=1)), np.flatnonzero(lesion.any(axis=0))
    if not rows.size:
        return None
    return (float(rows[0] + rows[-1]) / 2, float(columns[0] + columns[-1]) / 2)


def is_hit(mark: Point, lesion: NDArray[np.bool_], *, spacing_mm: tuple[float, float]) -> bool:
    """Tell whether a mark's centre lies within 3 mm of the true lesion, (rows, columns) bool of its grid."""
    reach = [int(HIT_REACH_MM / step) + 1 for step in spacing_mm]
    first = [max(0, int(place) - r) for place, r in zip(mark, reach, strict=True)]
    last = [int(place) + r + 2 for place, r in zip(mark, reach, strict=True)]
    rows, columns = np.nonzero(lesion[first[0] : last[0], first[1] : last[1]])
    if not rows.size:
        return False
    gaps = np.hypot((rows + first[0] - mark[0]) * spacing_mm[0], (columns + first[1] - mark[1]) * spacing_mm[1])
    return bool(gaps.min() <= HIT_REACH_MM)


def judge_view(ensemble: Ensemble, view: PreparedView, row: CohortView, *, sweep: bool) -> JudgedView:
    """Judge a view with its lesion given, where one is annotated, and, if asked, with nothing given.

    A box or another coarse mark gives the crop and says what a hit is, but no overlap is figured with it. A graded view
    without any mark has a lesion that nobody knows the place of: it is swept, but neither hit nor missed.
    """
    given = _given(ensemble, view)
    found = _predict(ensemble, view, None) if sweep else None
    outlined = not row.weak
    marks = found.candidates if found else ()
    hits = [is_hit((mark.row, mark.column), view.lesion, spacing_mm=view.spacing_mm) for mark in marks]
    return JudgedView(
        image=row.image,
        patient=row.patient,
        laterality=row.laterality,
        view=row.view,
        label=label(row, ensemble.bundle.scenario),
        lesion=row.lesion,
        vendor=row.vendor,
        density=row.density,
        detection=row.detection,
        size_mm=row.size_mm,
        given_probabilities=given.fold_probabilities if given else (),
        given_dice=dice(given.mask, view.lesion) if given and outlined else None,
        found_probabilities=found.fold_probabilities if found else (),
        swept=sweep,
        hit=bool(hits and hits[0]),
        any_hit=any(hits),
        marks=len(hits),
        false_marks=len(hits) - sum(hits),
        found_dice=dice(found.mask, view.lesion) if found and given and outlined else None,
    )


def _given(ensemble: Ensemble, view: PreparedView) -> ViewPrediction | None:
    return None if view.middle is None else _predict(ensemble, view, view.middle)


def _predict(ensemble: Ensemble, view: PreparedView, given: Point | None) -> ViewPrediction:
    return ensemble.predict_view(
        view.image, view.breast, mirrored=view.mirrored, given=given, spacing_mm=view.spacing_mm
    )
