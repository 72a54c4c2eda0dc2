"""What is on the screen, as pixels: where coloured regions and lines lie, and how far from where they belong.

Screen arrays are (height, width, 3) uint8, one element a CSS pixel; screen coordinates are (x, y) from the upper left
corner of the canvas, pixel centres at + 0.5.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Region = NDArray[np.bool_]
# Levels by which a channel must change to count: below what an overlay does to any grey, above rounding.
CHANGE = 8


@dataclass(frozen=True, eq=False)
class Placement:
    """How the viewer puts the image on its canvas.

    Parameters
    ----------
    matrix
        (2, 3): screen = matrix @ (column, row, 1), where whole columns and rows are pixel centres.
    shape
        (height, width) of the canvas.
    """

    matrix: NDArray[np.float64]
    shape: tuple[int, int]

    @property
    def scale(self) -> float:
        """Screen pixels for one pixel of the image."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    def points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map (n, 2) positions (column, row) to the screen."""
        return points @ self.matrix[:, :2].T + self.matrix[:, 2]

    def region(self, mask: Region) -> Region:
        """Give the screen pixels whose centre lies in a pixel of the mask."""
        columns, rows = self._image_positions()
        inside = (rows >= 0) & (rows < mask.shape[0]) & (columns >= 0) & (columns < mask.shape[1])
        found = np.zeros(self.shape, dtype=bool)
        found[inside] = mask[rows[inside], columns[inside]]
        return found

    def picture(self, grey: NDArray[np.float32]) -> NDArray[np.float32]:
        """Show an image (rows, columns): what the screen should hold, linear between pixels, 0 outside."""
        columns, rows = self._positions()
        return ndimage.map_coordinates(grey, [rows, columns], order=1, cval=0.0)

    def _positions(self) -> NDArray[np.float64]:
        y, x = np.mgrid[0 : self.shape[0], 0 : self.shape[1]] + 0.5
        inverse = np.linalg.inv(np.vstack([self.matrix, [0.0, 0.0, 1.0]]))
        return np.einsum("ij,jyx->iyx", inverse[:2, :2], np.stack([x, y])) + inverse[:2, 2][:, None, None]

    def _image_positions(self) -> NDArray[np.int64]:
        return np.floor(self._positions() + 0.5).astype(np.int64)


def changed(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Region:
    """Give the pixels in which two pictures differ."""
    return np.abs(first.astype(np.int16) - second).max(axis=-1) > CHANGE


def coloured(picture: NDArray[np.uint8], colour: str) -> Region:
    """Give the pixels of a colour: `segment` is the cyan of a segmentation, `drawing` green or yellow."""
    red, green, blue = np.moveaxis(picture.astype(np.int16), -1, 0)
    return (green - blue > 40) if colour == "drawing" else (np.minimum(green, blue) - red > 25)


def is_blank(picture: NDArray[np.uint8]) -> bool:
    """Tell whether a picture is all one colour."""
    return bool((picture == picture[:1, :1]).all())


def edges(region: Region) -> NDArray[np.int64]:
    """Give left, top, right, bottom of a region, the last two exclusive."""
    rows, columns = np.nonzero(region)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


@dataclass(frozen=True)
class Deviation:
    """How far a region lies from where it belongs, in screen pixels.

    Parameters
    ----------
    edge
        Largest of the differences of the four edges.
    centroid
        Distance of the centres of gravity.
    border
        Largest distance of a pixel of either region from the other region.
    """

    edge: float
    centroid: float
    border: float

    def within(self, pixels: float) -> bool:
        """Tell whether all three are small enough."""
        return max(self.edge, self.centroid, self.border) <= pixels


def deviation(found: Region, true: Region) -> Deviation:
    """Compare a region on the screen with its true place.

    Raises
    ------
    ValueError
        If one of them is empty.
    """
    if not (found.any() and true.any()):
        raise ValueError(f"nothing to compare: {int(found.sum())} pixels found, {int(true.sum())} expected")
    centres = [np.array(ndimage.center_of_mass(region)) for region in (found, true)]
    return Deviation(
        edge=float(np.abs(edges(found) - edges(true)).max()),
        centroid=float(np.linalg.norm(centres[0] - centres[1])),
        border=max(_farthest(found, true), _farthest(true, found)),
    )


def _farthest(region: Region, other: Region) -> float:
    return float(ndimage.distance_transform_edt(~other)[region].max())


def border_distance(region: Region) -> NDArray[np.float64]:
    """Give each screen pixel's distance to the border of a region, from either side."""
    inside, outside = ndimage.distance_transform_edt(region), ndimage.distance_transform_edt(~region)
    return np.maximum(inside, outside) - 0.5


def shift(picture: NDArray[np.float64], expected: NDArray[np.float64], *, reach: int = 4) -> tuple[float, float]:
    """Give by how much (x, y) a grey picture is displaced against what is expected, to a fraction of a pixel.

    The place of the best correlation among all displacements up to `reach` pixels.
    """
    inner = expected[reach:-reach, reach:-reach].ravel()
    size = 2 * reach + 1
    scores = np.empty((size, size))
    for dy in range(size):
        for dx in range(size):
            moved = picture[dy : dy + inner_height(expected, reach), dx : dx + inner_width(expected, reach)]
            scores[dy, dx] = np.corrcoef(moved.ravel(), inner)[0, 1]
    dy, dx = np.unravel_index(int(scores.argmax()), scores.shape)
    return (dx - reach + _peak(scores[dy], int(dx)), dy - reach + _peak(scores[:, dx], int(dy)))


def inner_height(picture: NDArray[np.float64], reach: int) -> int:
    return picture.shape[0] - 2 * reach


def inner_width(picture: NDArray[np.float64], reach: int) -> int:
    return picture.shape[1] - 2 * reach


def _peak(scores: NDArray[np.float64], at: int) -> float:
    """Give the top of the parabola through the best score and its neighbours, relative to the best."""
    if not 0 < at < len(scores) - 1:
        return 0.0
    before, best, after = scores[at - 1 : at + 2]
    return float(0.5 * (before - after) / (before - 2 * best + after))


def glyph_height(written: Region, box: list[float]) -> int:
    """Give the height of the letters of a line of text (left, top, right, bottom), in screen pixels."""
    left, top, right, bottom = (round(value) for value in box)
    rows = np.flatnonzero(written[max(top, 0) : bottom, max(left, 0) : right].any(axis=1))
    return int(rows[-1] - rows[0] + 1) if len(rows) else 0


def contrast(ground: NDArray[np.uint8], box: list[float], colour: tuple[int, int, int]) -> float:
    """Give the contrast ratio of a colour to the middle grey of what lies below a line of text (WCAG 2.1)."""
    left, top, right, bottom = (round(value) for value in box)
    below = np.median(ground[max(top, 0) : bottom, max(left, 0) : right].reshape(-1, 3), axis=0)
    lighter, darker = sorted((_luminance(np.array(colour)), _luminance(below)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: NDArray[np.float64]) -> float:
    share = np.asarray(colour) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))
