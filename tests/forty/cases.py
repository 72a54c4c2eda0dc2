"""The forty exams: phantoms of all vendors, grey scales and storages, and what else a mammography department sends.

Each is made small (the phantom's breast shrinks with its detector), so that forty take minutes.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

from pydicom import Dataset, FileDataset
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from dcis_node.phantom import variants
from dcis_node.phantom.dicom import exam_datasets
from dcis_node.phantom.exam import PhantomExam, generate_exam
from dcis_node.phantom.region import middle_of
from tests.analyse import foreign

SIZE = (1216, 960)
DATE, TIME = "20260105", "101500"

Views = list[FileDataset]


@dataclass(frozen=True)
class Case:
    """One exam.

    Parameters
    ----------
    name
        What is special about it.
    rounds
        Makes what is received, and reported, one after another.
    risk
        What the last report must say: `found` (a figure), `no_lesion` or `not_analysed`; "" where the model decides.
    versions
        How many reports there must be.
    """

    name: str
    rounds: Callable[[], Sequence[Sequence[Dataset]]]
    risk: str = ""
    versions: int = 1


def views(seed: int, *, vendor: str = "hologic", **choices) -> Views:
    """Make the four views of a phantom: R CC, L CC, R MLO, L MLO."""
    about = {k: choices.pop(k) for k in ("transfer_syntax",) if k in choices}
    return _datasets(generate_exam(seed, vendor=vendor, size=SIZE, **choices), seed, **about)


def _datasets(exam: PhantomExam, seed: int, **about) -> Views:
    return exam_datasets(exam, patient_id=f"FORTY-{seed:04d}", study_date=DATE, study_time=TIME, **about)


def changed(datasets: Views, **attributes: object) -> Views:
    """Change attributes of all; None takes one away."""
    for ds in datasets:
        for keyword, value in attributes.items():
            if value is None:
                ds.pop(keyword, None)
            else:
                setattr(ds, keyword, value)
    return datasets


def _plain(seed: int, **choices) -> Callable[[], Sequence[Views]]:
    return lambda: [views(seed, **choices)]


def _picked(seed: int, numbers: Sequence[int], **choices) -> Callable[[], Sequence[Views]]:
    def rounds() -> Sequence[Views]:
        four = views(seed, **choices)
        return [[four[number] for number in numbers]]

    return rounds


def _each(seed: int, change: Callable[[FileDataset], FileDataset], **choices) -> Callable[[], Sequence[Views]]:
    return lambda: [[change(ds) for ds in views(seed, **choices)]]


def _headers(seed: int, **attributes: object) -> Callable[[], Sequence[Views]]:
    return lambda: [changed(views(seed), **attributes)]


def _late_view() -> Sequence[Views]:
    four = views(20, laterality="L")
    return [four[:3], four[3:]]


def _late_view_of_the_sound_side() -> Sequence[Views]:
    four = views(21, laterality="R")
    return [[four[0], four[2], four[3]], [four[1]]]


def _corrected_view() -> Sequence[Views]:
    four = views(22, laterality="R")
    return [four, [variants.repeated(four[0], minutes=30)]]


def _marked(
    seed: int, mark: Callable[..., Dataset], *, late: bool = False
) -> Callable[[], Sequence[Sequence[Dataset]]]:
    """Somebody has marked the true lesion in R MLO, at once or after the report."""

    def rounds() -> Sequence[Sequence[Dataset]]:
        exam = generate_exam(seed, vendor="hologic", size=SIZE, laterality="R")
        four = _datasets(exam, seed)
        row, column = middle_of(exam.view("R", "MLO").lesion_mask)
        drawn = mark(900 + seed, four[2], row=round(row), column=round(column))
        return [four, [drawn]] if late else [[*four, drawn]]

    return rounds


def _segmentation(number: int, image: FileDataset, *, row: int, column: int) -> Dataset:
    return foreign.segmentation(number, image, box=(row - 30, column - 30, row + 31, column + 31))


def _with_magnification() -> Sequence[Views]:
    four = views(31, laterality="R")
    return [[*four, variants.magnification_view(four[0]), variants.spot_compression_view(four[2])]]


def _with_tomosynthesis() -> Sequence[Views]:
    four = views(32)
    return [[*four, variants.tomosynthesis(four[0]), variants.synthetic_2d(four[1])]]


def _two_studies() -> Sequence[Views]:
    four = views(33, laterality="L")
    other = deepcopy(four[3])
    other.StudyInstanceUID = f"{four[3].StudyInstanceUID}9"[:60]
    return [[*four[:3], other]]


def _implants() -> Sequence[Views]:
    four = views(34, laterality="R")
    return [
        [
            *(variants.implant_view(ds, displaced=True) for ds in four[:2]),
            *(variants.implant_view(ds, displaced=False) for ds in four[2:]),
        ]
    ]


def _no_pixels() -> Sequence[Views]:
    four = views(35)
    return [[four[0], variants.without_pixels(four[1]), four[2], variants.without_pixels(four[3])]]


ORDINARY = (
    Case("hologic, one window", _plain(1, lut="window", grade=3)),
    Case("hologic, three windows", _plain(2, lut="windows", grade=1)),
    Case("hologic, three tables", _plain(3, lut="luts", grade=2)),
    Case("hologic large", _plain(4, vendor="hologic_large", grade=3)),
    Case("ge, sigmoid", _plain(5, vendor="ge", lut="sigmoid", grade=3)),
    Case("ge, sigmoid and tables", _plain(6, vendor="ge", lut="sigmoid_and_luts", grade=2)),
    Case("siemens, linear exact", _plain(7, vendor="siemens", lut="linear_exact", grade=3)),
    Case("siemens, window", _plain(8, vendor="siemens", lut="window", grade=1)),
    Case("fuji, MONOCHROME1, table", _plain(9, vendor="fuji", lut="lut", grade=3)),
    Case("fuji, MONOCHROME1, window", _plain(10, vendor="fuji", lut="window", grade=3)),
    Case("no grey scale stated", _plain(11, lut="none", grade=3)),
    Case("stored mirrored", _plain(12, storage="mirrored", grade=3)),
    Case("stored rotated", _plain(13, vendor="ge", storage="rotated", grade=3)),
    Case("JPEG 2000", _plain(14, transfer_syntax=JPEG2000Lossless, grade=2)),
    Case("JPEG-LS", _plain(15, vendor="siemens", transfer_syntax=JPEGLSLossless, grade=3)),
    Case("one-sided, right", _picked(16, (0, 2), laterality="R")),
    Case("one-sided, left", _picked(17, (1, 3), laterality="L", vendor="ge")),
    Case("three views", _picked(18, (0, 1, 2), laterality="R")),
    Case("one view", _picked(19, (3,), laterality="L", grade=3)),
    Case("healthy", _plain(36, lesion=False), risk="no_lesion"),
)

ODD = (
    Case("a late view", _late_view, versions=2),
    Case("a late view of the sound side", _late_view_of_the_sound_side, versions=2),
    Case("a view taken again", _corrected_view, versions=2),
    Case("given by a segmentation", _marked(23, _segmentation), risk="found"),
    Case("given by a report", _marked(24, foreign.measurement_report), risk="found"),
    Case("given by a presentation state", _marked(25, foreign.presentation_state), risk="found"),
    Case("given by a CAD report", _marked(26, foreign.cad_report), risk="found"),
    Case("given later", _marked(27, _segmentation, late=True), risk="found", versions=2),
    Case("FOR PROCESSING only", _each(28, variants.for_processing), risk="not_analysed"),
    Case("tomosynthesis only", _each(29, variants.tomosynthesis), risk="not_analysed"),
    Case("implants in the way", _each(30, lambda ds: variants.implant_view(ds, displaced=False)), risk="not_analysed"),
    Case("with magnification and spot views", _with_magnification),
    Case("with tomosynthesis and synthetic view", _with_tomosynthesis),
    Case("two studies of a day", _two_studies),
    Case("implants, some displaced", _implants),
    Case("pixels missing in two views", _no_pixels),
    Case(
        "nothing of the patient known",
        _headers(
            37,
            PatientID="",
            PatientName="",
            PatientBirthDate="",
            PatientSex="",
            IssuerOfPatientID=None,
            PatientAge=None,
            AccessionNumber="",
        ),
    ),
    Case(
        "Japanese name, sex O",
        _headers(
            38,
            SpecificCharacterSet=["", "ISO 2022 IR 87"],
            PatientSex="O",
            PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう",
        ),
    ),
    Case(
        "no dates, no spacing, no orientation",
        _headers(
            39,
            StudyTime="",
            SeriesDate=None,
            SeriesTime=None,
            ContentTime=None,
            ImagerPixelSpacing=None,
            StudyID="",
            PatientOrientation=None,
            Manufacturer="",
            EstimatedRadiographicMagnificationFactor=None,
        ),
    ),
    Case(
        "Cyrillic name, unusual sex",
        _headers(40, SpecificCharacterSet="ISO_IR 144", PatientName="Юлия^Жукова", PatientSex="U"),
    ),
)
