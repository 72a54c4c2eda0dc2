"""Exams for the viewer: phantoms whose lesions are known, and the results of a model that outlines exactly these."""

from dataclasses import dataclass
from functools import cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom import FileDataset, dcmread

from dcis_node.mammogram.display import choose, small_picture, transforms
from dcis_node.mammogram.facts import Reason
from dcis_node.mammogram.header import read_header
from dcis_node.phantom.dicom import exam_datasets
from dcis_node.phantom.exam import PhantomExam, generate_exam
from dcis_node.results.answer import SourceImage, ViewPicture
from tests.results.builders import prediction

# Rows x columns a multiple of 8, small enough for a browser without a graphics card. At 0.07 mm: 116 x 90 mm.
SIZE = (1664, 1280)
VIEWS = ("R CC", "L CC", "R MLO", "L MLO")


@dataclass(frozen=True, eq=False)
class ShownExam:
    """An exam as it lies in the archive.

    Parameters
    ----------
    datasets
        The mammograms, by view.
    masks
        (rows, columns) bool, by view: the region of the phantom's lesion.
    """

    datasets: dict[str, FileDataset]
    masks: dict[str, NDArray[np.bool_]]

    @property
    def study_uid(self) -> str:
        """Study Instance UID."""
        return str(next(iter(self.datasets.values())).StudyInstanceUID)


@cache
def phantom(*, lesion: bool = True) -> PhantomExam:
    """Make an exam with a lesion in each view: the right breast of one phantom and the left one of another.

    `windows` is the kind of grey scale that carries no VOI LUT Function.
    """
    right = generate_exam(5, size=SIZE, laterality="R", grade=3, lesion=lesion, lut="windows")
    left = generate_exam(6, size=SIZE, laterality="L", grade=3, lesion=lesion, lut="windows")
    views = [(right if laterality == "R" else left).view(*name.split()) for name in VIEWS for laterality in name[:1]]
    return PhantomExam(tuple(views), right.truth)


def shown_exam(patient_id: str, *, lesion: bool = True) -> ShownExam:
    """Give the exam's files and masks; another patient ID is another study."""
    exam = phantom(lesion=lesion)
    datasets = exam_datasets(exam, patient_id=patient_id, study_date="20260105", study_time="101500")
    masks = {f"{v.laterality} {v.view}": v.lesion_mask for v in exam.views}
    return ShownExam(dict(zip(VIEWS, datasets, strict=True)), masks)


def analysed(exam: ShownExam) -> tuple[SourceImage, ...]:
    """Give the images as a model leaves them that outlines exactly the lesions."""
    return tuple(_analysed(exam.datasets[name], exam.masks[name]) for name in VIEWS)


def _analysed(ds: FileDataset, mask: NDArray[np.bool_]) -> SourceImage:
    grey = choose(transforms(ds)).apply(ds.pixel_array)
    picture = ViewPicture(small_picture(grey), mirrored=False)
    return SourceImage(read_header(ds), _header_only(ds), Reason.ELIGIBLE, "", prediction(mask), picture=picture)


def refused(exam: ShownExam, reason: Reason, explanation: str) -> tuple[SourceImage, ...]:
    """Give the images as left out, all for one reason."""
    return tuple(SourceImage(read_header(ds), _header_only(ds), reason, explanation) for ds in exam.datasets.values())


def _header_only(ds: FileDataset) -> FileDataset:
    return dcmread(BytesIO(file_bytes(ds)), stop_before_pixels=True)


def file_bytes(ds: FileDataset) -> bytes:
    """Give the DICOM file of a dataset."""
    out = BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()
