"""Where a crop lies on its region: numbers in, numbers out.

The node averages a whole view to input pixels and cuts there. A crop that is not shifted therefore begins on an input
pixel of the view; a shift moves it by whole stored pixels.
"""

from dataclasses import dataclass

import numpy as np

from dcis_node.model.preprocess import Preprocessing
from dcis_node.model.tiles import crop_origin
from training.crops import Region


@dataclass(frozen=True)
class Placed:
    """One axis of a crop on its region.

    Parameters
    ----------
    start
        Where it begins, in stored pixels of the region; 0 is the outer edge of the first.
    ratio
        Stored pixels per input pixel.
    size
        Side in input pixels.
    available
        Stored pixels of the region along this axis; what the crop would show beyond them is 0.
    """

    start: float
    ratio: float
    size: int
    available: int

    @property
    def first(self) -> int:
        """The first stored pixel of the slice that the crop is made of."""
        return int(np.floor(self.start + _ROUNDING))

    @property
    def whole_ratio(self) -> int:
        """The ratio where every input pixel is made of so many whole stored ones; else 0."""
        ratio = round(self.ratio)
        exact = abs(self.ratio - ratio) * self.size < _ROUNDING and abs(self.start - self.first) < _ROUNDING
        return ratio if exact else 0

    @property
    def length(self) -> int:
        """Stored pixels of the slice; the same for every crop of one ratio that is not whole."""
        return self.size * self.whole_ratio or int(np.ceil(self.size * self.ratio)) + 1

    @property
    def shown(self) -> int:
        """Input pixels from the first on that the region holds; `size` but where the view is smaller than the crop."""
        return min(self.size, int(np.floor((self.available - self.start) / self.ratio + _ROUNDING)))


# Edges computed as products of whole numbers and ratios are exact but for this.
_ROUNDING = 1e-6


def place_crop(
    region: Region, preprocessing: Preprocessing, *, size: int, shift_mm: tuple[float, float]
) -> tuple[Placed, Placed]:
    """Place a training crop: round the lesion's middle, shifted, kept inside the region.

    Returns
    -------
    Its rows and its columns.
    """
    grid = region.grid(preprocessing)
    # As the node cuts, but free to leave the image: the region's edge keeps it inside, below.
    free = crop_origin(grid.to_input(region.middle), size, grid.shape, border="zero")
    spacing = region.spacing_mm, region.column_spacing_mm or region.spacing_mm
    placed = []
    for axis, available in enumerate((region.rows, region.columns)):
        ratio = grid.ratio[axis]
        wanted = free[axis] * ratio - region.origin[axis] + round(shift_mm[axis] / spacing[axis])
        start = max(0.0, min(wanted, available - size * ratio))
        placed.append(Placed(start, ratio, size, available))
    return placed[0], placed[1]
