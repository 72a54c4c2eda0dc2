"""The centre of a drawn shape, from Graphic Type and Graphic Data of a report or a presentation state."""

from collections.abc import Sequence
from typing import Final

import numpy as np

# In both SCOORD (PS3.3 C.18.6.1.1) and PIXEL units of a presentation state (C.10.5) 0.0\0.0 is the corner of the first
# pixel, so its centre, our index 0, is 0.5.
PIXEL_CENTRE: Final = 0.5
MOST_POINTS: Final = 100_000


def centre_of(graphic_type: str, data: Sequence[float]) -> tuple[float, float] | None:
    r"""Give the centre of a shape in stored pixels.

    Parameters
    ----------
    graphic_type
        POINT, MULTIPOINT, POLYLINE, INTERPOLATED, CIRCLE or ELLIPSE.
    data
        Pairs column\row.

    Returns
    -------
        (row, column), 0-based indices: of a circle its centre, of an ellipse the middle of its axes, else the middle
        of the box round the points. None if the shape is unknown or its data does not fit it.
    """
    if len(data) < 2 or len(data) % 2 or len(data) > MOST_POINTS or not np.all(np.isfinite(data)):
        return None
    points = np.asarray(data, np.float64).reshape(-1, 2)
    needed = {"POINT": 1, "CIRCLE": 2, "ELLIPSE": 4}.get(graphic_type)
    if needed is not None and len(points) != needed:
        return None
    if graphic_type in ("POINT", "CIRCLE"):  # of a circle the first point is the centre, the second on the line
        column, row = points[0]
    elif graphic_type == "ELLIPSE":  # the ends of the major axis, then those of the minor axis
        column, row = points.mean(axis=0)
    elif graphic_type in ("MULTIPOINT", "POLYLINE", "INTERPOLATED"):
        column, row = (points.min(axis=0) + points.max(axis=0)) / 2
    else:
        return None
    return float(row) - PIXEL_CENTRE, float(column) - PIXEL_CENTRE
