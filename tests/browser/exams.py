"""Exams for the viewer: phantoms whose lesions are known, and the results of a model that outlines exactly these."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom import FileDataset, dcmread
from pydicom.pixels import pack_bits

from dcis_node.mammogram.display import choose, small_picture, transforms
from dcis_node.mammogram.facts import Reason
from dcis_node.mammogram.header import read_header
from dcis_node.phantom.dicom import exam_datasets
from dcis_node.phantom.exam import PhantomExam, generate_exam
from dcis_node.results.answer import ResultObject, SourceImage, ViewPicture
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
    def image_uids(self) -> dict[str, str]:
        """SOP Instance UID, by view."""
        return {view: str(ds.SOPInstanceUID) for view, ds in self.datasets.items()}

    @property
    def study_uid(self) -> str:
        """Study Instance UID."""
        return str(next(iter(self.datasets.values())).StudyInstanceUID)


@cache
def phantom() -> PhantomExam:
    """Make an exam with a lesion in each view: the right breast of one phantom and the left one of another.

    `windows` is the kind of grey scale that carries no VOI LUT Function.
    """
    right = generate_exam(5, size=SIZE, laterality="R", grade=3, lut="windows")
    left = generate_exam(6, size=SIZE, laterality="L", grade=3, lut="windows")
    views = [(right if name.startswith("R") else left).view(*name.split()) for name in VIEWS]
    return PhantomExam(tuple(views), right.truth)


def shown_exam(patient_id: str, *, views: Sequence[str] = VIEWS) -> ShownExam:
    """Give the files and masks of an exam, or of some of its views; another patient ID is another study."""
    exam = phantom()
    datasets = exam_datasets(exam, patient_id=patient_id, study_date="20260105", study_time="101500")
    return ShownExam(
        {view: ds for view, ds in zip(VIEWS, datasets, strict=True) if view in views},
        {view: exam.view(*view.split()).lesion_mask for view in views},
    )


def analysed(exam: ShownExam, masks: Mapping[str, NDArray[np.bool_]] | None = None) -> tuple[SourceImage, ...]:
    """Give the images as a model leaves them that outlines these masks: exactly the lesions, if none are given."""
    outlined = exam.masks if masks is None else masks
    return tuple(_analysed(exam.datasets[name], outlined[name]) for name in exam.datasets)


def inputs_of(exam: ShownExam) -> str:
    """Give the digest that makes the UIDs of this exam's results its own."""
    return sha256("".join(exam.image_uids.values()).encode()).hexdigest()


def _analysed(ds: FileDataset, mask: NDArray[np.bool_]) -> SourceImage:
    grey = choose(transforms(ds)).apply(ds.pixel_array)
    picture = ViewPicture(small_picture(grey), mirrored=False)
    return SourceImage(read_header(ds), _header_only(ds), Reason.ELIGIBLE, "", prediction(mask), picture=picture)


def altered(result: ResultObject, change: Callable[[NDArray[np.bool_]], NDArray[np.bool_]]) -> ResultObject:
    """Give a segmentation with other pixels than the node wrote: what a fault would look like."""
    ds = dcmread(BytesIO(result.data))
    ds.PixelData = pack_bits(np.ascontiguousarray(change(ds.pixel_array.astype(bool))).astype(np.uint8))
    return replace(result, data=file_bytes(ds))


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
