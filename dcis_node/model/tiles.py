"""Squares on an image: where they lie, and how they are cut out. Numbers in, numbers out."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Border = Literal["inside", "zero", "reflect"]


def tile_starts(length: int, tile: int, overlap: int) -> tuple[int, ...]:
    """Give where tiles begin so that they cover `range(length)`.

    Neighbours share at least `overlap` pixels; the tiles are spread evenly, the last one ends at the image's edge.
    An image shorter than a tile has one tile, that leaves it.
    """
    if length <= tile:
        return (0,)
    count = -(-(length - overlap) // (tile - overlap))
    return tuple(round(i * (length - tile) / (count - 1)) for i in range(count))


def tiles_over(mask: NDArray[np.bool_], tile: int, overlap: int) -> tuple[tuple[int, int], ...]:
    """Give the (row, column) origins of the tiles that cover every True pixel of a (rows, columns) mask.

    The tiles are laid over the mask's own box, not the image: a breast seldom fills the image, and air costs as
    much time as tissue. A tile without a True pixel is left out.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return ()
    top, bottom = _grow(int(rows[0]), int(rows[-1]) + 1, tile, mask.shape[0])
    left, right = _grow(int(columns[0]), int(columns[-1]) + 1, tile, mask.shape[1])
    origins = [
        (top + i, left + j)
        for i in tile_starts(bottom - top, tile, overlap)
        for j in tile_starts(right - left, tile, overlap)
    ]
    return tuple((r, c) for r, c in origins if mask[r : r + tile, c : c + tile].any())


def _grow(start: int, stop: int, tile: int, length: int) -> tuple[int, int]:
    """Widen [start, stop) to the size of a tile if it is smaller and the image allows it."""
    missing = max(0, tile - (stop - start))
    start = max(0, min(start - missing // 2, length - tile))
    return start, max(stop, min(start + tile, length))


def crop_origin(centre: tuple[float, float], size: int, shape: tuple[int, int], *, border: Border) -> tuple[int, int]:
    """Give the (row, column) origin of a square of `size` round a centre.

    With `inside` it is moved back into the image; a square larger than the image begins at 0.
    """
    origin = [round(c - (size - 1) / 2) for c in centre]
    if border == "inside":
        origin = [max(0, min(start, length - size)) for start, length in zip(origin, shape, strict=True)]
    return origin[0], origin[1]


def cut(
    image: NDArray[np.float32], origin: tuple[int, int], size: int, *, border: Border = "zero"
) -> NDArray[np.float32]:
    """Cut a (size, size) square from (rows, columns); what lies outside the image is 0, or reflected."""
    pads, slices = [], []
    for start, length in zip(origin, image.shape, strict=True):
        first, last = min(max(start, 0), length), min(max(start + size, 0), length)
        slices.append(slice(first, last))
        before = min(size, max(0, -start))
        pads.append((before, size - before - (last - first)))
    square = image[slices[0], slices[1]]
    if not any(n for pair in pads for n in pair):
        return square
    if border == "reflect" and square.size:
        return np.pad(square, pads, mode="reflect")
    return np.pad(square, pads)


def blend_weights(tile: int, overlap: int) -> NDArray[np.float32]:
    """Give the (tile, tile) weight of a tile's pixels where tiles overlap: low at its edge, 1 inside.

    At its edge a convolution sees padding instead of tissue, so the neighbour that sees more counts more.
    """
    distance = np.minimum(np.arange(tile), np.arange(tile)[::-1]) + 1.0
    ramp = np.minimum(1.0, distance / max(overlap, 1)).astype(np.float32)
    return np.asarray(ramp[:, None] * ramp[None, :])
