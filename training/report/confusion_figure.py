"""Confusion matrices: what was called high or low, against what it was."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from training.report import style
from training.report.readings import Reading, point_name
from training.report.style import Picture


def confusion_figure(readings: Sequence[Reading]) -> Picture:
    """Draw one matrix for each reading (rows) and operating point (columns)."""
    columns = max(len(reading.points) for reading in readings)
    told = []
    with style.drawing():
        figure = style.new_figure(2.7 * columns + 0.2, 2.7 * len(readings))
        for row, reading in enumerate(readings):
            for column, (name, point) in enumerate(reading.points.items()):
                axes = figure.add_subplot(len(readings), columns, row * columns + column + 1)
                _draw(axes, matrix(point), title=f"{reading.name}\n{point_name(name, point)}")
                told.append(f"{reading.name}, {name}: {_words(point)}")
        return style.vector(
            figure,
            alt=f"Confusion matrices. {'; '.join(told)}.",
            caption="Patients by what they were (rows) and what they were called (columns), with shares of the row.",
        )


def matrix(point: dict[str, Any]) -> NDArray[np.int64]:
    """Give ((true positive, false negative), (false positive, true negative)) of a `POINT`: rows are what it was."""
    names = (("true_positive", "false_negative"), ("false_positive", "true_negative"))
    return np.array([[point[name] for name in row] for row in names], np.int64)


def _draw(axes: Axes, counts: NDArray[np.int64], *, title: str) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # Light to middle blue only, so that black letters can be read on all of it.
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.7)
    for row in range(2):
        for column in range(2):
            text = f"{counts[row, column]}\n{100 * shares[row, column]:.0f} %"
            axes.text(column, row, text, ha="center", va="center", fontsize=11, color=style.INK)
    axes.set_xticks((0, 1), ("high", "low"))
    axes.set_yticks((0, 1), ("high", "low"))
    axes.set(xlabel="called", ylabel="was")
    axes.set_title(title, fontsize=9)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _words(point: dict[str, Any]) -> str:
    (hits, missed), (false, right) = matrix(point).tolist()
    return f"{hits} high called high, {missed} high called low, {false} low called high, {right} low called low"
