"""ROC curves, as the paper's Fig. 5: sensitivity against 1 - specificity over all thresholds."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from sklearn.metrics import roc_curve

from training.report import style
from training.report.numbers import interval
from training.report.readings import Reading, point_name
from training.report.style import Picture

_CAPTION = (
    "ROC curves of the test patients: the ensemble (thick line), each fold alone (thin lines), and the thresholds of "
    "the tables. The dashed diagonal is chance. This is the form of the paper's Fig. 5."
)


def roc_figure(readings: Sequence[Reading]) -> Picture:
    """Draw the curve of each reading, its folds as thin lines, and its operating points.

    Parameters
    ----------
    readings
        With both classes each; at least one.
    """
    with style.drawing():
        figure = style.new_figure(3.7 * len(readings) + 0.2, 4.1)
        for place, reading in enumerate(readings, start=1):
            _draw(figure.add_subplot(1, len(readings), place), reading)
        told = "; ".join(f"{r.name}, AUC {interval(r.figures['auc'])}, {len(r.labels)} patients" for r in readings)
        return style.vector(figure, alt=f"ROC curves. {told}.", caption=_CAPTION)


def _draw(axes: Axes, reading: Reading) -> None:
    colour = style.COLOURS[reading.kind]
    axes.plot((0, 1), (0, 1), color=style.GREY, linestyle=(0, (4, 3)), linewidth=0.9)
    for fold in reading.by_fold.T:
        axes.plot(*roc_curve(reading.labels, fold)[:2], color=colour, alpha=0.35, linewidth=0.8)
    curve = np.array([point[:2] for point in reading.figures["roc"]], np.float64)
    axes.plot(curve[:, 0], curve[:, 1], color=colour, linewidth=2.2)
    for marker, (name, point) in zip("osD", reading.points.items(), strict=False):
        specificity, sensitivity = point["specificity"]["value"], point["sensitivity"]["value"]
        axes.plot(
            1 - specificity,
            sensitivity,
            marker,
            color="white",
            markeredgecolor=style.INK,
            markersize=7,
            label=point_name(name, point),
        )
    style.unit_axes(axes, x="1 - specificity", y="sensitivity")
    axes.set_title(f"{reading.name}\nAUC {interval(reading.figures['auc'])}")
    if reading.points:
        axes.legend(loc="lower right", title="threshold", fontsize=8, title_fontsize=8)
