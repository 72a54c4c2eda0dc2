"""Pictures of cases: the truth and what the bundle outlines, over the pixels that it saw."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import ndimage

from dcis_node.errors import TrainingError
from dcis_node.mammogram.anatomy import find_breast
from dcis_node.mammogram.display import brightest
from dcis_node.model.evidence import ViewPrediction
from dcis_node.model.predict import Ensemble
from dcis_node.model.preprocess import average, highest, prepare_view
from training.cohort import Cohort, CohortView
from training.loaded import LoadedView
from training.report import style
from training.report.cases import TITLES, Case
from training.report.numbers import number
from training.report.outlines import draw_outlined, legend_handles, scale_bar
from training.report.style import Picture

Load = Callable[[Cohort, CohortView], LoadedView]

# Side of a drawn panel in pixels; and how much of the surroundings is shown at least.
_PANEL_PX = 420
_LEAST_SIDE_MM = 40.0
_SIDE_PER_LESION = 1.5
# A panel's side on the page.
_PANEL_IN = 3.1


@dataclass(frozen=True, eq=False)
class _Seen:
    """A view as the network saw it, its truth, and what it said."""

    row: CohortView
    image: NDArray[np.float32]
    truth: NDArray[np.bool_]
    spacing_mm: tuple[float, float]
    prediction: ViewPrediction


def case_figure(case: Case, cohort: Cohort, *, ensemble: Ensemble, load: Load) -> Picture:
    """Draw a case: its lesion views round the lesion, or for a missed lesion the whole view too.

    Raises
    ------
    TrainingError
        If a view is not in the cohort, has no mask, or its file cannot be loaded.
    """
    rows = {row.image: row for row in cohort.views}
    if unknown := [key for key in case.images if key not in rows]:
        raise TrainingError(f"{unknown[0]} is in the evaluation, but not in the cohort")
    whole = case.kind == "missed"
    seen = [_see(load(cohort, rows[key]), rows[key], ensemble, sweep=whole) for key in case.images]
    with style.drawing():
        panels = len(seen) * (2 if whole else 1)
        figure = style.new_figure(_PANEL_IN * panels, _PANEL_IN + 0.55)
        axes = figure.subplots(1, panels, squeeze=False)[0]
        for place, view in enumerate(seen):
            _near(axes[place * panels // len(seen)], view)
            if whole:
                _whole(axes[place * 2 + 1], view)
        figure.legend(handles=legend_handles(), loc="outside lower center", ncols=2, facecolor=style.GREY, fontsize=8)
        return style.raster(figure, alt=f"{TITLES[case.kind]}: {case.words}.", caption=case.words, dpi=110)


def _see(loaded: LoadedView, row: CohortView, ensemble: Ensemble, *, sweep: bool) -> _Seen:
    truth = loaded.labels > 0
    if not truth.any():
        raise TrainingError(f"{row.image} has a lesion in the evaluation, but no mask in the cohort")
    image = prepare_view(loaded.stored, loaded.transforms, ensemble.bundle.preprocessing)
    # As the node does: the breast is looked for where no hard window has made it black.
    breast = find_breast(brightest(loaded.transforms, loaded.stored)).mask
    (rows, columns), *_ = ndimage.find_objects(truth.astype(np.int8))
    middle = ((rows.start + rows.stop - 1) / 2, (columns.start + columns.stop - 1) / 2)
    prediction = ensemble.predict_view(
        image, breast, mirrored=loaded.mirrored, given=None if sweep else middle, spacing_mm=loaded.spacing_mm
    )
    return _Seen(row, image, truth, loaded.spacing_mm, prediction)


def _near(axes: Axes, seen: _Seen) -> None:
    _panel(axes, seen, _window(seen))
    said = number(seen.prediction.probability)
    axes.set_title(
        f"{seen.row.image}, {seen.row.laterality} {style.plain(seen.row.view)}\nprobability {said}", fontsize=8
    )


def _whole(axes: Axes, seen: _Seen) -> None:
    _panel(axes, seen, (slice(None), slice(None)))
    axes.set_title(f"whole view, marks: {len(seen.prediction.candidates)}\nthe first one is outlined", fontsize=8)


def _panel(axes: Axes, seen: _Seen, window: tuple[slice, slice]) -> None:
    image = seen.image[window]
    scale = max(1.0, max(image.shape) / _PANEL_PX)
    shape = (max(1, round(image.shape[0] / scale)), max(1, round(image.shape[1] / scale)))
    truth, outlined = (highest(mask[window], shape) for mask in (seen.truth, seen.prediction.mask))
    draw_outlined(axes, average(image, shape), truth=truth, outlined=outlined)
    scale_bar(axes, pixel_mm=seen.spacing_mm[1] * image.shape[1] / shape[1], columns=shape[1])


def _window(seen: _Seen) -> tuple[slice, slice]:
    """Give the square round the lesion, moved into the image."""
    (box, *_) = ndimage.find_objects(seen.truth.astype(np.int8))
    lengths = [(part.stop - part.start) * step for part, step in zip(box, seen.spacing_mm, strict=True)]
    side_mm = max(_LEAST_SIDE_MM, _SIDE_PER_LESION * max(lengths))
    rows, columns = (
        _inside((part.start + part.stop) // 2, round(side_mm / step), length)
        for part, step, length in zip(box, seen.spacing_mm, seen.image.shape, strict=True)
    )
    return rows, columns


def _inside(middle: int, side: int, length: int) -> slice:
    start = max(0, min(middle - side // 2, length - side))
    return slice(start, min(length, start + side))
