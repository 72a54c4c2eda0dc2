"""Read an annotation file of any kind; what it is, its first bytes tell and not its name."""

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydicom import Dataset, dcmread

from dcis_node.errors import TrainingError
from dcis_node.mammogram import storage_classes as sop
from dcis_node.mammogram.values import text
from training.annotations.annotation import Annotation, ImageFacts, readable
from training.annotations.dicom_seg import read_seg
from training.annotations.nifti import read_nifti
from training.annotations.png import read_png
from training.annotations.polygons import read_gsps, read_sr
from training.annotations.slicer import read_nrrd

# The header of NIfTI-1 has 348 bytes and ends with its magic; that of NIfTI-2 has 540 and begins with it.
_HEAD_BYTES: Final = 348
_NIFTI: Final = ((344, b"n+1\0"), (4, b"n+2\0"))
_GZIP: Final = b"\x1f\x8b"
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_NRRD: Final = b"NRRD"
_DICOM: Final = (128, b"DICM")

_LABEL_MAP_SEGMENTATION: Final = "1.2.840.10008.5.1.4.1.1.66.7"
_OBJECTS: Final[dict[str, Callable[..., Annotation]]] = {
    sop.SEGMENTATION: read_seg,
    _LABEL_MAP_SEGMENTATION: read_seg,
    sop.ENHANCED_SR: read_sr,
    sop.COMPREHENSIVE_SR: read_sr,
    sop.COMPREHENSIVE_3D_SR: read_sr,
    sop.EXTENSIBLE_SR: read_sr,
    sop.GRAYSCALE_PRESENTATION_STATE: read_gsps,
}
_ACCEPTED: Final = ".seg.nrrd, .nrrd, NIfTI, PNG, DICOM SEG, DICOM SR and GSPS"


def read_annotation(path: Path, image: ImageFacts) -> Annotation:
    """Read the annotation of one mammogram.

    Parameters
    ----------
    path
        A segmentation of 3D Slicer, a label map as NRRD, NIfTI or PNG, or a DICOM SEG, SR or GSPS.
    image
        The mammogram it is to lie on.

    Returns
    -------
    Annotation
        Of the image's size and as the image is stored.

    Raises
    ------
    TrainingError
        If it is of no kind known here, cannot be read, is empty, of another size, of several slices, turned or beside
        the image, names other images and not this one, or has labels that are neither lesion region nor calcification.
        The text names the file; nothing of its content that could identify a patient.
    """
    file = path.name
    head = _head(path)
    if head.startswith(_NRRD):
        return read_nrrd(path, image)
    if head.startswith(_PNG):
        return read_png(path, image)
    if any(head[at:].startswith(magic) for at, magic in _NIFTI):
        return read_nifti(path, image)
    if head[_DICOM[0] :].startswith(_DICOM[1]):
        return _read_dicom(path, image)
    raise TrainingError(f"{file}: is no annotation that can be read here; accepted are {_ACCEPTED}")


def _head(path: Path) -> bytes:
    """Give the first bytes, of a compressed file those of its content."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
        if head.startswith(_GZIP):
            with gzip.open(path) as stream:
                head = stream.read(_HEAD_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise TrainingError(f"{path.name}: cannot be read ({type(error).__name__})") from None
    return head


def _read_dicom(path: Path, image: ImageFacts) -> Annotation:
    file = path.name
    ds = Dataset()
    with readable(file, "DICOM"):
        ds = dcmread(path)
    kind = text(ds, "SOPClassUID")
    if kind == sop.MAMMOGRAPHY_CAD_SR:
        raise TrainingError(f"{file}: is the report of a CAD program; only what a reader outlined is an annotation")
    if kind not in _OBJECTS:
        raise TrainingError(f"{file}: is a DICOM object that outlines nothing; accepted are SEG, SR and GSPS")
    return _OBJECTS[kind](ds, image, file=file)
