"""Pictures of cases: the truth and what the bundle outlines, over the pixels that it saw."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from scipy import ndimage

from dcis_node.errors import TrainingError
from dcis_node.model.evidence import ViewPrediction
from dcis_node.model.predict import Ensemble
from dcis_node.model.preprocess import average, highest
from training.cohort import Cohort, CohortView
from training.judging import PreparedView, prepare
from training.loaded import LoadedView
from training.report import style
from training.report.cases import TITLES, Case
from training.report.numbers import number
from training.report.outlines import draw_outlined, legend_handles, scale_bar
from training.report.style import Picture

Load = Callable[[Cohort, CohortView], LoadedView]

# Side of a drawn panel in pixels; and how much of the surroundings is shown at least.
_PANEL_PX = 420
_LEAST_SIDE_MM = 30.0
_SIDE_PER_LESION = 1.5
# A panel's side on the page.
_PANEL_IN = 3.1


@dataclass(frozen=True, eq=False)
class _Seen:
    """A view as the network saw it with its truth, and what the network said."""

    row: CohortView
    view: PreparedView
    said: ViewPrediction


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
        figure = style.new_figure(_PANEL_IN * panels, _PANEL_IN + 0.8)
        axes = figure.subplots(1, panels, squeeze=False)[0]
        for place, view in enumerate(seen):
            _near(axes[place * panels // len(seen)], view)
            if whole:
                _whole(axes[place * 2 + 1], view)
        figure.legend(handles=legend_handles(), loc="outside lower center", ncols=2, facecolor=style.GREY, fontsize=8)
        return style.raster(figure, alt=f"{TITLES[case.kind]}: {case.words}.", caption=case.words, dpi=125)


def _see(loaded: LoadedView, row: CohortView, ensemble: Ensemble, *, sweep: bool) -> _Seen:
    view = prepare(loaded, row, ensemble.bundle.preprocessing)
    if view.middle is None:
        raise TrainingError(f"{row.image} has a lesion in the evaluation, but no mask in the cohort")
    given = None if sweep else view.middle
    said = ensemble.predict_view(
        view.image, view.breast, mirrored=view.mirrored, given=given, spacing_mm=view.spacing_mm
    )
    return _Seen(row, view, said)


def _near(axes: Axes, seen: _Seen) -> None:
    _panel(axes, seen, _window(seen))
    name = f"{seen.row.image}, {seen.row.laterality} {style.plain(seen.row.view)}"
    axes.set_title(f"{name}\nprobability {number(seen.said.probability)}", fontsize=8)


def _whole(axes: Axes, seen: _Seen) -> None:
    _panel(axes, seen, (slice(None), slice(None)))
    axes.set_title(f"whole view, marks: {len(seen.said.candidates)}\nthe first one is outlined", fontsize=8)


def _panel(axes: Axes, seen: _Seen, window: tuple[slice, slice]) -> None:
    image = seen.view.image[window]
    scale = max(1.0, max(image.shape) / _PANEL_PX)
    shape = (max(1, round(image.shape[0] / scale)), max(1, round(image.shape[1] / scale)))
    truth, outlined = (highest(mask[window], shape) for mask in (seen.view.lesion, seen.said.mask))
    draw_outlined(axes, average(image, shape), truth=truth, outlined=outlined)
    scale_bar(axes, pixel_mm=seen.view.spacing_mm[1] * image.shape[1] / shape[1], columns=shape[1])


def _window(seen: _Seen) -> tuple[slice, slice]:
    """Give the square round the lesion, moved into the image."""
    (box, *_) = ndimage.find_objects(seen.view.lesion.astype(np.int8))
    lengths = [(part.stop - part.start) * step for part, step in zip(box, seen.view.spacing_mm, strict=True)]
    side_mm = max(_LEAST_SIDE_MM, _SIDE_PER_LESION * max(lengths))
    rows, columns = (
        _inside((part.start + part.stop) // 2, round(side_mm / step), length)
        for part, step, length in zip(box, seen.view.spacing_mm, seen.view.image.shape, strict=True)
    )
    return rows, columns


def _inside(middle: int, side: int, length: int) -> slice:
    start = max(0, min(middle - side // 2, length - side))
    return slice(start, min(length, start + side))
