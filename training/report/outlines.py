"""A view with the true region and the outlined one, told apart with any colour vision: solid sky, dashed orange."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from training.report import style

# Lengths of scale bars.
_BARS_MM = (1, 2, 5, 10, 20, 50)


def draw_outlined(
    axes: Axes, image: NDArray[Any], *, truth: NDArray[np.bool_], outlined: NDArray[np.bool_], linewidth: float = 1.2
) -> None:
    """Draw both outlines over an image.

    Parameters
    ----------
    image
        (rows, columns) in [0, 1].
    truth, outlined
        (rows, columns) bool; an empty one has no line.
    """
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    for mask, colour, line in ((truth, style.SKY, "solid"), (outlined, style.ORANGE, "dashed")):
        if mask.any() and not mask.all():
            drawn = axes.contour(mask.astype(np.float32), levels=[0.5], colors=[colour], linestyles=[line])
            # A dark rim keeps the line visible on bright tissue.
            drawn.set(linewidth=linewidth, path_effects=[withStroke(linewidth=linewidth + 1.4, foreground="black")])
    axes.set_axis_off()


def legend_handles() -> tuple[Line2D, Line2D]:
    """Give the two lines of the legend."""
    return (
        Line2D([], [], color=style.SKY, linestyle="-", label="true region"),
        Line2D([], [], color=style.ORANGE, linestyle="--", label="outlined"),
    )


def scale_bar(axes: Axes, *, pixel_mm: float, columns: int) -> None:
    """Draw a bar of a round length, at most a third of the width, in the lower left corner."""
    length_mm = max((mm for mm in _BARS_MM if mm <= columns * pixel_mm / 3), default=_BARS_MM[0])
    length = length_mm / pixel_mm
    start = 0.04 * columns
    low, high = axes.get_ylim()
    row = low + 0.05 * (high - low)
    rim = [withStroke(linewidth=2.0, foreground="black")]
    axes.plot((start, start + length), (row, row), color="white", linewidth=2.5, solid_capstyle="butt")
    above = row + 0.015 * (high - low)
    axes.text(start, above, f"{length_mm:g} mm", color="white", fontsize=7, va="bottom", path_effects=rim)
