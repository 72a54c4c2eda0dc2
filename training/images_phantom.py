"""Rows of a cohort that the phantom generator draws on demand: no files, nothing to keep, always the same pixels.

A row names its view as `phantom:SEED/SIDE/VIEW`; the detector is then drawn from the seed. Where the cohort fixes the
detector, or a smaller frame, the word goes on: `phantom:SEED/SIDE/VIEW/VENDOR` and `.../VENDOR/ROWSxCOLUMNS`.
"""

import re
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dcis_node.canonical import digest
from dcis_node.errors import TrainingError
from dcis_node.phantom.exam import STANDARD_VIEWS, generate_view
from dcis_node.phantom.lesion import Mask
from dcis_node.phantom.patient import LATERALITIES, VIEWS, Patient, generate_patient
from dcis_node.phantom.region import generate_negative_region, generate_region, middle_of
from dcis_node.phantom.vendor import VENDORS
from training.cohort import CohortView
from training.loaded import LoadedRegion, LoadedView
from training.phantom_facts import phantom_facts

PREFIX = "phantom:"
_WORD = re.compile(
    rf"{PREFIX}(0|[1-9]\d{{0,17}})/({'|'.join(LATERALITIES)})/({'|'.join(VIEWS)})"
    rf"(?:/({'|'.join(VENDORS)})(?:/(\d{{3,5}})x(\d{{3,5}}))?)?"
)


@dataclass(frozen=True)
class PhantomWord:
    """What a phantom word says.

    Parameters
    ----------
    seed
        Of the patient.
    side, view
        R or L; CC or MLO.
    vendor
        A name of `dcis_node.phantom.vendor.VENDORS`; "" = drawn from the seed.
    size
        (rows, columns) of a smaller detector, or None; only with a vendor.
    """

    seed: int
    side: str
    view: str
    vendor: str = ""
    size: tuple[int, int] | None = None

    def patient(self) -> Patient:
        """Draw the patient."""
        return generate_patient(self.seed, vendor=self.vendor or None, size=self.size)


def is_phantom(file: str) -> bool:
    """Tell whether a row's `file` is a phantom word."""
    return file.startswith(PREFIX)


def phantom_word(seed: int, side: str, view: str, *, vendor: str = "", size: tuple[int, int] | None = None) -> str:
    """Write a phantom word.

    Raises
    ------
    TrainingError
        If a part is not allowed; see `PhantomWord`.
    """
    parts = [str(seed), side, view]
    parts += [vendor] if vendor else []
    parts += [f"{size[0]}x{size[1]}"] if size else []
    word = PREFIX + "/".join(parts)
    read_word(word)
    return word


def read_word(word: str) -> PhantomWord:
    """Read a phantom word.

    Raises
    ------
    TrainingError
        If it is none.
    """
    found = _WORD.fullmatch(word)
    if found is None:
        msg = (
            f"not a phantom: {word[:80]!r}; allowed is phantom:SEED/R|L/CC|MLO with /VENDOR and /ROWSxCOLUMNS behind it"
        )
        raise TrainingError(msg)
    seed, side, view, vendor, rows, columns = found.groups()
    return PhantomWord(int(seed), side, view, vendor or "", (int(rows), int(columns)) if rows else None)


def load_phantom_view(row: CohortView) -> LoadedView:
    """Draw the whole view of a row; the row's own facts are not looked at, only its word.

    Raises
    ------
    TrainingError
        If the row's file is not a phantom word.
    """
    word = read_word(row.file)
    drawn = generate_view(word.patient(), word.side, word.view)
    return LoadedView(
        stored=drawn.stored,
        labels=labels_of(drawn.lesion_mask, drawn.calcification_mask),
        transforms=drawn.transforms,
        spacing_mm=drawn.spacing_mm,
        mirrored=False,
    )


def load_phantom_region(row: CohortView, *, side_mm: float, rng: Generator) -> LoadedRegion:
    """Draw one square region of a row's view, without drawing the rest of it.

    Parameters
    ----------
    side_mm
        Side of the square; a side longer than the frame is cut to it.
    rng
        Draws the place in a breast without a lesion, evenly over it; round a lesion nothing is drawn.

    Raises
    ------
    TrainingError
        If the row's file is not a phantom word.
    """
    word = read_word(row.file)
    patient = word.patient()
    size = max(1, round(side_mm / patient.vendor.pitch_mm))
    if word.side == patient.lesion_laterality:
        region = generate_region(patient, word.view, size_px=size, rng=rng)
    else:
        region = generate_negative_region(patient, word.view, size_px=size, rng=rng, laterality=word.side)
    rows, columns = region.stored.shape
    labels = labels_of(region.lesion_mask, region.calcification_mask)
    # Of the outline's box, as of any other row; the region lies round the calcifications' box, which is nearly that.
    middle = middle_of(labels > 0) if labels.any() else ((rows - 1) / 2, (columns - 1) / 2)
    return LoadedRegion(
        stored=region.stored,
        labels=labels,
        transforms=region.transforms,
        spacing_mm=region.spacing_mm,
        mirrored=False,
        centre=middle,
        origin=region.origin,
    )


def labels_of(lesion: Mask, calcification: Mask) -> NDArray[np.uint8]:
    """Give 0 background, 1 lesion region, 2 calcification."""
    labels = lesion.astype(np.uint8)
    labels[calcification] = 2
    return labels


def phantom_rows(
    seed: int, *, patient: str, vendor: str = "", size: tuple[int, int] | None = None, first_image: int = 0
) -> tuple[CohortView, ...]:
    """Give the four rows of a phantom patient; those of the healthy breast have grade 0 and no mask.

    Parameters
    ----------
    seed, vendor, size
        As of `PhantomWord`.
    patient
        The patient's key in the cohort.
    first_image
        Number in the key of the first row; the others follow.
    """
    drawn = PhantomWord(seed, "R", "CC", vendor, size).patient()
    detector, lesion, facts = drawn.vendor, drawn.lesion, phantom_facts(drawn)
    rows = []
    for number, (side, view) in enumerate(STANDARD_VIEWS, start=first_image):
        word = phantom_word(seed, side, view, vendor=vendor, size=size)
        row = CohortView(
            patient=patient,
            laterality=side,
            view=view,
            grade=0,
            upstaged=False,
            vendor=detector.name,
            model=f"phantom {detector.name}",
            image=f"image-{number:05d}",
            file=word,
            sha256=digest(word),
            pixels_sha256=digest(word),
            rows=detector.rows,
            columns=detector.columns,
            spacing_mm=(detector.pitch_mm, detector.pitch_mm),
            age=facts.age,
            density=facts.density,
            detection=facts.detection,
        )
        if lesion is not None and side == drawn.lesion_laterality:
            row = replace(
                row,
                grade=lesion.grade,
                upstaged=lesion.upstaged,
                mask=PREFIX,
                annotation="phantom",
                grade_biopsy=facts.grade_biopsy,
                size_mm=facts.size_mm,
            )
        rows.append(row)
    return tuple(rows)
