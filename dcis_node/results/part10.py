"""The file of a result, as PS3.10 wants it.

Elements that are still bytes go in as they are: pydicom would decode and encode them again by the character set that
the source declares, and lose what that set does not hold.
"""

import io
from itertools import groupby

from pydicom import DataElement, Dataset, dcmwrite
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset


def file_of(ds: Dataset, meta: FileMetaDataset) -> bytes:
    """Write an object in Explicit VR Little Endian with a preamble of zeros.

    The preamble could carry a program (CVE-2019-11687).
    """
    head = Dataset()
    head.file_meta = meta
    head.preamble = bytes(128)
    buffer = io.BytesIO()
    dcmwrite(buffer, head, enforce_file_format=True)
    return buffer.getvalue() + _body(ds)


def _body(ds: Dataset) -> bytes:
    """Encode the elements in their order, those that are bytes by themselves."""
    fp = DicomBytesIO()
    fp.is_little_endian, fp.is_implicit_VR = True, False
    elements = (ds.get_item(tag) for tag in sorted(ds.keys()))
    for raw, run in groupby(elements, key=lambda element: isinstance(element, RawDataElement)):
        if raw:
            for element in run:
                _write(fp, element)
        else:
            part = Dataset()
            part.update({element.tag: element for element in run})
            write_dataset(fp, part)
    return bytes(fp.getvalue())


def _write(fp: DicomBytesIO, element: DataElement | RawDataElement) -> None:
    """Write tag, VR, length and value (PS3.5 7.1.2); the VRs of texts have 16 bits for the length."""
    value = bytes(element.value or b"")
    fp.write_tag(element.tag)
    fp.write(str(element.VR).encode("ascii"))
    fp.write_US(len(value))
    fp.write(value)
