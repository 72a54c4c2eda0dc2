"""A whole synthetic exam: four views as stored, each with its exact truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcis_node.mammogram.display import DisplayTransform
from dcis_node.phantom.latents import BreastLatents, LesionLatents
from dcis_node.phantom.lesion import Mask
from dcis_node.phantom.orientation import STORAGES, patient_orientation, to_stored
from dcis_node.phantom.patient import Patient, generate_patient
from dcis_node.phantom.region import view_transforms
from dcis_node.phantom.vendor import Vendor
from dcis_node.phantom.view import ViewPlan, plan_view, render

# The order in which a technologist takes them.
STANDARD_VIEWS = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"))


@dataclass(frozen=True)
class CalcificationTruth:
    """One calcification of the lesion in one view.

    Parameters
    ----------
    row, column
        Centre in stored pixels; 0-based, whole numbers are pixel centres.
    length_mm, width_mm
        As projected on the detector, before blur.
    area_px
        Pixels of it in the mask.
    form, contrast
        As of `dcis_node.phantom.shapes.Shape`.
    """

    row: float
    column: float
    length_mm: float
    width_mm: float
    area_px: int
    form: str
    contrast: float


@dataclass(frozen=True, eq=False)
class PhantomView:
    """One view as its file stores it; all arrays are (rows, columns).

    Parameters
    ----------
    stored
        uint16 stored values.
    calcification_mask, lesion_mask
        bool: pixels of calcifications; the lesion's region (calcifications closed by 2.5 mm, and a rim of 1 mm).
    transforms
        What the header offers to show it, in its order.
    spacing_mm
        (row, column) spacing at the detector.
    patient_orientation
        The two values of (0020,0020).
    calcifications
        One row per calcification of the lesion; () in a healthy breast.
    vendor
        Detector and encoding.
    lut
        Kind of grey scale, of `dcis_node.phantom.vendor.LUT_KINDS`.
    """

    laterality: str
    view: str
    stored: NDArray[np.uint16]
    calcification_mask: Mask
    lesion_mask: Mask
    transforms: tuple[DisplayTransform, ...]
    spacing_mm: tuple[float, float]
    patient_orientation: tuple[str, str]
    calcifications: tuple[CalcificationTruth, ...]
    vendor: Vendor
    lut: str


@dataclass(frozen=True)
class PhantomTruth:
    """What is true of the patient; the figures of the lesion are None without one.

    Parameters
    ----------
    laterality
        Side of the lesion.
    lesion
        All latents of the lesion.
    breasts
        Latents of the right and the left breast.
    """

    seed: int
    vendor: str
    lut: str
    laterality: str | None
    grade: int | None
    upstaged: bool | None
    extent_mm: float | None
    morphology: str | None
    distribution: str | None
    lesion: LesionLatents | None
    breasts: tuple[BreastLatents, BreastLatents]


@dataclass(frozen=True, eq=False)
class PhantomExam:
    """Four views (R CC, L CC, R MLO, L MLO) and the truth."""

    views: tuple[PhantomView, ...]
    truth: PhantomTruth

    def view(self, laterality: str, view: str) -> PhantomView:
        """Give one view.

        Raises
        ------
        KeyError
            If the exam has no such view.
        """
        for candidate in self.views:
            if (candidate.laterality, candidate.view) == (laterality, view):
                return candidate
        raise KeyError((laterality, view))


def generate_exam(
    seed: int,
    *,
    vendor: str = "hologic",
    grade: int | None = None,
    lesion: bool = True,
    size: tuple[int, int] | None = None,
    laterality: str | None = None,
    lut: str | None = None,
    storage: str = "standard",
) -> PhantomExam:
    """Make an exam; the same arguments give the same bytes.

    Parameters
    ----------
    seed, vendor, grade, lesion, size, laterality, lut
        As of `dcis_node.phantom.patient.generate_patient`.
    storage
        `standard`, or as some vendors store: `mirrored` or `rotated`. Patient Orientation tells the truth of each.

    Raises
    ------
    ValueError
        If a choice is not among those allowed.
    """
    if storage not in STORAGES:
        raise ValueError(f"storage is one of {', '.join(STORAGES)}")
    patient = generate_patient(
        seed, vendor=vendor, grade=grade, lesion=lesion, size=size, laterality=laterality, lut=lut
    )
    views = tuple(generate_view(patient, side, view, storage=storage) for side, view in STANDARD_VIEWS)
    return PhantomExam(views, truth_of(patient))


def generate_view(patient: Patient, laterality: str, view: str, *, storage: str = "standard") -> PhantomView:
    """Render one whole view of a patient as it is stored."""
    plan = plan_view(patient, laterality, view)
    rendered = render(plan, plan.frame)
    pitch = patient.vendor.pitch_mm
    return PhantomView(
        laterality=laterality,
        view=view,
        stored=to_stored(rendered.stored, laterality, storage=storage),
        calcification_mask=to_stored(rendered.calcification_mask, laterality, storage=storage),
        lesion_mask=to_stored(rendered.lesion_mask, laterality, storage=storage),
        transforms=view_transforms(patient.vendor, patient.lut),
        spacing_mm=(pitch, pitch),
        patient_orientation=patient_orientation(laterality, view, storage=storage),
        calcifications=_table(plan, storage),
        vendor=patient.vendor,
        lut=patient.lut,
    )


def truth_of(patient: Patient) -> PhantomTruth:
    """Gather the truth of a patient."""
    lesion = patient.lesion
    return PhantomTruth(
        seed=patient.seed,
        vendor=patient.vendor.name,
        lut=patient.lut,
        laterality=patient.lesion_laterality,
        grade=lesion.grade if lesion else None,
        upstaged=lesion.upstaged if lesion else None,
        extent_mm=lesion.extent_mm if lesion else None,
        morphology=lesion.morphology if lesion else None,
        distribution=lesion.distribution if lesion else None,
        lesion=lesion,
        breasts=patient.breasts,
    )


def _table(plan: ViewPlan, storage: str) -> tuple[CalcificationTruth, ...]:
    lesion = plan.lesion_image
    if lesion is None:
        return ()
    pitch = plan.vendor.pitch_mm
    mirrored = (plan.laterality == "R") != (storage in ("mirrored", "rotated"))
    rows = []
    for shape, area in zip(plan.lesion_shapes, lesion.areas_px, strict=True):
        row, column = shape.y_mm / pitch - 0.5, shape.x_mm / pitch - 0.5
        row = plan.vendor.rows - 1.0 - row if storage == "rotated" else row
        column = plan.vendor.columns - 1.0 - column if mirrored else column
        rows.append(CalcificationTruth(row, column, shape.length_mm, shape.width_mm, area, shape.form, shape.contrast))
    return tuple(rows)
