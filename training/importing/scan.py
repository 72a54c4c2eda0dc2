"""Read every file below a folder of images: which are DICOM, what their headers say, what the node would take."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from pydicom import Dataset, dcmread

from dcis_node.errors import HeaderError, TrainingError
from dcis_node.mammogram.eligibility import explain, judge
from dcis_node.mammogram.facts import ImageKind, Laterality, MammogramHeader, Reason
from dcis_node.mammogram.header import read_header
from dcis_node.mammogram.values import text
from training.annotations.annotation import readable

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many are done, and how many there are."""

_PREAMBLE_BYTES, _MAGIC = 128, b"DICM"  # PS3.10 7.1
# Manufacturer and model of phantom files, as `dcis_node.phantom.dicom` writes them.
SYNTHETIC, _GEOMETRY = "SYNTHETIC PHANTOM", "geometry "
# What public data sets call their mammograms: digitised film as Secondary Capture, or plain digital X-ray.
_RELAXED_KINDS = (ImageKind.FFDM, ImageKind.SECONDARY_CAPTURE, ImageKind.OTHER_IMAGE)


@dataclass(frozen=True)
class ScannedImage:
    """One DICOM file.

    Parameters
    ----------
    file
        Path below the images folder, with `/`.
    sha256
        Of the file's bytes.
    header
        What the node reads of it; None where it cannot be read, or the identifiers are invalid.
    reason
        `eligible`, or why the node would not take it.
    patient_id
        Patient ID (0010,0020): for joining only, never written.
    description
        Series Description, which tells masks from images in some public data sets.
    """

    file: str
    sha256: str
    header: MammogramHeader | None
    reason: Reason
    patient_id: str
    description: str = ""

    @property
    def facts(self) -> MammogramHeader:
        """The header of an image that was not left out.

        Raises
        ------
        TrainingError
            If there is none.
        """
        if self.header is None:
            msg = f"{self.file}: {explain(self.reason)}"
            raise TrainingError(msg)
        return self.header


@dataclass(frozen=True)
class Scan:
    """All files of a folder.

    Parameters
    ----------
    folder
        Absolute.
    images
        The DICOM images, by path.
    others
        How many files are no DICOM, and how many DICOM objects are no images.
    """

    folder: Path
    images: tuple[ScannedImage, ...]
    others: tuple[int, int]


def scan_images(folder: Path, *, progress: Progress) -> Scan:
    """Read the headers of all files below a folder.

    Raises
    ------
    TrainingError
        If the folder does not exist, holds no DICOM image, or a file cannot be read.
    """
    if not folder.is_dir():
        msg = f"no folder {folder.name} with images"
        raise TrainingError(msg)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    images, foreign, objects = [], 0, 0
    for done, path in enumerate(paths, start=1):
        scanned = _scan(path, path.relative_to(folder).as_posix())
        progress("reading headers", done, len(paths))
        if scanned is None:
            foreign += 1
        elif scanned.reason is Reason.NOT_AN_IMAGE:
            objects += 1
        else:
            images.append(scanned)
    if not images:
        msg = f"no DICOM image below {folder.name} ({foreign} other files, {objects} DICOM objects without pixels)"
        raise TrainingError(msg)
    return Scan(folder.resolve(), tuple(images), (foreign, objects))


def relax(image: ScannedImage, *, laterality: str, view: str) -> ScannedImage:
    """Judge an image of a public data set again, whose side and view stand beside it and which is a known film scan.

    That it is a secondary capture, or says nothing of the presentation, is passed over: only on request of a data
    set's importer, which records it. All other reasons stand.
    """
    if image.header is None:
        return image
    header = replace(
        image.header,
        kind=ImageKind.FFDM if image.header.kind in _RELAXED_KINDS else image.header.kind,
        laterality=Laterality(laterality),
        view=view,
    )
    return replace(image, header=header, reason=judge(header).reason)


def detector(manufacturer: str, model: str) -> tuple[str, str]:
    """Give vendor and model for a row; a phantom's as its generator names them."""
    if manufacturer == SYNTHETIC and model.startswith(_GEOMETRY):
        name = model.removeprefix(_GEOMETRY)
        return name, f"phantom {name}"
    return manufacturer, model


def _scan(path: Path, file: str) -> ScannedImage | None:
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"{file}: cannot be read ({error.strerror})"
        raise TrainingError(msg) from None
    if data[_PREAMBLE_BYTES : _PREAMBLE_BYTES + len(_MAGIC)] != _MAGIC:
        return None
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        with readable(file, "DICOM"):
            return _judged(dcmread(BytesIO(data), stop_before_pixels=True), file, sha256)
    except TrainingError:
        return ScannedImage(file, sha256, None, Reason.IDENTIFIERS_INVALID, "")


def _judged(ds: Dataset, file: str, sha256: str) -> ScannedImage:
    patient, description = text(ds, "PatientID"), text(ds, "SeriesDescription")
    try:
        header = read_header(ds)
    except HeaderError:
        return ScannedImage(file, sha256, None, Reason.IDENTIFIERS_INVALID, patient, description)
    return ScannedImage(file, sha256, header, judge(header).reason, patient, description)
