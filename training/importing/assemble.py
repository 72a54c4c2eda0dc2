"""From candidates to rows: decode each image, find copies, draw its annotation, write its mask."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dcis_node.errors import PixelError, TrainingError
from training.annotations.annotation import Annotation, ImageFacts
from training.cohort import CohortView, Exclusion
from training.images_dicom import decode, read_dataset
from training.importing.patients import Pathology
from training.importing.scan import Progress, ScannedImage, detector

MASKS = "masks"
# Of an annotation at least so much lies on the breast, else it lies wrong: mirrored, or rows and columns swapped.
LEAST_ON_BREAST = 0.5

Annotate = Callable[[ImageFacts], Annotation]


@dataclass(frozen=True)
class Candidate:
    """One image that is to become a row.

    Parameters
    ----------
    patient
        Key of the patient.
    image
        Its file and header.
    laterality, view, spacing_mm
        Of the image; what public data sets state beside it counts.
    truth
        Of the affected breast; without a grade (0) in data that has none; None in a healthy breast.
    annotate
        Draws the annotation; None where there is none.
    """

    patient: str
    image: ScannedImage
    laterality: str
    view: str
    spacing_mm: tuple[float, float]
    truth: Pathology | None
    annotate: Annotate | None


@dataclass(frozen=True)
class Assembly:
    """Rows and what was left out on the way; the exclusions name files."""

    views: tuple[CohortView, ...]
    exclusions: tuple[Exclusion, ...]


class _Left(Exception):  # noqa: N818 -- not an error: a row that is not made
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def assemble(candidates: Sequence[Candidate], *, images: Path, out: Path, progress: Progress) -> Assembly:
    """Make the rows of a cohort, in the order of patient, side, view, time and file, and write the masks.

    Of two images with equal pixels the first is kept (`duplicate_pixels`); none if they are of two patients, for
    nobody can tell whose they are (`pixels_of_two_patients`).

    Parameters
    ----------
    images
        Folder of the image files.
    out
        The cohort's folder.
    """
    ordered = sorted(candidates, key=_place)
    views: dict[str, CohortView] = {}
    owners: dict[str, CohortView] = {}
    instances: set[str] = set()
    exclusions: list[Exclusion] = []
    for number, candidate in enumerate(ordered, start=1):
        progress("reading pixels and annotations", number, len(ordered))
        key = f"image-{number:05d}"
        try:
            row, labels = _row(key, candidate, images=images)
            twin = owners.get(row.pixels_sha256)
            if twin is not None:
                _drop_twin(twin, row, views, exclusions, out=out)
            _check_instance(row, instances)
        except _Left as left:
            exclusions.append(Exclusion("image", candidate.image.file, left.reason, left.detail))
            continue
        owners[row.pixels_sha256] = row
        instances.add(row.sop_instance_uid)
        views[key] = row if labels is None else _with_mask(row, labels, out=out)
    return Assembly(tuple(views.values()), tuple(exclusions))


def _place(candidate: Candidate) -> tuple[str, ...]:
    acquired = candidate.image.header.acquired if candidate.image.header else ""
    return candidate.patient, candidate.laterality, candidate.view, acquired, candidate.image.file


def _row(key: str, candidate: Candidate, *, images: Path) -> tuple[CohortView, NDArray[np.uint8] | None]:
    header, truth = candidate.image.facts, candidate.truth
    vendor, model = detector(header.manufacturer, header.model)
    ds, sha256 = read_dataset(images / candidate.image.file, name=candidate.image.file)
    if sha256 != candidate.image.sha256:
        raise _Left("file_changed", "the file changed while it was imported")
    try:
        decoded = decode(ds, with_digest=True)
    except PixelError as error:
        raise _Left(str(error.reason), str(error)) from None
    rows, columns = decoded.stored.shape
    made = _draw(candidate, ImageFacts(header.sop_instance_uid, rows, columns, candidate.spacing_mm))
    if made is not None and _share_on(decoded.breast.mask, made.labels) < LEAST_ON_BREAST:
        raise _Left("mask_outside_breast", "most of the annotation lies beside the breast: mirrored or swapped?")
    return CohortView(
        patient=candidate.patient,
        laterality=candidate.laterality,
        view=candidate.view,
        grade=truth.grade if truth else 0,
        upstaged=truth.upstaged if truth else False,
        vendor=vendor,
        model=model,
        image=key,
        file=candidate.image.file,
        sha256=sha256,
        pixels_sha256=decoded.pixels_sha256,
        sop_instance_uid=header.sop_instance_uid,
        rows=rows,
        columns=columns,
        spacing_mm=candidate.spacing_mm,
        annotation=made.kind if made else "",
        weak=made.weak if made else False,
        grade_biopsy=truth.grade_biopsy if truth else None,
        age=truth.age if truth and truth.age is not None else header.age_years,
        size_mm=truth.size_mm if truth else None,
        density=truth.density if truth else "",
        detection=truth.detection if truth else "",
    ), made.labels if made else None


def _draw(candidate: Candidate, facts: ImageFacts) -> Annotation | None:
    if candidate.annotate is None:
        return None
    try:
        return candidate.annotate(facts)
    except TrainingError as error:
        raise _Left(reason_of(str(error)), str(error)) from None


# The words by which `training.annotations` tells its refusals apart.
_REFUSALS = (
    ("does not reference this one", "mask_of_another_instance"),
    ("the mask is empty", "mask_empty"),
    (": the mask is ", "mask_size"),
)


def reason_of(text: str) -> str:
    """Give the stable name of why an annotation was refused: `mask_refused` where it has no name of its own."""
    return next((reason for words, reason in _REFUSALS if words in text), "mask_refused")


def _share_on(breast: NDArray[np.bool_], labels: NDArray[np.uint8]) -> float:
    marked = labels > 0
    return float(breast[marked].mean()) if marked.any() else 0.0


def _drop_twin(
    twin: CohortView, row: CohortView, views: dict[str, CohortView], exclusions: list[Exclusion], *, out: Path
) -> None:
    if twin.patient == row.patient:
        raise _Left("duplicate_pixels", "the pixels are those of another file of the patient")
    dropped = views.pop(twin.image, None)
    if dropped is not None:
        exclusions.append(Exclusion("image", dropped.file, "pixels_of_two_patients", _TWO_PATIENTS))
        if dropped.mask:
            (out / dropped.mask).unlink()
    raise _Left("pixels_of_two_patients", _TWO_PATIENTS)


def _check_instance(row: CohortView, instances: set[str]) -> None:
    if row.sop_instance_uid in instances:
        raise _Left("duplicate_instance", "another file has the same SOP Instance UID and other pixels")


_TWO_PATIENTS = "a file of another patient has the same pixels; nobody can tell whose they are"


def _with_mask(row: CohortView, labels: NDArray[np.uint8], *, out: Path) -> CohortView:
    """Write the mask as PNG and name it in the row."""
    file = f"{MASKS}/{row.image}.png"
    buffer = BytesIO()
    Image.fromarray(labels).save(buffer, format="PNG")
    data = buffer.getvalue()
    (out / MASKS).mkdir(parents=True, exist_ok=True)
    (out / file).write_bytes(data)
    return replace(row, mask=file, mask_sha256=hashlib.sha256(data).hexdigest())
