"""One synthetic woman: two breasts, at most one lesion, and the detector on which she is imaged."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from dcis_node.phantom.calcifications import Calcification, grow
from dcis_node.phantom.geometry import ViewGeometry, place_breast
from dcis_node.phantom.latents import BreastLatents, LesionLatents, sample_breasts, sample_lesion
from dcis_node.phantom.vendor import LUT_KINDS, VENDOR_SHARES, VENDORS, Vendor

VIEWS = ("CC", "MLO")
LATERALITIES = ("R", "L")
_SKIN_MARGIN_MM = 3.0
_TRIES = 60


@dataclass(frozen=True)
class Patient:
    """Everything drawn for one patient; a pure function of its seed and the choices made.

    Parameters
    ----------
    seed
        Seed of the patient.
    vendor, lut
        Detector, and kind of grey scale of the exam.
    breasts
        Right and left.
    lesion, lesion_laterality, calcifications
        The one DCIS lesion, its side, and its calcifications in the breast; None, None and () without one.
    noise
        Standard deviation of the noise at mid grey, in signal.
    drawn_lesion
        The lesion as it was drawn, before it was made smaller where the breast has no room for it; None without one.
    """

    seed: int
    vendor: Vendor
    lut: str
    breasts: tuple[BreastLatents, BreastLatents]
    lesion: LesionLatents | None
    lesion_laterality: str | None
    calcifications: tuple[Calcification, ...]
    noise: float
    drawn_lesion: LesionLatents | None = None

    def breast(self, laterality: str) -> BreastLatents:
        """Give the breast of one side, R or L."""
        return self.breasts[LATERALITIES.index(laterality)]

    def geometry(self, laterality: str, view: str) -> ViewGeometry:
        """Give the form of one view."""
        height, width = self.vendor.rows * self.vendor.pitch_mm, self.vendor.columns * self.vendor.pitch_mm
        return place_breast(self.breast(laterality), view, height_mm=height, width_mm=width)


def generate_patient(
    seed: int,
    *,
    vendor: str | None = None,
    grade: int | None = None,
    lesion: bool = True,
    laterality: str | None = None,
    lut: str | None = None,
    size: tuple[int, int] | None = None,
) -> Patient:
    """Draw one patient.

    Parameters
    ----------
    seed
        Any whole number from 0; equal seeds and choices give equal patients.
    vendor
        A name of `VENDORS`; drawn with `VENDOR_SHARES` if None.
    grade
        1, 2 or 3; drawn if None.
    lesion
        False for a woman without DCIS.
    laterality
        Side of the lesion, R or L; drawn if None.
    lut
        A kind of `LUT_KINDS`; drawn among the vendor's own if None.
    size
        (rows, columns) of a smaller or larger detector of the same pitch; the breast shrinks to fit.

    Raises
    ------
    ValueError
        If a choice is not among those allowed.
    """
    rng = np.random.default_rng((seed, 0))
    drawn = str(rng.choice(list(VENDOR_SHARES), p=list(VENDOR_SHARES.values())))
    chosen = _vendor(vendor or drawn, size)
    kind = str(rng.choice(chosen.lut_kinds))
    side = str(rng.choice(LATERALITIES))
    breasts = sample_breasts(rng)
    noise = chosen.noise * float(np.exp(rng.normal(0.0, 0.25)))
    _check(grade=grade, laterality=laterality, lut=lut)
    patient = Patient(seed, chosen, lut or kind, breasts, None, None, (), noise)
    return _with_lesion(rng, patient, laterality or side, grade) if lesion else patient


def _vendor(name: str, size: tuple[int, int] | None) -> Vendor:
    if name not in VENDORS:
        raise ValueError(f"unknown vendor; known: {', '.join(VENDORS)}")
    vendor = VENDORS[name]
    if size is None:
        return vendor
    if min(size) < 128:
        raise ValueError("a detector has at least 128 rows and columns")
    return replace(vendor, rows=size[0], columns=size[1])


def _check(*, grade: int | None, laterality: str | None, lut: str | None) -> None:
    if grade not in (None, 1, 2, 3):
        raise ValueError("grade is 1, 2 or 3")
    if laterality not in (None, *LATERALITIES):
        raise ValueError("laterality is R or L")
    if lut is not None and lut not in LUT_KINDS:
        raise ValueError(f"unknown kind of grey scale; known: {', '.join(LUT_KINDS)}")


def _with_lesion(rng: Generator, patient: Patient, laterality: str, grade: int | None) -> Patient:
    first = drawn = sample_lesion(rng, grade=grade)
    views = tuple(patient.geometry(laterality, view) for view in VIEWS)
    # A breast that was made small for a small frame cannot hold a large lesion.
    room = min(0.80 * g.depth_mm for g in views)
    drawn = replace(drawn, extent_mm=min(drawn.extent_mm, room))
    centre = _find_place(rng, views, drawn.extent_mm)
    grown = grow(rng, drawn, centre=centre)
    fitted, factor = _pull_inside(grown, views, centre)
    drawn = replace(drawn, extent_mm=drawn.extent_mm * factor, count=len(fitted))
    return replace(patient, lesion=drawn, lesion_laterality=laterality, calcifications=fitted, drawn_lesion=first)


def _find_place(rng: Generator, views: tuple[ViewGeometry, ...], extent_mm: float) -> tuple[float, float, float]:
    """Find a centre that lies within the breast in both views, well inside if that can be had."""
    depth_mm, half_mm = (min(getattr(g, name) for g in views) for name in ("depth_mm", "half_height_mm"))
    best, best_room = (0.5 * depth_mm, 0.0, 0.0), -1e9
    for _ in range(_TRIES):
        centre = (
            float(rng.uniform(0.12, 0.80)) * depth_mm,
            float(rng.normal(0.12, 0.30)) * half_mm,
            float(rng.normal(0.10, 0.30)) * half_mm,
        )
        room = min(_room_mm(g, np.array([centre])) for g in views) - 0.4 * extent_mm
        if room > best_room:
            best, best_room = centre, room
        if room > _SKIN_MARGIN_MM:
            return centre
    return best


def _room_mm(geometry: ViewGeometry, points: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> float:
    """Distance of the outermost of (n, 3) points to the skin, the muscle's depth, or the edge of the frame."""
    seen = geometry.project(points)
    frame = np.minimum(seen[:, 0], np.minimum(seen[:, 1], geometry.height_mm - seen[:, 1]))
    muscle = 6.0 - geometry.pectoral_mm(seen)  # a lesion may lie over the edge of the muscle, not deep in it
    return float(np.minimum(np.minimum(geometry.inside_mm(seen), frame), muscle).min())


def _pull_inside(
    calcifications: tuple[Calcification, ...], views: tuple[ViewGeometry, ...], centre: tuple[float, float, float]
) -> tuple[tuple[Calcification, ...], float]:
    """Shrink a cluster round its centre until both views hold it; give the factor too."""
    middle = np.asarray(centre)
    offsets = np.array([c.position for c in calcifications]) - middle
    factor = 1.0
    while factor > 0.2 and min(_room_mm(g, middle + factor * offsets) for g in views) < 0.5 * _SKIN_MARGIN_MM:
        factor *= 0.94
    placed = middle + factor * offsets
    return tuple(
        replace(c, position=(float(p[0]), float(p[1]), float(p[2])))
        for c, p in zip(calcifications, placed, strict=True)
    ), factor
