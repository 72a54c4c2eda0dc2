"""One phantom patient as a hospital would hand her over: DICOM files, annotations, a row of the clinical table."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType

import numpy as np
from pydicom import FileDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGLosslessSV1, JPEGLSLossless

from dcis_node.phantom.dicom import exam_datasets
from dcis_node.phantom.exam import PhantomExam, PhantomView, generate_exam
from dcis_node.phantom.patient import Patient, generate_patient
from dcis_node.phantom.variants import for_processing, magnification_view
from training.annotations.writing import write_dicom_seg, write_nifti, write_nrrd, write_png, write_seg_nrrd
from training.images_phantom import labels_of, phantom_word
from training.phantom_facts import PhantomFacts, phantom_facts

# What can be odd, in the order in which it is given out, and what the README says of it.
ODDITIES = MappingProxyType(
    {
        "magnification_view": "a magnification view beside the four standard ones",
        "no_label": "a patient who is not in the clinical table",
        "lcis": "a patient with LCIS",
        "under_age": "a patient under 18",
        "resent": "an image that was sent twice, the second time in another transfer syntax",
        "invasive_at_biopsy": "a patient with suspicion of invasive cancer at biopsy",
        "mass": "a patient with a visible mass or architectural distortion",
        "for_processing": "a raw image (FOR PROCESSING) beside the one for presentation",
        "no_annotation": "a patient whose lesion nobody has annotated",
        "mirrored": "an exam stored mirrored, as its Patient Orientation tells (it can be used)",
    }
)
_ROMAN = ("", "I", "II", "III")
_UNDER_AGE = 17
# Exams of fifteen years, as the paper's.
_FIRST_DAY, _DAYS = date(2000, 1, 3), 15 * 365
_STREAM = 1002  # of a seed's random numbers, for the date
# Lossless, and written fast; what arrives in a hospital's archive.
_SYNTAXES: tuple[UID, ...] = (JPEGLSLossless, JPEGLosslessSV1)


@dataclass(frozen=True)
class HospitalPatient:
    """What is to be written.

    Parameters
    ----------
    images, annotations
        Folders of all patients.
    number
        Of the patient in the cohort; chooses the tool of the annotations and the transfer syntax.
    seed, vendor, size
        Of the phantom; see `training.images_phantom.PhantomWord`.
    patient_id
        Goes into the files and the clinical table.
    odd
        A name of `ODDITIES` or "".
    """

    images: Path
    annotations: Path
    number: int
    seed: int
    patient_id: str
    vendor: str
    size: tuple[int, int] | None
    odd: str


@dataclass(frozen=True)
class Written:
    """What was written of one patient.

    Parameters
    ----------
    clinical
        Her row of the clinical table, or none.
    truth
        One row per DICOM file.
    annotations
        How many annotation files.
    """

    clinical: tuple[dict[str, str], ...]
    truth: tuple[dict[str, str], ...]
    annotations: int


def write_patient(task: HospitalPatient) -> Written:
    """Render one patient and write all there is of her."""
    patient = generate_patient(task.seed, vendor=task.vendor or None, size=task.size)
    storage = "mirrored" if task.odd == "mirrored" else "standard"
    exam = generate_exam(task.seed, vendor=patient.vendor.name, size=task.size, storage=storage)
    facts = phantom_facts(patient)
    folder = hashlib.sha256(f"exam {task.patient_id}".encode("ascii")).hexdigest()[:12]
    datasets = _datasets(task, exam, facts)
    truth = [
        _save(task, ds, f"{folder}/{folder}-{place}.dcm", view)
        for place, (ds, view) in enumerate(zip(datasets, exam.views, strict=True), start=1)
    ]
    truth += _save_odd_image(task, folder, datasets[0], exam.views[0])
    annotations = 0
    for place, (ds, view) in enumerate(zip(datasets, exam.views, strict=True), start=1):
        if view.lesion_mask.any() and task.odd != "no_annotation":
            _annotate(task, f"{folder}-{place}", ds, view)
            annotations += 1
    clinical = () if task.odd == "no_label" else (clinical_row(task, patient, facts),)
    return Written(clinical, tuple(truth), annotations)


def clinical_row(task: HospitalPatient, patient: Patient, facts: PhantomFacts) -> dict[str, str]:
    """Give the patient's row of `clinical.csv`, with the columns of `training.importing.clinical`."""
    lesion = patient.lesion
    grade = lesion.grade if lesion else 0
    return {
        "patient_id": task.patient_id,
        "laterality": patient.lesion_laterality or "",
        "grade_surgery": _ROMAN[grade],
        "invasive": _yes(bool(lesion and lesion.upstaged)),
        "grade_biopsy": _ROMAN[facts.grade_biopsy or 0],
        "lcis": _yes(task.odd == "lcis"),
        "invasive_at_biopsy": "suspicion" if task.odd == "invasive_at_biopsy" else "no",
        "mass_or_distortion": _yes(task.odd == "mass"),
        "poor_quality": "no",
        "age": str(_age(task, facts)),
        "size_mm": "" if facts.size_mm is None else f"{facts.size_mm:.1f}",
        "density": facts.density,
        "detection": facts.detection,
    }


def _datasets(task: HospitalPatient, exam: PhantomExam, facts: PhantomFacts) -> list[FileDataset]:
    rng = np.random.default_rng((task.seed, _STREAM))
    day = _FIRST_DAY + timedelta(days=int(rng.integers(_DAYS)))
    return exam_datasets(
        exam,
        patient_id=task.patient_id,
        study_date=day.strftime("%Y%m%d"),
        study_time=f"{int(rng.integers(8, 17)):02d}{int(rng.integers(60)):02d}00",
        transfer_syntax=_SYNTAXES[task.number % len(_SYNTAXES)],
        age_years=_age(task, facts),
    )


def _save(task: HospitalPatient, ds: FileDataset, name: str, view: PhantomView) -> dict[str, str]:
    path = task.images / name
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    word = phantom_word(task.seed, view.laterality, view.view, vendor=view.vendor.name, size=task.size)
    return {"sop_instance_uid": str(ds.SOPInstanceUID), "file": name, "phantom": word}


def _save_odd_image(task: HospitalPatient, folder: str, ds: FileDataset, view: PhantomView) -> list[dict[str, str]]:
    if task.odd == "magnification_view":
        return [_save(task, magnification_view(ds), f"{folder}/{folder}-5.dcm", view)]
    if task.odd == "for_processing":
        return [_save(task, for_processing(ds), f"{folder}/{folder}-5.dcm", view)]
    if task.odd == "resent":
        again = _uncompressed(ds)
        return [_save(task, again, f"{folder}-again/{folder}-5.dcm", view)]
    return []


def _uncompressed(ds: FileDataset) -> FileDataset:
    """Give the same instance uncompressed: equal pixels and UIDs in other bytes."""
    again = FileDataset("", ds, file_meta=ds.file_meta, preamble=b"\0" * 128)
    again.decompress(generate_instance_uid=False)
    again.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return again


def _annotate(task: HospitalPatient, name: str, ds: FileDataset, view: PhantomView) -> None:
    task.annotations.mkdir(parents=True, exist_ok=True)
    suffix, write = _TOOLS[task.number % len(_TOOLS)]
    write(task.annotations / f"{name}{suffix}", ds, view)


def _labels(view: PhantomView) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    labels: np.ndarray[tuple[int, int], np.dtype[np.uint8]] = labels_of(view.lesion_mask, view.calcification_mask)
    return labels


_Tool = tuple[str, Callable[[Path, FileDataset, PhantomView], None]]
# One tool per reader: a patient's views are all annotated with the same.
_TOOLS: tuple[_Tool, ...] = (
    (".seg.nrrd", lambda path, _, view: write_seg_nrrd(path, _labels(view), view.spacing_mm)),
    (".png", lambda path, _, view: write_png(path, _labels(view))),
    (".seg.nrrd", lambda path, _, view: write_seg_nrrd(path, _labels(view), view.spacing_mm, layers=True)),
    (".nii.gz", lambda path, _, view: write_nifti(path, _labels(view), view.spacing_mm)),
    (".dcm", lambda path, ds, view: write_dicom_seg(path, ds, _labels(view))),
    (".seg.nrrd", lambda path, _, view: write_seg_nrrd(path, _labels(view), view.spacing_mm, cropped=False)),
    (".nrrd", lambda path, _, view: write_nrrd(path, _labels(view), view.spacing_mm)),
)


def _age(task: HospitalPatient, facts: PhantomFacts) -> int:
    return _UNDER_AGE if task.odd == "under_age" else facts.age


def _yes(value: bool) -> str:  # noqa: FBT001 - one word for one truth
    return "yes" if value else "no"
