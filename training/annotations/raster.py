"""Shapes of a report or a presentation state, filled on the pixels of an image.

Coordinates are (x, y) in pixels, (0, 0) at the outer corner of the first pixel, so that the pixel at (row, column) has
its centre at (column + 0.5, row + 0.5) (PS3.3 C.18.6.1.1 and C.10.5). The node's own reports trace the edges of pixels
in these coordinates: filled again, they give the mask they came from.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dcis_node.mammogram.shapes import PIXEL_CENTRE
from training.annotations.annotation import Mask

Points = NDArray[np.float64]

_LEAST_CORNERS: Final = 3
# Freehand outlines are often left open by a few pixels; a line that measures something is not.
_LARGEST_GAP: Final = 0.1


def polygon(points: Points, shape: tuple[int, int]) -> Mask:
    """Fill a closed polygon: the pixels whose centre is inside, by the even-odd rule; what is outside is cut off.

    Parameters
    ----------
    points
        (n, 2) corners (x, y), n >= 3; the first one repeated at the end or not.
    shape
        (rows, columns) of the image.

    Returns
    -------
    Mask
        (rows, columns) bool. A sliver that holds no pixel's centre gives the pixels of its corners.
    """
    mask = np.zeros(shape, np.bool_)
    x0, y0 = points.T
    x1, y1 = np.roll(points, -1, axis=0).T
    for row in range(max(int(y0.min()), 0), min(int(np.ceil(y0.max())), shape[0])):
        y = row + PIXEL_CENTRE
        crossed = (y0 <= y) != (y1 <= y)
        x = x0[crossed] + (y - y0[crossed]) / (y1[crossed] - y0[crossed]) * (x1[crossed] - x0[crossed])
        ends = np.clip(np.ceil(np.sort(x) - PIXEL_CENTRE), 0, shape[1]).astype(int)
        for first, last in ends.reshape(-1, 2):
            mask[row, first:last] = True
    return mask if mask.any() else pixels(points, shape)


def ellipse(ends: Points, shape: tuple[int, int]) -> Mask:
    """Fill an ellipse.

    Parameters
    ----------
    ends
        (4, 2): the ends of the major axis, then those of the minor axis.

    Returns
    -------
    Mask
        (rows, columns) bool of the pixels whose centre is inside; of an ellipse thinner than that, of its ends.
    """
    mask = np.zeros(shape, np.bool_)
    axes = (ends[1::2] - ends[::2]) / 2
    squares = (axes**2).sum(axis=1)
    if not squares.all():
        return pixels(ends, shape)
    x, y = ends.mean(axis=0)
    reach = float(np.sqrt(squares.max())) + 1
    rows = slice(max(int(y - reach), 0), max(int(y + reach) + 1, 0))
    columns = slice(max(int(x - reach), 0), max(int(x + reach) + 1, 0))
    grid = np.indices(mask[rows, columns].shape, np.float64)
    dy, dx = grid[0] + rows.start + PIXEL_CENTRE - y, grid[1] + columns.start + PIXEL_CENTRE - x
    along = [(dx * axis[0] + dy * axis[1]) / square for axis, square in zip(axes, squares, strict=True)]
    mask[rows, columns] = along[0] ** 2 + along[1] ** 2 <= 1
    return mask if mask.any() else pixels(ends, shape)


def circle(points: Points, shape: tuple[int, int]) -> Mask:
    """Fill a circle given by its centre and a point on it, (2, 2)."""
    centre, (dx, dy) = points[0], points[1] - points[0]
    across, down = np.array([dx, dy]), np.array([-dy, dx])
    return ellipse(np.stack([centre - across, centre + across, centre - down, centre + down]), shape)


def pixels(points: Points, shape: tuple[int, int]) -> Mask:
    """Set the pixels in which points (n, 2) lie; points outside the image set none."""
    mask = np.zeros(shape, np.bool_)
    inside = ((points >= 0) & (points <= (shape[1], shape[0]))).all(axis=1)
    # The outer corner of the last pixel belongs to it.
    columns, rows = np.minimum(points[inside].astype(int), (shape[1] - 1, shape[0] - 1)).T
    mask[rows, columns] = True
    return mask


def is_outline(points: Points) -> bool:
    """Tell whether a line closes, or all but closes, and so outlines something."""
    corners = points[:-1] if (points[0] == points[-1]).all() else points
    if len(corners) < _LEAST_CORNERS:
        return False
    gap = float(np.linalg.norm(points[-1] - points[0]))
    return gap <= _LARGEST_GAP * float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def is_box(points: Points) -> bool:
    """Tell whether an outline is a rectangle along the axes: a coarse mark, not a drawing."""
    corners = np.unique(points, axis=0)
    return len(corners) == 4 and all(len(np.unique(corners[:, axis])) == 2 for axis in (0, 1))
