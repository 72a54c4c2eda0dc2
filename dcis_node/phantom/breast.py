"""The tissue of one breast in one view: fat, gland, ligaments, muscle and skin, on a window at half resolution.

Signal is in units of display: 0 = black fat, about 1 = the brightest gland, as after a vendor's processing for
presentation. Texture has power ~ 1/f^beta with beta near 3 (PMC3298563, and measured on real files).
"""

from dataclasses import dataclass

import numpy as np

from dcis_node.phantom import fabric
from dcis_node.phantom.fabric import Weave, weave
from dcis_node.phantom.geometry import ViewGeometry
from dcis_node.phantom.noise import Field, Octaves, Window, enlarge, fractal, lift, octaves

LEVEL = 1  # windows of this module are on the grid of two pixels
_SHAPE_LEVEL = 4  # distances are smooth: computed at sixteen pixels, enlarged

# Streams of the random fields of a view.
_TEXTURE, _GLAND, _LOBULES, _SEPTA, _MUSCLE, _HAZE, _SKIN = range(7)


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
    outer = window.parent()
    outer_skin = lift(lambda w: _skin_mm(tissue, geometry, w), outer, levels=_SHAPE_LEVEL - fabric.LEVEL)
    skin = enlarge(outer_skin, window)
    inside = _ramp(skin, 0.0, 0.35)
    signal = enlarge(_structure(tissue, geometry, outer, outer_skin), window)
    texture = fractal(tissue.seed, _TEXTURE, window, _texture(tissue))
    signal += texture * (np.float32(0.018) + np.float32(0.11) * signal)
    signal *= np.float32(0.60) + np.float32(0.40) * _depth(skin, 8.0)
    signal += _skin_line(tissue, window, skin)
    return signal * inside, inside


def _structure(tissue: Tissue, geometry: ViewGeometry, window: Window, skin: Field) -> Field:
    """Fat, gland, strands and muscle on a window of level `fabric.LEVEL`."""
    cells = weave(tissue.seed, geometry, window, pitch_mm=tissue.pitch_mm)
    haze = cells.sample(_HAZE, grain_mm=18.0, finest_mm=2.5, beta=3.4)
    gland = _gland(tissue, geometry, window, cells) * _depth(skin, 5.0)
    inner = cells.sample(_LOBULES, grain_mm=7.0, finest_mm=0.8, beta=3.4)
    signal = np.float32(0.125) + np.float32(0.018) * haze
    signal += gland * (np.float32(0.36) + np.float32(0.075) * inner + np.float32(0.03) * haze)
    signal += _strands(tissue, cells, haze) * (np.float32(0.12) + np.float32(0.06) * gland)
    if geometry.pectoral is not None:
        signal += _muscle(tissue, geometry, window)
    return np.asarray(np.maximum(signal, np.float32(0.02)), np.float32)


def _skin_mm(tissue: Tissue, geometry: ViewGeometry, window: Window) -> Field:
    return geometry.inside_mm(_points(tissue, window, _SHAPE_LEVEL)).reshape(window.rows, -1).astype(np.float32)


def _points(tissue: Tissue, window: Window, level: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    y, x = window.centres_mm(tissue.pitch_mm * 2**level)
    grid = np.broadcast_arrays(x, y)
    return np.stack([axis.ravel() for axis in grid], axis=1).astype(np.float64)


def _gland(tissue: Tissue, geometry: ViewGeometry, window: Window, cells: Weave) -> Field:
    """Share of glandular tissue, 0..1: a cone behind the nipple, broken up by lobules of fat."""
    y, x = window.centres_mm(tissue.pitch_mm * 2**fabric.LEVEL)
    depth = (np.float32(geometry.nipple[0]) - x) / np.float32(geometry.depth_mm)
    upwards = np.float32(0.05 if geometry.view == "CC" else 0.16)  # the upper outer quadrant is densest
    across = (np.float32(geometry.nipple[1]) - y) / np.float32(geometry.half_height_mm) - upwards * depth * 2.0
    spread = np.float32(0.30) + np.float32(0.42) * np.clip(depth, 0.0, 1.0)
    cone = -((across / spread) ** 2) - np.maximum(depth - np.float32(0.62), 0.0) ** 2 * np.float32(9.0)
    cone = cone - np.maximum(np.float32(0.10) - depth, 0.0) * np.float32(6.0)
    lumps = cells.sample(_GLAND, grain_mm=22.0, finest_mm=0.8, beta=3.7)
    logit = np.float32(1.4) * cone + np.float32(1.05) * lumps + np.float32(5.0 * (tissue.density - 0.24))
    return np.asarray(0.5 + 0.5 * np.tanh(np.float32(1.15) * logit), np.float32)


def _strands(tissue: Tissue, cells: Weave, haze: Field) -> Field:
    """Septa round lobules and ligaments: the zero crossings of noise are thin closed lines."""
    total = np.zeros_like(haze)
    for order, (grain_mm, width, weight) in enumerate(((14.0, 0.055, 0.9), (7.0, 0.07, 0.8), (3.5, 0.10, 0.55))):
        stream = _SEPTA + 10 * (order + 1)
        noise = cells.sample(stream, grain_mm=grain_mm, finest_mm=grain_mm / 10.0, beta=4.4)
        faint = np.float32(weight) / (np.float32(1.0) + (noise * np.float32(1.0 / width)) ** 2)
        total += faint * np.clip(np.float32(0.5) + np.float32(0.5) * (haze if order % 2 else -haze), 0.1, 1.4)
    return total * np.float32(tissue.strands)


def _muscle(tissue: Tissue, geometry: ViewGeometry, window: Window) -> Field:
    """Give the pectoral muscle: brighter, with fibres along its edge, fading downwards."""

    def distance(w: Window) -> Field:
        points = _points(tissue, w, _SHAPE_LEVEL)
        return geometry.pectoral_mm(points).reshape(w.rows, -1).astype(np.float32)

    edge = lift(distance, window, levels=_SHAPE_LEVEL - fabric.LEVEL)
    share = _ramp(edge, -1.0, 2.5)
    y, _ = window.centres_mm(tissue.pitch_mm * 2**fabric.LEVEL)
    length = np.float32(geometry.pectoral[1] if geometry.pectoral else 1.0)
    fade = np.clip(np.float32(1.15) - y / length, 0.25, 1.0)
    stripes = np.interp(edge, np.arange(-5.0, 155.0, 1.0), _stripes(tissue.seed)).astype(np.float32)
    return np.asarray(share * fade * (np.float32(0.20) + np.float32(0.020) * stripes), np.float32)


def _stripes(seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Brightness of the muscle's fibres by the distance from its edge."""
    rng = np.random.default_rng((seed, _MUSCLE))
    rough = rng.normal(size=160) + np.repeat(rng.normal(size=32), 5)
    smooth: np.ndarray[tuple[int], np.dtype[np.float64]] = np.convolve(rough, (0.25, 0.5, 0.25), mode="same")
    return smooth


def _skin_line(tissue: Tissue, window: Window, skin: Field) -> Field:
    """Give the skin: a bright line of varying thickness."""
    thick = lift(lambda w: fractal(tissue.seed, _SKIN, w, _thickness(tissue)), window, levels=_SHAPE_LEVEL - LEVEL)
    width = np.float32(0.75) * np.exp(np.float32(0.28) * thick)
    return np.asarray(np.float32(0.22) * np.exp(-(((skin - width) / width) ** 2)), np.float32)


def _thickness(tissue: Tissue) -> Octaves:
    return octaves(tissue.pitch_mm, finest_mm=2.0, coarsest_mm=30.0, beta=4.0, base=_SHAPE_LEVEL)


def _texture(tissue: Tissue) -> Octaves:
    return octaves(tissue.pitch_mm, finest_mm=0.1, coarsest_mm=6.0, beta=tissue.beta, base=LEVEL)


def _depth(skin: Field, length_mm: float) -> Field:
    return np.asarray(np.float32(1.0) - np.exp(np.maximum(skin, 0.0) * np.float32(-1.0 / length_mm)), np.float32)


def _ramp(values: Field, low: float, high: float) -> Field:
    share = np.clip((values - np.float32(low)) * np.float32(1.0 / (high - low)), 0.0, 1.0)
    return np.asarray(share * share * (np.float32(3.0) - np.float32(2.0) * share), np.float32)
