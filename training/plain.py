"""A region as validation, test and node see it: no shift, no variation, the node's display and grid."""

from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcis_node.errors import TrainingError
from dcis_node.model.preprocess import average_part, highest_part
from dcis_node.model.tiles import Border, crop_origin, cut
from training.crops import CropStore
from training.recipe import Recipe

# Edges computed as products of whole numbers and ratios are exact but for this.
_ROUNDING = 1e-6


def plain_crop(
    store: CropStore, index: int, *, recipe: Recipe, size_px: int | None = None
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Cut the crop that the node cuts when the lesion's middle is given to it: the same array, to the last bit.

    Parameters
    ----------
    size_px
        Side in input pixels; None takes the node's, `recipe.preprocessing.crop_px`.

    Returns
    -------
    (h, h) float32 in [0, 1], and (h, h) uint8 labels: the highest in each input pixel, 0 beyond the view.

    Raises
    ------
    TrainingError
        If the store's region does not hold the crop: it was made for a smaller one.
    """
    preprocessing = recipe.preprocessing
    size = size_px or preprocessing.crop_px
    region = store.regions[index]
    grid = region.grid(preprocessing)
    origin = crop_origin(grid.to_input(region.middle), size, grid.shape, border=preprocessing.border)
    window = _inside(origin[0], size, grid.shape[0]), _inside(origin[1], size, grid.shape[1])
    rows = _stored(window[0], grid.ratio[0], first=region.origin[0], length=region.rows)
    columns = _stored(window[1], grid.ratio[1], first=region.origin[1], length=region.columns)
    if rows is None or columns is None:
        msg = f"{region.view.image or 'a region'}: the store's region is too small for a crop of {size} input pixels"
        raise TrainingError(msg)
    first = region.origin[0] + rows.start, region.origin[1] + columns.start
    shown = store.table(index, preprocessing)[store.stored(index)[rows, columns]]
    image = average_part(shown, grid, origin=first, window=window)
    labels = highest_part(store.labels(index)[rows, columns], grid, origin=first, window=window)
    return _padded(image, origin, window, size, border=preprocessing.border), _padded(labels, origin, window, size)


def _inside(start: int, size: int, length: int) -> slice:
    return slice(min(max(start, 0), length), min(max(start + size, 0), length))


def _stored(window: slice, ratio: float, *, first: int, length: int) -> slice | None:
    """Give the region's stored pixels of a window of input pixels along one axis; None if it does not hold them all."""
    start, end = floor(window.start * ratio + _ROUNDING) - first, ceil(window.stop * ratio - _ROUNDING) - first
    return slice(start, end) if start >= 0 and end <= length else None


def _padded(
    inner: NDArray[Any], origin: tuple[int, int], window: tuple[slice, slice], size: int, *, border: Border = "zero"
) -> NDArray[Any]:
    """Place what lies inside the view in the (size, size) crop, as `tiles.cut` of the whole view does."""
    start = origin[0] - window[0].start, origin[1] - window[1].start
    return np.ascontiguousarray(cut(inner, start, size, border=border))
