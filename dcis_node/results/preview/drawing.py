"""What an object draws on an image, as plain values: the one language of all readers of this package.

Coordinates are those of SCOORD (PS3.3 C.18.6.1.1): x to the right, y down, (0, 0) at the upper left corner of the first
pixel.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

Points = NDArray[np.float64]
Point = tuple[float, float]
Colour = tuple[int, int, int]

# What viewers draw in where an object recommends nothing.
YELLOW: Colour = (255, 255, 0)


@dataclass(frozen=True)
class Caption:
    """A text on an image.

    Parameters
    ----------
    corner
        Its upper left corner; None where the viewer finds a place beside what is outlined.
    anchor
        The point it belongs to, to which a line is drawn.
    height
        Of the box that it has to fit, in pixels of the image; None where the viewer takes letters of its own size.
    """

    lines: tuple[str, ...]
    corner: Point | None
    anchor: Point
    height: float | None = None


@dataclass(frozen=True, eq=False)
class Drawing:
    """What one object draws on one image.

    Parameters
    ----------
    outlines
        Lines (n, 2) from point to point.
    centres
        Points that are marked by a symbol.
    fill
        (rows, columns) bool, laid over the image so that it stays seen; None if there is none.
    colour
        That the object recommends, else the viewer's own.
    softcopy
        The grey-scale steps that replace those of the image; None where the image is shown as it asks to be.
    """

    image_uid: str
    outlines: tuple[Points, ...] = ()
    centres: tuple[Point, ...] = ()
    fill: NDArray[np.bool_] | None = None
    captions: tuple[Caption, ...] = ()
    colour: Colour = YELLOW
    softcopy: Dataset | None = None

    @property
    def extent(self) -> tuple[float, float, float, float] | None:
        """The box (x0, y0, x1, y1) round everything but the texts; None where there is nothing else."""
        points = [*self.outlines, *(np.array([centre]) for centre in self.centres)]
        if self.fill is not None and self.fill.any():
            rows, columns = (np.flatnonzero(self.fill.any(axis=axis)) for axis in (1, 0))
            points.append(np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]], dtype=np.float64))
        if not points:
            return None
        (x0, y0), (x1, y1) = np.vstack(points).min(axis=0), np.vstack(points).max(axis=0)
        return float(x0), float(y0), float(x1), float(y1)
