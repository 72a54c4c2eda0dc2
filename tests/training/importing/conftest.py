"""A small hospital: images of one synthetic exam on a small detector, made different for each patient."""

import copy
import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileDataset

from dcis_node.phantom.dicom import derived_uid, exam_datasets
from dcis_node.phantom.exam import PhantomExam, generate_exam
from training.importing.hospital import HospitalFolders, import_hospital

SIZE = (256, 192)
AFFECTED = "R"


def silent(name: str, done: int, total: int) -> None:
    assert 0 < done <= total, name


@pytest.fixture(scope="session")
def exam() -> PhantomExam:
    return generate_exam(3, vendor="hologic", size=SIZE, laterality=AFFECTED, grade=2, lut="window")


@pytest.fixture(scope="session")
def files(exam: PhantomExam) -> list[FileDataset]:
    """R CC, L CC, R MLO, L MLO."""
    return exam_datasets(exam, patient_id="1234567", study_date="20200101", study_time="101500")


def labels_of(exam: PhantomExam, side: str, view: str) -> np.ndarray:
    seen = exam.view(side, view)
    labels = seen.lesion_mask.astype(np.uint8)
    labels[seen.calcification_mask] = 2
    return labels


@dataclass
class Hospital:
    folder: Path
    exam: PhantomExam
    files: list[FileDataset]
    rows: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("images", "annotations"):
            (self.folder / name).mkdir(parents=True)

    def image(self, patient: str, number: int, *, name: str = "", same_pixels: bool = False, **values) -> FileDataset:
        """Write one image: 0 R CC, 1 L CC, 2 R MLO, 3 L MLO; `values` are attributes to set, None deletes."""
        ds = copy.deepcopy(self.files[number])
        name = name or f"{patient}-{number}"
        ds.PatientID = patient
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = derived_uid(f"test/{name}")
        if not same_pixels:
            # A grey mark in a corner, where there is air or muscle: other pixels, the same picture.
            pixels = self.exam.views[number].stored.copy()
            pixels[-1, -1] = sum(name.encode()) % 500
            ds.PixelData = pixels.tobytes()
        for keyword, value in values.items():
            if value is None:
                del ds[keyword]
            else:
                setattr(ds, keyword, value)
        ds.save_as(self.folder / "images" / f"{name}.dcm", enforce_file_format=True)
        return ds

    def png(self, name: str, labels: np.ndarray) -> Path:
        path = self.folder / "annotations" / f"{name}.png"
        Image.fromarray(labels).save(path)
        return path

    def labels(self, number: int) -> np.ndarray:
        view = self.exam.views[number]
        return labels_of(self.exam, view.laterality, view.view)

    def row(self, patient: str, **values: str) -> None:
        known = {"patient_id": patient, "grade_surgery": "II", "invasive": "no"}
        self.rows.append({**known, **values})

    def patient(self, patient: str, **values: str) -> None:
        """Four images, both of the right side annotated, a row of the table."""
        for number in range(4):
            self.image(patient, number)
        for number in (0, 2):
            self.png(f"{patient}-{number}", self.labels(number))
        self.row(patient, **{"laterality": "R", **values})

    def write_table(self) -> Path:
        path = self.folder / "clinical.csv"
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, names, restval="")
            table.writeheader()
            table.writerows(self.rows)
        return path

    def import_it(self, **options):
        key_file = options.pop("key_file", None)
        folders = HospitalFolders(self.folder / "images", self.folder / "annotations", self.write_table(), **options)
        return import_hospital(folders, self.folder / "cohort", progress=silent, key_file=key_file)


@pytest.fixture
def hospital(tmp_path: Path, exam: PhantomExam, files: list[FileDataset]) -> Hospital:
    return Hospital(tmp_path / "hospital", exam, files)
