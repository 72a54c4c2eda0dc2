"""The weave of a breast: noise laid out round the nipple, so that lobules, ligaments and ducts run towards it.

Fields are drawn once per view on a table of arc (round the nipple) and radius, and sampled at bent coordinates; so
they too are a function of the place, not of the window.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from dcis_node.phantom.geometry import ViewGeometry
from dcis_node.phantom.noise import Field, Window, fractal, lift, octaves

LEVEL = 2  # fields are sampled at four pixels
_CELL_MM = 0.4
_ARC_MM = 62.0  # distance from the nipple at which arc is true to scale
_BEHIND_MM = 14.0  # the centre lies outside, or everything would meet in one point
_STRETCH = 1.9  # structures are longer along the radius
_STEPS = np.float32(4096.0)  # per cell
_BEND_MM = 3.2
_BEND_LEVEL = 5


@dataclass(frozen=True, eq=False)
class Weave:
    """Bent coordinates of the cells of a window of level `LEVEL`.

    Parameters
    ----------
    coordinates
        (2, rows, columns) float32 in cells of the tables, relative to the first cell of `span`.
    span
        The part of the tables that the window needs.
    """

    seed: int
    coordinates: NDArray[np.float32]
    span: Window

    def sample(self, stream: int, *, grain_mm: float, finest_mm: float, beta: float) -> Field:
        """Give noise of one stream at the coordinates; standard deviation 1, grain between two sizes."""
        settings = octaves(_CELL_MM, finest_mm=finest_mm, coarsest_mm=grain_mm, beta=beta, base=0)
        table = fractal(self.seed, stream, self.span, settings)
        return np.asarray(map_coordinates(table, self.coordinates, order=1, mode="nearest"), np.float32)


def weave(seed: int, geometry: ViewGeometry, window: Window, *, pitch_mm: float) -> Weave:
    """Lay the coordinates of a window of level `LEVEL`.

    Parameters
    ----------
    seed
        Seed of the view's random fields; streams 200 and 201 bend the coordinates.
    """
    y, x = window.centres_mm(pitch_mm * 2**LEVEL)
    bend = octaves(pitch_mm, finest_mm=2.0, coarsest_mm=40.0, beta=4.0, deviation=_BEND_MM, base=_BEND_LEVEL)
    dx, dy = (
        lift(partial(fractal, seed, stream, settings=bend), window, levels=_BEND_LEVEL - LEVEL) for stream in (200, 201)
    )
    depth = np.float32(geometry.nipple[0] + _BEHIND_MM) - x + dx
    across = y - np.float32(geometry.nipple[1]) + dy
    radius = np.hypot(depth, across)
    arc = np.arctan2(across, depth) * np.float32(_ARC_MM / _CELL_MM)
    cells = np.stack((arc, radius * np.float32(1.0 / (_STRETCH * _CELL_MM)))).astype(np.float32)
    cells = np.rint(cells * _STEPS) / _STEPS
    low, high = np.floor(cells.min(axis=(1, 2))), np.ceil(cells.max(axis=(1, 2))) + 1.0
    span = Window(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
    # Rounded to steps that float32 holds at any place, so that values do not depend on where the window begins.
    return Weave(seed, cells - low[:, None, None].astype(np.float32), span)
