"""Calibration: whether of the patients with a probability of about p, a share of about p is at high risk."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from training.report import style
from training.report.numbers import interval
from training.report.readings import Reading
from training.report.style import Picture

_CAPTION = (
    "Calibration in groups of equal numbers of patients, with 95 % intervals (Wilson); on the dashed line, probability "
    "and frequency agree. Below: how many patients have which probability, high risk filled, low risk as a line."
)


def calibration_figure(readings: Sequence[Reading]) -> Picture:
    """Draw the calibration curve of each reading above the distribution of its probabilities."""
    with style.drawing():
        figure = style.new_figure(3.7 * len(readings) + 0.2, 4.9)
        grid = figure.add_gridspec(2, len(readings), height_ratios=(4, 1))
        for place, reading in enumerate(readings):
            upper = figure.add_subplot(grid[0, place])
            _curve(upper, reading)
            _histogram(figure.add_subplot(grid[1, place], sharex=upper), reading)
        return style.vector(figure, alt=_alt(readings), caption=_CAPTION)


def _curve(axes: Axes, reading: Reading) -> None:
    bins = reading.figures["reliability"]
    x = [part["probability"] for part in bins]
    y = [part["frequency"] for part in bins]
    # At 0 and 1 rounding may put an end of the interval on the wrong side by 1e-17.
    below = [max(0.0, part["frequency"] - part["low"]) for part in bins]
    above = [max(0.0, part["high"] - part["frequency"]) for part in bins]
    axes.plot((0, 1), (0, 1), color=style.GREY, linestyle=(0, (4, 3)), linewidth=0.9)
    axes.errorbar(
        x,
        y,
        yerr=(below, above),
        color=style.COLOURS[reading.kind],
        marker=style.MARKERS[reading.kind],
        linestyle=style.STYLES[reading.kind],
        capsize=3,
        elinewidth=1,
    )
    style.unit_axes(axes, x="", y="share at high risk")
    # Not square, so that it stands exactly above the distribution.
    axes.set_aspect("auto")
    axes.tick_params(labelbottom=False)
    axes.set_title(f"{reading.name}\nECE {interval(reading.figures['ece'])}")


def _histogram(axes: Axes, reading: Reading) -> None:
    edges = np.linspace(0, 1, 21).tolist()
    high = reading.labels == 1
    axes.hist(reading.probabilities[high], edges, color=style.COLOURS[reading.kind], alpha=0.8)
    axes.hist(reading.probabilities[~high], edges, histtype="step", color=style.INK, linewidth=1)
    axes.set(xlabel="calibrated probability of high risk", ylabel="patients")


def _alt(readings: Sequence[Reading]) -> str:
    told = (
        f"{reading.name}: "
        + ", ".join(
            f"{part['probability']:.2f} against {part['frequency']:.2f}" for part in reading.figures["reliability"]
        )
        for reading in readings
    )
    return f"Calibration, mean probability against share at high risk. {'; '.join(told)}."
