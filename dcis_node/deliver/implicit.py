"""Explicit VR Little Endian to Implicit VR Little Endian, for peers that take nothing else (PS3.5 10.1)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pydicom
from pydicom.uid import ImplicitVRLittleEndian


@contextmanager
def implicit_copy(path: Path) -> Iterator[Path]:
    """Give a copy of a DICOM file in Implicit VR Little Endian for the length of a block.

    The values, and so the UIDs, are the same; the same file gives the same bytes each time.

    Parameters
    ----------
    path
        In Explicit VR Little Endian.

    Raises
    ------
    OSError
        The file cannot be read, or its copy not be written.
    """
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    with TemporaryDirectory(prefix="dcis-node-") as folder:
        copy = Path(folder) / "object"
        dataset.save_as(copy, implicit_vr=True, little_endian=True, enforce_file_format=True)
        yield copy
