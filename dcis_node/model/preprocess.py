"""From stored pixels to what the network sees: one way for training, validation, test and node."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from math import ceil
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from scipy.sparse import csr_array

from dcis_node.mammogram.display import DisplayTransform, choose

# A share of a stored pixel below this is rounding.
_LEAST_SHARE = 1e-9


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Preprocessing:
    """How a view becomes the network's input. It travels in the bundle beside the network's settings.

    Parameters
    ----------
    display_rule
        Which of the vendor's display transforms is applied outside training: `first` = the one that
        `mammogram.display.choose` names, `mean` = the mean over all of them. Always deterministic: the lab drew at
        random in validation too, which makes one image give two answers.
    input_spacing_mm
        Spacing of an input pixel; display values are averaged over its area. None keeps the stored pixels, as the
        paper. 0.14 mm is the 2x2 mean of a 0.07 mm detector: a quarter of the cost, and one size of calcification is
        one size in pixels on every vendor's detector (0.05 ... 0.1 mm).
    crop_px
        Side of the crop round the lesion in input pixels (paper: 1024).
    tile_px, overlap_px
        Side and overlap of the sweep's tiles in input pixels. The tile is as large as the crop, because
        InstanceNorm's statistics depend on the extent (design, "Where the lesion is").
    border
        What a crop shows where it would leave the image: `inside` moves it back into the image, `zero` and
        `reflect` pad it.
    """

    display_rule: Literal["first", "mean"] = "first"
    input_spacing_mm: Annotated[float, Field(gt=0.0, le=2.0)] | None = None
    crop_px: Annotated[int, Field(ge=32, le=8192)] = 1024
    tile_px: Annotated[int, Field(ge=32, le=8192)] = 1024
    overlap_px: Annotated[int, Field(ge=0)] = 128
    border: Literal["inside", "zero", "reflect"] = "inside"

    @model_validator(mode="after")
    def _fits(self) -> "Preprocessing":
        if self.overlap_px >= self.tile_px:
            msg = f"overlap_px must be below tile_px = {self.tile_px}, got {self.overlap_px}"
            raise ValueError(msg)
        return self

    def to_json(self) -> dict[str, Any]:
        """Give plain values for the manifest."""
        return asdict(self)


def prepare_view(
    stored: NDArray[Any],
    transforms: Sequence[DisplayTransform],
    preprocessing: Preprocessing,
    *,
    transform_index: int | None = None,
) -> NDArray[np.float32]:
    """Show a view as the network is to see it, in its full resolution.

    Parameters
    ----------
    stored
        (rows, columns) stored pixel values, any integer type.
    transforms
        The display transforms that the image's header offers; never empty.
    preprocessing
        The bundle's rule.
    transform_index
        Training draws one; None, everywhere else, follows the rule.

    Returns
    -------
    (rows, columns) float32 in [0, 1], in full resolution; `average` follows, on display values.

    Raises
    ------
    ValueError
        If there is no transform.
    """
    if not transforms:
        msg = "a view needs at least one display transform"
        raise ValueError(msg)
    if transform_index is not None:
        return transforms[transform_index].apply(stored)
    if preprocessing.display_rule == "first" or len(transforms) == 1:
        return choose(tuple(transforms)).apply(stored)
    total = np.zeros(stored.shape, np.float32)
    for transform in transforms:
        total += transform.apply(stored)
    return total / np.float32(len(transforms))


@dataclass(frozen=True)
class Grid:
    """How stored pixels and input pixels of one view lie to one another. In both, a whole number is a pixel's centre.

    Parameters
    ----------
    stored, shape
        (rows, columns) of the view as stored and as network input.
    spacing_mm
        (row, column) spacing of an input pixel.
    """

    stored: tuple[int, int]
    shape: tuple[int, int]
    spacing_mm: tuple[float, float]

    @property
    def ratio(self) -> tuple[float, float]:
        """Stored pixels per input pixel, by rows and by columns."""
        return self.stored[0] / self.shape[0], self.stored[1] / self.shape[1]

    def to_stored(self, point: tuple[float, float]) -> tuple[float, float]:
        """Give the stored (row, column) of an input one."""
        rows, columns = self.ratio
        return (point[0] + 0.5) * rows - 0.5, (point[1] + 0.5) * columns - 0.5

    def to_input(self, point: tuple[float, float]) -> tuple[float, float]:
        """Give the input (row, column) of a stored one; undoes `to_stored`."""
        rows, columns = self.ratio
        return (point[0] + 0.5) / rows - 0.5, (point[1] + 0.5) / columns - 0.5

    def spread(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Give a mask over the input, (rows, columns) bool, as a mask over the stored pixels."""
        if self.shape == self.stored:
            return mask
        rows, columns = (
            np.minimum(((np.arange(length) + 0.5) / ratio).astype(np.int64), end - 1)
            for length, ratio, end in zip(self.stored, self.ratio, self.shape, strict=True)
        )
        return np.asarray(mask[rows][:, columns])

    def spread_box(self, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """Give a box over the input as the box of the stored pixels that `spread` would fill."""
        rows, columns = self.ratio
        first_row, first_column = (ceil(start * r - 0.5) for start, r in zip(box[:2], (rows, columns), strict=True))
        end_row, end_column = (ceil(end * r - 0.5) for end, r in zip(box[2:], (rows, columns), strict=True))
        return first_row, first_column, min(end_row, self.stored[0]), min(end_column, self.stored[1])


def input_grid(stored: tuple[int, int], spacing_mm: tuple[float, float], preprocessing: Preprocessing) -> Grid:
    """Lay the network's input over a view of (rows, columns) stored pixels with that spacing."""
    target = preprocessing.input_spacing_mm
    if target is None:
        return Grid(stored, stored, spacing_mm)
    rows, columns = (max(1, round(length * step / target)) for length, step in zip(stored, spacing_mm, strict=True))
    size_mm = stored[0] * spacing_mm[0], stored[1] * spacing_mm[1]
    return Grid(stored, (rows, columns), (size_mm[0] / rows, size_mm[1] / columns))


def average(image: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Average an image over the area of larger pixels: (rows, columns) float32 -> `shape` float32.

    A stored pixel that two larger ones share counts in both by its share.
    """
    if image.shape == shape:
        return image
    rows = _area_weights(image.shape[0], shape[0]) @ image
    return np.ascontiguousarray((_area_weights(image.shape[1], shape[1]) @ rows.T).T, np.float32)


@lru_cache(maxsize=64)
def _area_weights(stored: int, wanted: int) -> csr_array[np.float32, tuple[int, int]]:
    """Give the (wanted, stored) matrix whose row i holds each stored pixel's share of the i-th larger pixel."""
    starts, shares = area_shares(0.0, stored / wanted, wanted)
    columns = starts[:, None] + np.arange(shares.shape[1])
    keep = (shares > 0.0) & (columns < stored)
    rows = np.repeat(np.arange(wanted), shares.shape[1]).reshape(columns.shape)
    return csr_array((shares[keep], (rows[keep], columns[keep])), shape=(wanted, stored))


def area_shares(start: float, ratio: float, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Give which stored pixels each of `count` larger ones covers, along one axis, and by which share.

    Parameters
    ----------
    start
        Where the first larger pixel begins; 0 is the outer edge of the first stored pixel.
    ratio
        Stored pixels per larger one.

    Returns
    -------
    (count,) int64, the first stored pixel of each, and (count, reach) float32, the shares of that one and those that
    follow it; each row's sum is 1.
    """
    edges = start + np.arange(count + 1) * ratio
    first = np.floor(edges[:-1]).astype(np.int64)
    columns = first[:, None] + np.arange(ceil(ratio) + 1)[None, :]
    shares = np.minimum(columns + 1, edges[1:, None]) - np.maximum(columns, edges[:-1, None])
    kept = np.where(shares > _LEAST_SHARE, shares, 0.0)
    return first, (kept / kept.sum(axis=1, keepdims=True)).astype(np.float32)


def average_part(
    part: NDArray[np.float32], grid: Grid, *, origin: tuple[int, int], window: tuple[slice, slice]
) -> NDArray[np.float32]:
    """Average a part of a view: the same values as `average` of the whole view gives there.

    Parameters
    ----------
    part
        (rows, columns) float32, display values of the part.
    grid
        Of the whole view.
    origin
        (row, column) of the part's first pixel in the view.
    window
        Rows and columns of the whole view's input that are wanted; the part holds every stored pixel of them.
    """
    if grid.shape == grid.stored:
        top, left = window[0].start - origin[0], window[1].start - origin[1]
        return part[top : window[0].stop - origin[0], left : window[1].stop - origin[1]]
    by_rows, by_columns = (
        _area_weights(stored, wanted)[chosen, start : start + length]
        for stored, wanted, chosen, start, length in zip(
            grid.stored, grid.shape, window, origin, part.shape, strict=True
        )
    )
    return np.ascontiguousarray((by_columns @ (by_rows @ part).T).T, np.float32)


def highest(labels: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Give the highest value in each larger pixel: a mask or label of one stored pixel does not vanish."""
    if labels.shape == shape:
        return labels
    reduced = labels
    for axis, (stored, wanted) in enumerate(zip(labels.shape, shape, strict=True)):
        reduced = np.maximum.reduceat(reduced, area_starts(0.0, stored / wanted, wanted), axis=axis)
    return reduced


def area_starts(start: float, ratio: float, count: int) -> NDArray[np.int64]:
    """Give the stored pixel at which each of `count` larger ones begins for `highest`; see `area_shares`."""
    starts: NDArray[np.int64] = np.floor(start + np.arange(count) * ratio + _LEAST_SHARE).astype(np.int64)
    return starts


def highest_part(
    part: NDArray[Any], grid: Grid, *, origin: tuple[int, int], window: tuple[slice, slice]
) -> NDArray[Any]:
    """Give what `highest` of the whole view gives in a window; parameters as of `average_part`."""
    reduced = part
    for axis, (ratio, chosen, start) in enumerate(zip(grid.ratio, window, origin, strict=True)):
        starts = area_starts(chosen.start * ratio, ratio, chosen.stop - chosen.start + 1) - start
        end = max(starts[-1], starts[-2] + 1)  # the second where stored pixels are the larger ones
        reduced = np.maximum.reduceat(np.take(reduced, np.arange(end), axis=axis), starts[:-1], axis=axis)
    return reduced
