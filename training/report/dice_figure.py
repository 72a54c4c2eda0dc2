"""How the outline grew while the folds were trained, as the paper's Fig. 4."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes

from training.logs import EpochRow
from training.report import style
from training.report.epochs import Example
from training.report.outlines import draw_outlined, legend_handles
from training.report.style import Picture
from training.statistics.overlap import dice

_CURVES = (
    "Validation Dice and patient AUC by epoch: a thin line for each fold, their mean as a thick one; a dotted line "
    "parts one stage from the next. These are figures of the validation patients, who choose the weights: the test "
    "figures are those of the other sections."
)
_EXAMPLES = (
    "How the outline grew, in views of validation patients of one fold, as the paper's Fig. 4: the true region is the "
    "solid line, what the network outlined the dashed one."
)
# Paper: Fig. 4 has the truth and three epochs.
_SHOWN_EPOCHS, _SHOWN_VIEWS = 4, 3


def dice_figure(folds: Sequence[Sequence[EpochRow]]) -> Picture:
    """Draw Dice and AUC by epoch; `folds` has the rows of each fold, at least one fold with one row."""
    with style.drawing():
        figure = style.new_figure(7.6, 3.4)
        left, right = figure.subplots(1, 2)
        ends = [_curve(left, folds, "dice"), _curve(right, folds, "auc")]
        for axes, name in ((left, "validation Dice"), (right, "validation AUC, patients")):
            axes.set(xlabel="epoch, counted through all stages", ylabel=name, ylim=(-0.02, 1.02))
            axes.grid(visible=True)
            _mark_stages(axes, folds[0])
        right.axhline(0.5, color=style.GREY, linestyle=(0, (4, 3)), linewidth=0.9)
        told = f"mean Dice of {len(folds)} folds at the end {ends[0]}, mean AUC {ends[1]}"
        return style.vector(figure, alt=f"Validation figures by epoch: {told}.", caption=_CURVES)


def examples_figure(examples: Sequence[Example]) -> Picture:
    """Draw validation views (rows) at some epochs (columns), with the Dice of each outline."""
    chosen = [examples[i] for i in _spread(len(examples), _SHOWN_EPOCHS)]
    views = min(_SHOWN_VIEWS, len(chosen[0].image))
    dices = []
    with style.drawing():
        figure = style.new_figure(1.9 * len(chosen), 2.15 * views + 0.3)
        axes = figure.subplots(views, len(chosen), squeeze=False)
        for column, example in enumerate(chosen):
            for row in range(views):
                truth, outlined = example.truth[row], example.outlined[row]
                overlap = dice(outlined, truth)
                draw_outlined(axes[row, column], example.image[row] / 255.0, truth=truth, outlined=outlined)
                head = f"{style.plain(example.stage)}, epoch {example.epoch}\n" if row == 0 else ""
                axes[row, column].set_title(f"{head}Dice {overlap:.3f}", fontsize=8)
                dices.append(overlap)
        figure.legend(handles=legend_handles(), loc="outside lower center", ncols=2)
        first, last = np.mean(dices[:views]), np.mean(dices[-views:])
        return style.raster(
            figure,
            alt=f"Outlines of {views} validation views at {len(chosen)} epochs; mean Dice of these views from "
            f"{first:.2f} at the first to {last:.2f} at the last.",
            caption=_EXAMPLES,
        )


def _curve(axes: Axes, folds: Sequence[Sequence[EpochRow]], name: str) -> str:
    """Draw a line for each fold and their mean; give the mean's last value as words."""
    by_place: dict[int, list[float]] = {}
    for fold in folds:
        points = [(place, getattr(row, name)) for place, row in enumerate(fold, start=1)]
        known = [(place, value) for place, value in points if value is not None]
        for place, value in known:
            by_place.setdefault(place, []).append(value)
        if known:
            axes.plot(*zip(*known, strict=True), color=style.BLUE, alpha=0.4, linewidth=0.9)
    # Only where every fold was validated: a mean over other folds would jump.
    mean = [(place, float(np.mean(values))) for place, values in sorted(by_place.items()) if len(values) == len(folds)]
    if not mean:
        return "not known"
    axes.plot(
        *zip(*mean, strict=True), color=style.BLUE, linewidth=2, marker="o" if len(mean) < 12 else "", markersize=4
    )
    return f"{mean[-1][1]:.3f}"


def _mark_stages(axes: Axes, rows: Sequence[EpochRow]) -> None:
    """Name each stage along its first edge, where a short stage has room for its name too."""
    starts = [1, *(place + 2 for place, (a, b) in enumerate(pairwise(rows)) if a.stage != b.stage)]
    for start in starts:
        if start > 1:
            axes.axvline(start - 0.5, color=style.INK, linestyle=":", linewidth=0.9)
        name = style.plain(rows[start - 1].stage)
        axes.text(start - 0.45, 0.0, name, rotation=90, fontsize=7, color=style.GREY, va="bottom", clip_on=True)
    axes.set_xlim(0.4, len(rows) + 0.6)


def _spread(count: int, wanted: int) -> list[int]:
    """Give up to `wanted` of `count` places, evenly, the first and the last among them."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, wanted))})
