"""Label pictures of boxes and polygons that public data sets give as numbers."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from training.annotations.annotation import CALCIFICATION, REGION, ImageFacts
from training.annotations.raster import pixels, polygon

_LEAST_CORNERS = 3


def box_labels(boxes: Iterable[tuple[int, int, int, int]], image: ImageFacts) -> NDArray[np.uint8]:
    """Fill boxes of (column, row, column, row), both corners inside, in either order; what is outside is cut off.

    Returns
    -------
        (rows, columns) uint8, 0 or 1; all 0 if no box touches the image.
    """
    labels = np.zeros(image.shape, np.uint8)
    for x1, y1, x2, y2 in boxes:
        (left, right), (top, bottom) = sorted((x1, x2)), sorted((y1, y2))
        labels[max(top, 0) : max(bottom + 1, 0), max(left, 0) : max(right + 1, 0)] = REGION
    return labels


def outline_labels(
    outlines: Sequence[tuple[Sequence[tuple[float, float]], bool]], image: ImageFacts
) -> NDArray[np.uint8]:
    """Fill polygons; one or two points are single pixels. What is outside the image is cut off.

    Parameters
    ----------
    outlines
        Points (column, row), a whole number being a pixel's centre, and whether they outline a calcification; others
        are regions. Calcifications are drawn over regions.

    Returns
    -------
        (rows, columns) uint8 in {0, 1, 2}.
    """
    labels = np.zeros(image.shape, np.uint8)
    for points, is_calcification in sorted(outlines, key=lambda outline: outline[1]):
        corners = np.asarray(points, np.float64).reshape(-1, 2) + 0.5
        draw = polygon if len(corners) >= _LEAST_CORNERS else pixels
        labels[draw(corners, image.shape)] = CALCIFICATION if is_calcification else REGION
    return labels
