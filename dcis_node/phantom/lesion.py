"""The lesion in one view: its signal, and the exact masks that are the truth of segmentation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from dcis_node.phantom.noise import Field, Window
from dcis_node.phantom.shapes import Shape, stamp

CLOSING_MM = 2.5  # calcifications nearer than twice this belong to one region
RIM_MM = 1.0
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LesionImage:
    """The lesion on its own window of pixels (level 0), which may be cut by the frame's edge.

    Parameters
    ----------
    window
        Where the arrays lie.
    signal
        (rows, columns) float32, what the calcifications add.
    calcification_mask
        Pixels of calcifications.
    lesion_mask
        The region: calcifications closed with a disc of 2.5 mm, and a rim of 1 mm.
    areas_px
        Pixels of each calcification within the frame, in the order of the shapes.
    """

    window: Window
    signal: Field
    calcification_mask: Mask
    lesion_mask: Mask
    areas_px: tuple[int, ...]


def draw_lesion(
    shapes: tuple[Shape, ...], *, rows: int, columns: int, pitch_mm: float, blur_mm: float
) -> LesionImage | None:
    """Draw the calcifications of one view on a window that holds them and their region; None without any."""
    if not shapes:
        return None
    window = _window(shapes, rows=rows, columns=columns, pitch_mm=pitch_mm)
    signal = np.zeros((window.rows, window.columns), np.float32)
    mask = np.zeros(signal.shape, np.bool_)
    areas = tuple(stamp(signal, mask, s, window=window, pitch_mm=pitch_mm, blur_mm=blur_mm) for s in shapes)
    return LesionImage(window, signal, mask, region_of(mask, pitch_mm=pitch_mm), areas)


def region_of(mask: Mask, *, pitch_mm: float) -> Mask:
    """Close a mask of calcifications with a disc and add a rim.

    Computed on a grid of two pixels (an error of at most 0.1 mm); the mask has even sides and lies on even addresses.
    """
    rows, columns = mask.shape
    coarse = mask.reshape(rows // 2, 2, columns // 2, 2).any(axis=(1, 3))
    if not coarse.any():
        return np.zeros_like(mask)
    step = 2.0 * pitch_mm
    dilated = distance_transform_edt(np.logical_not(coarse)) * step <= CLOSING_MM
    closed = distance_transform_edt(dilated) * step > CLOSING_MM - RIM_MM
    region = closed | coarse
    return np.asarray(region.repeat(2, axis=0).repeat(2, axis=1), np.bool_)


def _window(shapes: tuple[Shape, ...], *, rows: int, columns: int, pitch_mm: float) -> Window:
    margin = CLOSING_MM + 0.7 * max(max(s.length_mm, s.width_mm) for s in shapes) + 6.0 * pitch_mm
    x, y = (np.array([getattr(s, name) for s in shapes]) for name in ("x_mm", "y_mm"))
    top, left = (int(max((v.min() - margin) / pitch_mm, 0.0)) // 2 * 2 for v in (y, x))
    bottom = int(min((y.max() + margin) / pitch_mm, rows)) // 2 * 2
    right = int(min((x.max() + margin) / pitch_mm, columns)) // 2 * 2
    return Window(top, left, max(bottom - top, 2), max(right - left, 2))


def overlay(target: NDArray[np.generic], source: NDArray[np.generic], *, at: Window, of: Window) -> None:
    """Copy the part of `source` (on window `of`) that lies within `target` (on window `at`)."""
    top, left = max(at.row, of.row), max(at.column, of.column)
    bottom = min(at.row + at.rows, of.row + of.rows)
    right = min(at.column + at.columns, of.column + of.columns)
    if bottom > top and right > left:
        target[top - at.row : bottom - at.row, left - at.column : right - at.column] = source[
            top - of.row : bottom - of.row, left - of.column : right - of.column
        ]
