"""Good objects to spoil: pydicom's test files that its wheel brings, and what the project itself makes."""

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from dcis_node.mammogram.storage_classes import ACCEPTED_SOP_CLASSES, MAMMOGRAPHY_FOR_PRESENTATION
from dcis_node.phantom.encode import compress
from dcis_node.results.kinds import ResultKind
from tests.receive.helpers import Image
from tests.results.builders import four_view_results

# Larger ones say no more, and cost time.
LARGEST_BYTES = 160 * 1024
META_AT = 132  # PS3.10 7.1: preamble and prefix
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    RLELossless,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLosslessSV1,
)
KINDS = frozenset(ResultKind) - {ResultKind.SUMMARY_IMAGE}


@dataclass(frozen=True)
class Seed:
    """A good object, cut into its data set and what stands before it."""

    name: str
    sop_class: str
    instance: str
    syntax: str
    before: bytes
    data_set: bytes

    @property
    def part10(self) -> bytes:
        """The whole file."""
        return self.before + self.data_set


@cache
def seeds() -> tuple[Seed, ...]:
    """Give all of them, in an order that does not change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of the test files are odd themselves
        return (*_own_images(), *_own_results(), *_test_files())


def _own_images() -> Iterator[Seed]:
    for syntax in SYNTAXES:
        ds = Image(study="2.25.78", rows=64).dataset(SOPInstanceUID="2.25.77.1", SeriesInstanceUID="2.25.79")
        noise = np.random.default_rng(1).integers(0, 4096, (64, 64), dtype=np.uint16)
        ds.PixelData = noise.tobytes()
        if syntax == ExplicitVRBigEndian:
            ds.file_meta.TransferSyntaxUID = syntax
            yield _seed(f"own/{syntax.name}", ds)
        else:
            yield _seed(f"own/{syntax.name}", compress(ds, syntax))


def _own_results() -> Iterator[Seed]:
    for result in four_view_results(KINDS):
        yield _seed(f"own/{result.kind}", pydicom.dcmread(BytesIO(result.data)))


def _test_files() -> Iterator[Seed]:
    folder = Path(pydicom.data.__file__).parent
    for path in sorted((*(folder / "test_files").glob("*.dcm"), *(folder / "charset_files").glob("*.dcm"))):
        if path.stat().st_size > LARGEST_BYTES:
            continue
        # Some of them cannot be read, or not be written again: that is what they are for.
        with contextlib.suppress(Exception):
            ds = pydicom.dcmread(path, force=True)
            if ds.get("SOPClassUID") in ACCEPTED_SOP_CLASSES:
                yield _seed(f"pydicom/{path.name}", ds)
            yield _seed(f"pydicom/{path.name}/as mammogram", _as_mammogram(ds))


def _as_mammogram(ds: Dataset) -> Dataset:
    """Give it what a mammogram has, so that more than its class is looked at."""
    like = Image(study="2.25.78").dataset(SOPInstanceUID="2.25.77.2", SeriesInstanceUID="2.25.79")
    for element in like:
        if element.tag.group == 0x0008 or element.keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
            ds[element.tag] = element
    for keyword in ("PatientID", "ImageLaterality", "ViewPosition", "ImagerPixelSpacing", "PatientOrientation"):
        ds[keyword] = like[keyword]
    ds.SOPClassUID = MAMMOGRAPHY_FOR_PRESENTATION
    return ds


def _seed(name: str, ds: Dataset) -> Seed:
    meta = getattr(ds, "file_meta", None) or FileMetaDataset()
    syntax = str(meta.get("TransferSyntaxUID", ImplicitVRLittleEndian))
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = str(ds.SOPClassUID)
    ds.file_meta.MediaStorageSOPInstanceUID = str(ds.SOPInstanceUID)
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.ImplementationClassUID = "2.25.2"
    buffer = BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True, overwrite=True)
    data = buffer.getvalue()
    # (0002,0000) UL, 4 bytes: its value is the length of the rest of the group.
    at = META_AT + 12 + int.from_bytes(data[META_AT + 8 : META_AT + 12], "little")
    return Seed(name, str(ds.SOPClassUID), str(ds.SOPInstanceUID), syntax, data[:at], data[at:])
