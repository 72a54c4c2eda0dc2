"""Regions of views for training: cut round a lesion, or anywhere a sweep over a whole view comes.

A region is rendered by the code of the whole view and equals the same place of it (see `view`), so training and the
node see one distribution: texture, noise, grey scale, muscle, skin line, air, marker, vessels.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dcis_node.mammogram import curves
from dcis_node.mammogram.display import DisplayTransform, transforms
from dcis_node.phantom.lesion import Mask
from dcis_node.phantom.noise import Window
from dcis_node.phantom.orientation import is_mirrored, patient_orientation
from dcis_node.phantom.patient import LATERALITIES, Patient
from dcis_node.phantom.vendor import Vendor, display_dataset
from dcis_node.phantom.view import ViewPlan, plan_view, render

# A tile of the sweep with less breast than this is skipped by the node.
_LEAST_BREAST_SHARE = 0.02
_TRIES = 50


@dataclass(frozen=True, eq=False)
class PhantomRegion:
    """One region, as stored: a right breast has its chest wall on the right.

    Parameters
    ----------
    stored
        (rows, columns) uint16 stored values.
    calcification_mask, lesion_mask
        (rows, columns) bool; empty where there is no lesion.
    transforms
        What the image's header offers to show it.
    spacing_mm
        (row, column) spacing at the detector.
    origin
        (row, column) of the region's first pixel in the stored whole view.
    centre
        (row, column) of the lesion's middle in the region, or None.
    grade, upstaged
        Truth of the lesion, or None.
    """

    stored: NDArray[np.uint16]
    calcification_mask: Mask
    lesion_mask: Mask
    transforms: tuple[DisplayTransform, ...]
    spacing_mm: tuple[float, float]
    laterality: str
    view: str
    patient_orientation: tuple[str, str]
    origin: tuple[int, int]
    centre: tuple[float, float] | None
    grade: int | None
    upstaged: bool | None


def generate_region(patient: Patient, view: str, *, size_px: int, rng: Generator, shift_px: int = 0) -> PhantomRegion:
    """Render the region round the lesion.

    Parameters
    ----------
    view
        CC or MLO, of the breast with the lesion.
    size_px
        Side of the square; a side longer than the frame is cut to it.
    rng
        Draws the shift.
    shift_px
        Largest shift of the window from the lesion's middle in each direction. The window stays within the frame.

    Raises
    ------
    ValueError
        If the patient has no lesion.
    """
    if patient.lesion_laterality is None:
        raise ValueError("this patient has no lesion")
    plan = plan_view(patient, patient.lesion_laterality, view)
    lesion = plan.lesion_image
    if lesion is None:
        raise ValueError("this patient's lesion has no calcifications")
    row, column = middle_of(lesion.calcification_mask)
    row, column = row + lesion.window.row, column + lesion.window.column
    shift = rng.integers(-shift_px, shift_px + 1, 2)
    top, left = round(row + shift[0] - size_px / 2), round(column + shift[1] - size_px / 2)
    window = _within(plan, top, left, size_px)
    return _cut(patient, plan, window, middle=(row - window.row, column - window.column))


def generate_negative_region(
    patient: Patient, view: str, *, size_px: int, rng: Generator, laterality: str | None = None
) -> PhantomRegion:
    """Render a region of a breast without a lesion, at a place drawn evenly over the whole view.

    Parameters
    ----------
    laterality
        R or L; drawn among the healthy sides if None.

    Raises
    ------
    ValueError
        If the breast asked for has the lesion.
    """
    healthy = [side for side in LATERALITIES if side != patient.lesion_laterality]
    side = laterality or str(rng.choice(healthy))
    if side not in healthy:
        raise ValueError("that breast is not healthy, or no side")
    plan = plan_view(patient, side, view)
    window = _within(plan, 0, 0, size_px)
    for _ in range(_TRIES):
        top = int(rng.integers(0, plan.vendor.rows - window.rows + 1))
        left = int(rng.integers(0, plan.vendor.columns - window.columns + 1))
        window = _within(plan, top, left, size_px)
        if _breast_share(plan, window) >= _LEAST_BREAST_SHARE:
            break
    return _cut(patient, plan, window, middle=None)


@lru_cache(maxsize=64)
def view_transforms(vendor: Vendor, lut: str) -> tuple[DisplayTransform, ...]:
    """Read the transforms of a vendor's header.

    Without windows and tables the whole range of the view's own values is shown. A region does not hold that range,
    so it is fixed here: every view has air and a marker, the least and the largest value.
    """
    low, high = (0, vendor.top - vendor.air) if vendor.monochrome1 else (vendor.air, vendor.top)
    fixed = curves.Window((low + high) / 2.0, float(high - low), "LINEAR_EXACT")
    return tuple(
        replace(t, voi=fixed) if isinstance(t.voi, curves.FullRange) else t
        for t in transforms(display_dataset(vendor, lut))
    )


def middle_of(mask: Mask) -> tuple[float, float]:
    """Give the middle of the box round a mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(rows[0] + rows[-1]) / 2.0, float(columns[0] + columns[-1]) / 2.0


def _within(plan: ViewPlan, top: int, left: int, size_px: int) -> Window:
    rows, columns = min(size_px, plan.vendor.rows), min(size_px, plan.vendor.columns)
    row = min(max(top, 0), plan.vendor.rows - rows)
    column = min(max(left, 0), plan.vendor.columns - columns)
    return Window(row, column, rows, columns)


def _breast_share(plan: ViewPlan, window: Window) -> float:
    steps = (np.arange(16) + 0.5) / 16.0
    y = (window.row + steps * window.rows) * plan.vendor.pitch_mm
    x = (window.column + steps * window.columns) * plan.vendor.pitch_mm
    grid = np.stack([axis.ravel() for axis in np.meshgrid(x, y)], axis=1)
    return float((plan.geometry.inside_mm(grid) > 0.0).mean())


def _cut(patient: Patient, plan: ViewPlan, window: Window, *, middle: tuple[float, float] | None) -> PhantomRegion:
    rendered = render(plan, window)
    mirrored = is_mirrored(plan.laterality)
    step = -1 if mirrored else 1
    centre = middle
    if middle is not None and mirrored:
        centre = (middle[0], window.columns - 1.0 - middle[1])
    lesion = patient.lesion if middle is not None else None
    return PhantomRegion(
        stored=np.ascontiguousarray(rendered.stored[:, ::step]),
        calcification_mask=np.ascontiguousarray(rendered.calcification_mask[:, ::step]),
        lesion_mask=np.ascontiguousarray(rendered.lesion_mask[:, ::step]),
        transforms=view_transforms(patient.vendor, patient.lut),
        spacing_mm=(patient.vendor.pitch_mm, patient.vendor.pitch_mm),
        laterality=plan.laterality,
        view=plan.view,
        patient_orientation=patient_orientation(plan.laterality, plan.view),
        origin=(
            window.row,
            plan.vendor.columns - window.column - window.columns if mirrored else window.column,
        ),
        centre=centre,
        grade=lesion.grade if lesion else None,
        upstaged=lesion.upstaged if lesion else None,
    )
