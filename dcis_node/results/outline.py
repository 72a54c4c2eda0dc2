"""Outlines of masks: trace the border of a component along its pixel edges, and thin the points out.

Coordinates are those of SCOORD (PS3.3 C.18.6.1.1): x to the right, y down, (0, 0) at the upper left corner of the
first pixel, so that the centre of the pixel at (row, column) is (column + 0.5, row + 0.5). Tracing the edges and not
the pixel centres makes the outline hold exactly the pixels of the mask, and leaves no component without an area.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

Points = NDArray[np.float64]

# One staircase of single pixels deviates 0.71 pixels from its diagonal; more than that is shape.
TOLERANCE_PX = 0.75
# Up to here an outline is small and coarse, and every corner is shape: it stays as it is.
KEEP_ALL_CORNERS = 16
# A viewer draws these smoothly, and an SR stays small.
MAX_POINTS = 200

# Steps to the right, down, left, up, in (x, y).
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def trace(mask: NDArray[np.bool_]) -> Points:
    """Trace the outer border of the component that holds the first set pixel.

    Diagonal neighbours belong together (8-connectivity). Holes are not traced.

    Parameters
    ----------
    mask
        (rows, columns) bool with at least one pixel set.

    Returns
    -------
    Points
        (n, 2) corners (x, y), clockwise on the screen, the first one not repeated.
    """
    edges = _directed_edges(mask)
    row, column = (int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape))
    start = x, y = column, row
    heading, corners = 0, [start]
    while True:
        x, y = x + _STEPS[heading][0], y + _STEPS[heading][1]
        if (x, y) == start:
            return np.array(corners, dtype=np.float64)
        # The inside lies to the right hand; a left turn first keeps diagonal neighbours in one outline.
        turned = next(d for d in ((heading - 1) % 4, heading, (heading + 1) % 4) if edges[d][y, x])
        if turned != heading:
            corners.append((x, y))
            heading = turned


def _directed_edges(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], ...]:
    """Give, per heading, where a border edge starts: four (rows + 1, columns + 1) bool arrays."""
    padded = np.pad(mask, 1)
    inside, empty = padded[1:-1, 1:-1], ~padded
    right, down, left, up = (np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), dtype=bool) for _ in range(4))
    right[:-1, :-1] = inside & empty[:-2, 1:-1]  # along the top of a pixel
    down[:-1, 1:] = inside & empty[1:-1, 2:]  # along its right side
    left[1:, 1:] = inside & empty[2:, 1:-1]  # along its bottom
    up[1:, :-1] = inside & empty[1:-1, :-2]  # along its left side
    return right, down, left, up


def simplify(corners: Points) -> Points:
    """Drop corners that do not change the shape: Douglas-Peucker on the closed ring.

    Parameters
    ----------
    corners
        (n, 2), not repeated at the end.

    Returns
    -------
    Points
        (m, 2), m <= `MAX_POINTS`, a subset of the corners in their order; the tolerance grows until they fit.
    """
    if len(corners) <= KEEP_ALL_CORNERS:
        return corners
    tolerance, thinned = TOLERANCE_PX, _thin_ring(corners, TOLERANCE_PX)
    while len(thinned) > MAX_POINTS:
        tolerance *= 1.5
        thinned = _thin_ring(corners, tolerance)
    return thinned if len(thinned) >= 4 else corners[:: max(1, len(corners) // MAX_POINTS)]


def _thin_ring(corners: Points, tolerance: float) -> Points:
    far = int(np.argmax(np.linalg.norm(corners - corners[0], axis=1)))
    ring = np.vstack([corners, corners[:1]])
    keep = np.zeros(len(ring), dtype=bool)
    keep[[0, far, len(ring) - 1]] = True
    todo = [(0, far), (far, len(ring) - 1)]
    while todo:
        first, last = todo.pop()
        if last - first < 2:
            continue
        distances = _distances(ring[first + 1 : last], ring[first], ring[last])
        worst = int(np.argmax(distances))
        if distances[worst] > tolerance:
            middle = first + 1 + worst
            keep[middle] = True
            todo += [(first, middle), (middle, last)]
    kept: Points = ring[:-1][keep[:-1]]
    return kept


def _distances(points: Points, start: Points, end: Points) -> NDArray[np.float64]:
    """Distance of points (n, 2) from the segment between two others."""
    along = end - start
    length = float(along @ along)
    share = np.clip((points - start) @ along / length, 0.0, 1.0) if length else np.zeros(len(points))
    distances: NDArray[np.float64] = np.linalg.norm(points - (start + share[:, None] * along), axis=1)
    return distances


def close(corners: Points) -> NDArray[np.float32]:
    """Repeat the first point at the end, as a closed POLYLINE wants (PS3.3 C.18.6.1.2); FL is float32."""
    return np.vstack([corners, corners[:1]]).astype(np.float32)


def long_axis(corners: Points, spacing: tuple[float, float]) -> float:
    """Give the largest distance between two corners (largest Feret diameter).

    Parameters
    ----------
    corners
        (n, 2) corners (x, y) of `trace`, before they were thinned out.
    spacing
        (row, column) spacing, in the unit of the answer.
    """
    scaled = corners * np.array([spacing[1], spacing[0]])
    hull = scaled[ConvexHull(scaled).vertices]
    return float(pdist(hull).max())
