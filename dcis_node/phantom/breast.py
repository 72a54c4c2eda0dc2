"""The tissue of one breast in one view: fat, gland, ligaments, muscle and skin, on a window at half resolution.

Signal is in units of display: 0 = black fat, about 1 = the brightest gland, as after a vendor's processing for
presentation. Texture has power ~ 1/f^beta with beta near 3 (PMC3298563, and measured on real files).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import map_coordinates

from dcis_node.phantom.geometry import ViewGeometry
from dcis_node.phantom.noise import Field, Octaves, Window, fractal, lift, octaves

LEVEL = 1  # windows of this module are on the grid of two pixels
_SHAPE_LEVEL = 4  # distances are smooth: computed at sixteen pixels, enlarged
_GLAND_LEVEL = 3
_FIBRE_LEVEL = 2

# Streams of the random fields of a view.
_GLAND, _TEXTURE, _LOBULES, _SEPTA, _MUSCLE, _FIBRES, _HAZE = range(7)


@dataclass(frozen=True, eq=False)
class Tissue:
    """What decides the tissue of a view, besides its form.

    Parameters
    ----------
    seed
        Seed of the view's random fields.
    pitch_mm
        Pitch of the detector.
    density
        Share of glandular tissue, 0..1.
    beta
        Slope of the power spectrum.
    strands
        Strength of ligaments and septa; about 1.
    """

    seed: int
    pitch_mm: float
    density: float
    beta: float
    strands: float


def breast_signal(tissue: Tissue, geometry: ViewGeometry, window: Window) -> tuple[Field, Field]:
    """Evaluate the tissue on a window of level `LEVEL`.

    Returns
    -------
    signal, inside
        Two (rows, columns) float32 arrays: the signal, 0 in air; and the share of the cell inside the skin, 0..1.
    """
    skin = lift(lambda w: _skin_mm(tissue, geometry, w), window, levels=_SHAPE_LEVEL - LEVEL)
    inside = _ramp(skin, 0.0, 0.35)
    gland = lift(lambda w: _gland(tissue, geometry, w), window, levels=_GLAND_LEVEL - LEVEL)
    gland = gland * _depth(skin, 5.0)
    texture = fractal(tissue.seed, _TEXTURE, window, _texture(tissue))
    strands = _strands(tissue, geometry, window)
    signal = np.float32(0.13) + np.float32(0.34) * gland
    signal += texture * (np.float32(0.030) + np.float32(0.062) * gland)
    signal += strands * (np.float32(0.115) + np.float32(0.05) * gland)
    signal *= np.float32(0.62) + np.float32(0.38) * _depth(skin, 7.0)
    if geometry.pectoral is not None:
        signal += _muscle(tissue, geometry, window)
    signal += np.float32(0.30) * np.exp(-(((skin - np.float32(0.9)) / np.float32(0.65)) ** 2))
    return signal * inside, inside


def _skin_mm(tissue: Tissue, geometry: ViewGeometry, window: Window) -> Field:
    return geometry.inside_mm(_points(tissue, window, _SHAPE_LEVEL)).reshape(window.rows, -1).astype(np.float32)


def _points(tissue: Tissue, window: Window, level: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    y, x = window.centres_mm(tissue.pitch_mm * 2**level)
    grid = np.broadcast_arrays(x, y)
    return np.stack([axis.ravel() for axis in grid], axis=1).astype(np.float64)


def _gland(tissue: Tissue, geometry: ViewGeometry, window: Window) -> Field:
    """Share of glandular tissue, 0..1: a cone behind the nipple, broken up by lobules of fat."""
    y, x = window.centres_mm(tissue.pitch_mm * 2**_GLAND_LEVEL)
    depth = (np.float32(geometry.nipple[0]) - x) / np.float32(geometry.depth_mm)
    upwards = np.float32(0.05 if geometry.view == "CC" else 0.16)  # the upper outer quadrant is densest
    across = (np.float32(geometry.nipple[1]) - y) / np.float32(geometry.half_height_mm) - upwards * depth * 2.0
    spread = np.float32(0.30) + np.float32(0.42) * np.clip(depth, 0.0, 1.0)
    cone = -((across / spread) ** 2) - np.maximum(depth - np.float32(0.62), 0.0) ** 2 * np.float32(9.0)
    cone = cone - np.maximum(np.float32(0.10) - depth, 0.0) * np.float32(6.0)
    lumps = fractal(tissue.seed, _GLAND, window, _gland_octaves(tissue))
    logit = np.float32(1.5) * cone + np.float32(1.25) * lumps + np.float32(5.0 * (tissue.density - 0.22))
    return np.asarray(0.5 + 0.5 * np.tanh(np.float32(1.3) * logit), np.float32)


def _strands(tissue: Tissue, geometry: ViewGeometry, window: Window) -> Field:
    """Septa round lobules of fat (zero crossings of noise) and fibres that run towards the nipple."""
    total = np.zeros((window.rows, window.columns), np.float32)
    for order, (grain_mm, width, weight) in enumerate(((7.0, 0.10, 0.85), (3.2, 0.13, 0.75), (1.5, 0.18, 0.50))):
        noise = fractal(tissue.seed, _SEPTA + 10 * (order + 1), window, _septa(tissue, grain_mm))
        total += np.float32(weight) * np.exp(-((noise / np.float32(width)) ** 2))
    haze = fractal(tissue.seed, _HAZE, window, _haze(tissue))
    total *= np.clip(np.float32(0.55) + np.float32(0.5) * haze, 0.0, 1.6)
    fibres = lift(lambda w: _fibres(tissue, geometry, w), window, levels=_FIBRE_LEVEL - LEVEL)
    total += np.float32(0.75) * np.exp(-((fibres / np.float32(0.16)) ** 2)) * np.clip(haze + 0.7, 0.0, 1.5)
    return total * np.float32(tissue.strands)


def _fibres(tissue: Tissue, geometry: ViewGeometry, window: Window) -> Field:
    """Noise in polar coordinates round the nipple, long along the radius."""
    y, x = window.centres_mm(tissue.pitch_mm * 2**_FIBRE_LEVEL)
    dx, dy = np.float32(geometry.nipple[0] + 6.0) - x, y - np.float32(geometry.nipple[1])
    radius = np.hypot(dx, dy)
    angle = np.arctan2(dy, dx)
    coordinates = np.stack((angle * np.float32(24.0) + np.float32(90.0), radius / np.float32(9.0) + np.float32(2.0)))
    table = _fibre_table(tissue.seed)
    return np.asarray(map_coordinates(table, coordinates, order=1, mode="grid-wrap"), np.float32)


@lru_cache(maxsize=16)
def _fibre_table(seed: int) -> Field:
    """Smooth noise, (angle, radius); fine enough that linear interpolation does not show."""
    fine = Window(0, 0, 192, 96)
    return fractal(seed, _FIBRES, fine, Octaves(0, (0.0, 1.4, 1.5)))


def _muscle(tissue: Tissue, geometry: ViewGeometry, window: Window) -> Field:
    def distance(w: Window) -> Field:
        points = _points(tissue, w, _SHAPE_LEVEL)
        return geometry.pectoral_mm(points).reshape(w.rows, -1).astype(np.float32)

    edge = lift(distance, window, levels=_SHAPE_LEVEL - LEVEL)
    share = _ramp(edge, -0.8, 1.6)
    stripes = fractal(tissue.seed, _MUSCLE, window, _haze(tissue))
    return share * (np.float32(0.20) + np.float32(0.03) * stripes + np.float32(0.0012) * np.clip(edge, 0.0, 60.0))


def _depth(skin: Field, length_mm: float) -> Field:
    return np.asarray(np.float32(1.0) - np.exp(np.maximum(skin, 0.0) * np.float32(-1.0 / length_mm)), np.float32)


def _ramp(values: Field, low: float, high: float) -> Field:
    share = np.clip((values - np.float32(low)) * np.float32(1.0 / (high - low)), 0.0, 1.0)
    return np.asarray(share * share * (np.float32(3.0) - np.float32(2.0) * share), np.float32)


def _texture(tissue: Tissue) -> Octaves:
    return octaves(tissue.pitch_mm, finest_mm=0.1, coarsest_mm=9.0, beta=tissue.beta, base=LEVEL)


def _gland_octaves(tissue: Tissue) -> Octaves:
    return octaves(tissue.pitch_mm, finest_mm=0.4, coarsest_mm=24.0, beta=3.2, deviation=1.0, base=_GLAND_LEVEL)


def _septa(tissue: Tissue, grain_mm: float) -> Octaves:
    return octaves(tissue.pitch_mm, finest_mm=grain_mm / 8.0, coarsest_mm=grain_mm, beta=4.2, base=LEVEL)


def _haze(tissue: Tissue) -> Octaves:
    return octaves(tissue.pitch_mm, finest_mm=2.0, coarsest_mm=16.0, beta=3.0, base=LEVEL)
