"""Pixels of one view, or of one region of it, as every step of training takes them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcis_node.mammogram.display import DisplayTransform


@dataclass(frozen=True, eq=False)
class LoadedView:
    """A whole view.

    Parameters
    ----------
    stored
        (rows, columns) uint16: stored values as in the file.
    labels
        (rows, columns) uint8: 0 background, 1 lesion region, 2 calcification inside it; all 0 without a mask.
    transforms
        What the file offers to show it, in its order; for values as in `stored`.
    spacing_mm
        (row, column) spacing at the detector plane.
    mirrored
        True if the image lies against its laterality: node, training and test mirror it before the network sees it.
    """

    stored: NDArray[np.uint16]
    labels: NDArray[np.uint8]
    transforms: tuple[DisplayTransform, ...]
    spacing_mm: tuple[float, float]
    mirrored: bool


@dataclass(frozen=True, eq=False)
class LoadedRegion:
    """A square region of a view; arrays and the rest as in `LoadedView`.

    Parameters
    ----------
    centre
        (row, column) in the region: middle of the lesion's box (a half lies between two pixels), or the pixel drawn.
    origin
        (row, column) of the region's first pixel in the view.
    """

    stored: NDArray[np.uint16]
    labels: NDArray[np.uint8]
    transforms: tuple[DisplayTransform, ...]
    spacing_mm: tuple[float, float]
    mirrored: bool
    centre: tuple[float, float]
    origin: tuple[int, int]
