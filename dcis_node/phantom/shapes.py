"""Small bright things in one view: their exact form, and how a detector of some sharpness shows them."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

from dcis_node.phantom.noise import Field, Window

# A pixel belongs to a calcification where it shows more than this share of its peak (near the half-maximum outline
# that a person would draw, and never empty).
MASK_SHARE = 0.35
_FINE = 2  # samples per pixel and axis


@dataclass(frozen=True)
class Shape:
    """One small object on the detector.

    Parameters
    ----------
    x_mm, y_mm
        Centre in canonical view coordinates.
    length_mm, width_mm
        Full length and width, before blur.
    angle
        Direction of the length in radians; 0 = along x.
    form
        `grain`, `rod`, `fuzzy` or `rim`.
    contrast
        Peak signal that it adds before blur.
    lumps
        Amplitudes and phases (alternating) of the second to fourth harmonic of the edge; () for a smooth one.
    """

    x_mm: float
    y_mm: float
    length_mm: float
    width_mm: float
    angle: float
    form: str
    contrast: float
    lumps: tuple[float, ...] = ()


def stamp(
    layer: Field, mask: NDArray[np.bool_] | None, shape: Shape, *, window: Window, pitch_mm: float, blur_mm: float
) -> int:
    """Add one shape to a layer, and its visible pixels to a mask.

    Parameters
    ----------
    layer
        (rows, columns) float32 of the window; the signal is added.
    mask
        (rows, columns) bool of the window, or None.
    blur_mm
        Standard deviation of the detector's blur.

    Returns
    -------
        Pixels of the shape within the window.
    """
    reach = 0.65 * max(shape.length_mm, shape.width_mm) + 3.0 * blur_mm
    half = ceil(reach / pitch_mm) + 1
    row, column = round(shape.y_mm / pitch_mm - 0.5), round(shape.x_mm / pitch_mm - 0.5)
    top, left = row - half - window.row, column - half - window.column
    size = 2 * half + 1
    if top >= layer.shape[0] or left >= layer.shape[1] or top + size <= 0 or left + size <= 0:
        return 0
    fine = (np.arange(size * _FINE) + 0.5) / _FINE
    y = ((fine + (row - half)) * pitch_mm - shape.y_mm).astype(np.float32)
    x = ((fine + (column - half)) * pitch_mm - shape.x_mm).astype(np.float32)
    spread = _blur_matrix(size, round(blur_mm / pitch_mm, 4))
    seen = np.linalg.multi_dot((spread, _profile(shape, x[None, :], y[:, None]), spread.T))
    rows, columns = slice(max(0, -top), layer.shape[0] - top), slice(max(0, -left), layer.shape[1] - left)
    target = slice(max(0, top), top + size), slice(max(0, left), left + size)
    layer[target] += np.float32(shape.contrast) * seen[rows, columns]
    if mask is None:
        return 0
    visible = (seen > MASK_SHARE * seen.max())[rows, columns]
    mask[target] |= visible
    return int(visible.sum())


@lru_cache(maxsize=512)
def _blur_matrix(size: int, sigma_px: float) -> Field:
    """Weights (size, size * fine) that blur fine samples and gather them into pixels; each row sums to 1."""
    fine = (np.arange(size * _FINE) + 0.5) / _FINE
    centres = np.arange(size) + 0.5
    sigma = np.hypot(sigma_px, 0.29)  # 0.29 = spread of the pixel's own square aperture
    weights = np.exp(-0.5 * ((centres[:, None] - fine[None, :]) / sigma) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _profile(shape: Shape, x: Field, y: Field) -> Field:
    """Thickness seen by the beam, peak about 1, at offsets from the centre in mm."""
    c, s = np.float32(np.cos(shape.angle)), np.float32(np.sin(shape.angle))
    u, v = c * x + s * y, c * y - s * x
    a, b = np.float32(0.5 * shape.length_mm), np.float32(0.5 * shape.width_mm)
    if shape.form == "rod":
        return _rod(shape, u, v, a, b)
    squared = (u / a) ** 2 + (v / b) ** 2
    if shape.lumps:
        squared = squared / _edge(shape.lumps, np.arctan2(v / b, u / a)) ** 2
    if shape.form == "fuzzy":
        return np.asarray(np.exp(np.float32(-1.6) * squared), np.float32)
    solid = np.sqrt(np.maximum(np.float32(1.0) - squared, 0.0))
    if shape.form == "rim":  # a shell: lucent centre
        inner = np.sqrt(np.maximum(np.float32(1.0) - squared / np.float32(0.62), 0.0))
        return np.asarray(solid - np.float32(0.72) * inner, np.float32)
    return np.asarray(solid, np.float32)


def _rod(shape: Shape, u: Field, v: Field, a: np.float32, b: np.float32) -> Field:
    core = max(a - b, np.float32(1e-3))
    width = b
    if shape.lumps:  # casts swell and narrow along the duct, and bend
        v = v + shape.lumps[0] * b * np.sin(u / a * 2.0 + shape.lumps[1])
        width = b * (1.0 + 0.6 * shape.lumps[2] * np.sin(u / core * 4.0 + shape.lumps[3]))
    beyond = np.maximum(np.abs(u) - core, 0.0)
    squared = (beyond**2 + v**2) / width**2
    return np.asarray(np.sqrt(np.maximum(1.0 - squared, 0.0)), np.float32)


def _edge(lumps: tuple[float, ...], angle: Field) -> Field:
    edge = np.ones_like(angle)
    for order, (amplitude, phase) in enumerate(zip(lumps[::2], lumps[1::2], strict=True), start=2):
        edge += np.float32(amplitude) * np.cos(order * angle + np.float32(phase))
    return np.maximum(edge, np.float32(0.3))
