"""Phantom cohorts for training: regions round lesions, regions without one, and whole exams.

A group (pretraining, training, calibration, test) owns a range of phantom seeds, so no patient can stand in two.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dcis_node.phantom.patient import VIEWS, Patient, generate_patient
from dcis_node.phantom.region import PhantomRegion, generate_negative_region, generate_region
from training.cohort import CohortView
from training.crops import CropWriter
from training.progress import Progress, progress_log

Group = Literal["pretraining", "training", "calibration", "test"]
# Place of each group's patients in a seed. Place 3 is not used: those patients were the test while this plan was being
# made, and a test that was looked at is none.
_PLACES: dict[Group, int] = {"pretraining": 0, "training": 1, "calibration": 2, "test": 4}
# Room for patients in a group, and for groups in a seed.
_GROUP_ROOM = 1_000_000
_SEED_ROOM = 10 * _GROUP_ROOM


def phantom_seed(seed: int, group: Group, number: int) -> int:
    """Give the phantom seed of a group's patient; different for any two patients of a run."""
    return seed * _SEED_ROOM + _PLACES[group] * _GROUP_ROOM + number


def patient_key(group: Group, number: int) -> str:
    """Name a patient of a group."""
    return f"{group}-{number:05d}"


def group_patient(seed: int, group: Group, number: int) -> Patient:
    """Draw a patient with a lesion; vendor, grade and side are drawn too."""
    return generate_patient(phantom_seed(seed, group, number))


def make_regions(
    folder: Path, *, seed: int, group: Group, patients: int, region_mm: float, negatives: int, log: Path
) -> None:
    """Fill a crop store with the two lesion views of each patient, and regions without a lesion.

    Parameters
    ----------
    region_mm
        Side of a region: the crop and the shift on both sides.
    negatives
        Regions of healthy breasts, one per patient from the first on, taken from anywhere a sweep comes.
    """
    with CropWriter(folder) as writer, progress_log(log) as write:
        for number in range(patients):
            for view, region, vendor in _patient_regions(
                seed, group, number, region_mm, with_negative=number < negatives
            ):
                writer.add(
                    view_of(view, group, number, region, vendor),
                    region.stored,
                    labels_of(region),
                    transforms=region.transforms,
                    spacing_mm=region.spacing_mm[0],
                    centre=region.centre,
                )
            if (number + 1) % 10 == 0 or number + 1 == patients:
                write(Progress(f"phantoms: {group}", number + 1, patients))


def _patient_regions(
    seed: int, group: Group, number: int, region_mm: float, *, with_negative: bool
) -> Iterator[tuple[str, PhantomRegion, str]]:
    patient = group_patient(seed, group, number)
    rng = np.random.default_rng([phantom_seed(seed, group, number), 1])
    vendor = patient.vendor
    size = min(round(region_mm / vendor.pitch_mm), vendor.columns, vendor.rows)
    for view in VIEWS:
        yield view, generate_region(patient, view, size_px=size, rng=rng), vendor.name
    if with_negative:
        view = str(rng.choice(VIEWS))
        yield view, generate_negative_region(patient, view, size_px=size, rng=rng), vendor.name


def view_of(view: str, group: Group, number: int, region: PhantomRegion, vendor: str) -> CohortView:
    """Describe a region for the cohort; without a lesion the grade is 0."""
    return CohortView(
        patient=patient_key(group, number),
        laterality=region.laterality,
        view=view,
        grade=region.grade or 0,
        upstaged=bool(region.upstaged),
        vendor=vendor,
    )


def labels_of(region: PhantomRegion) -> NDArray[np.uint8]:
    """Give 0 background, 1 lesion region, 2 calcification."""
    labels = region.lesion_mask.astype(np.uint8)
    labels[region.calcification_mask] = 2
    return labels
