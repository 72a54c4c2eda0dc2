"""One tiny compressed image for each decoder, so that `check` can prove that it really decodes.

The image is 32 x 32, 12 bits stored: (column // 8) * 900 + (row // 16) * 200. The streams are zlib-packed base64.
"""

import base64
import zlib
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

SIZE = 32
STREAMS: dict[str, tuple[str, str]] = {
    "RLE": (RLELossless, "eNpjYmBgcABhRgaywE+Gn8w/2X9yDSDNAqS5B5Bu+cnxs2fA6BM/fX5e+BkyUDQADdIxMw=="),
    "JPEG-LS": (
        JPEGLSLossless,
        (
            "eNr7f+P/dwZuHgYFBgVGRkGG/7cYOBgZGYDgDxBzfFBoEmgB8VgPLoCABgYGJh0VMFAPMGY9+Eicu93DT11G8VHhITl1GeWT5wSf"
            "POf4VNxSaXnIZs5DubmHqso5X95RX14wb267PBOHIocDU4uSkhKblZLKBMNJniqNViXvhC/v8Pd7aGvd8gXEjLfnfv6w5o/+/NbP"
            "H/bViZ8/9PNHvN3/mwC/BkIu"
        ),
    ),
    "JPEG 2000": (
        JPEG2000Lossless,
        (
            "eNr77/8/kEGTAQQUoBgGUPmM3IyM/4MYeEBMBlYWFgbG/zEMwg4JGRkFyOh/CoMqA6NzUWpiSWqKQlKlgn9Bap5XgKu7QllqUXFm"
            "fp6CkZ6pntH/CQxcYGM3As2ZfP4JB2v+8U/szB+YGBgy9zPzH//Ez/itqYGX6cSDMz3hnEsvXNt/8GfngdqFCoIBSvui6/g2JbDZ"
            "eMVcc4ksZI7kKU89FrJyxtX5B3/2ApUsENfsWX7hrCITk56DF9AGHhXJ6wx1otvjLdjkGa4c8Om32SiXp7L2fz1QuUPtwgbFHFE/"
            "Tr/v+6YyMLAJCf33TD4A1CL9O0ZFPj1r1dMQ1yoGg+h37f9vAgDCCGJ4"
        ),
    ),
    "JPEG lossless": (
        JPEGLosslessSV1,
        (
            "eNr7f+P/YQZuAQYFBgVGRkGG/0cYxBkYgYABGXBxCPy/xcABFAWKPxDnYHrIEKPAwN3CWNCgJ8DAeohhh4M4BwNYlLuFASwKFASL"
            "AgXBokBBBrDoDgcGSg2QVqC7legGsP+/CQBcOkaq"
        ),
    ),
    "uncompressed": (ExplicitVRLittleEndian, ""),
}


def expected() -> NDArray[np.uint16]:
    """Give the stored values that every probe must decode to: (32, 32) uint16."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    return np.asarray((columns // 8) * 900 + (rows // 16) * 200, dtype=np.uint16)


def probe_file(name: str) -> bytes:
    """Give a whole DICOM file that carries the probe `name` (a key of `STREAMS`)."""
    syntax, packed = STREAMS[name]
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta.MediaStorageSOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    dataset.file_meta.MediaStorageSOPInstanceUID = UID("2.25.1")
    dataset.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    dataset.SOPInstanceUID = UID("2.25.1")
    dataset.StudyInstanceUID = "2.25.2"
    dataset.SeriesInstanceUID = "2.25.3"
    dataset.Rows = dataset.Columns = SIZE
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    if packed:
        dataset.PixelData = encapsulate([zlib.decompress(base64.b64decode(packed))])
        dataset["PixelData"].VR = "OB"
    else:
        dataset.PixelData = expected().astype("<u2").tobytes()
        dataset["PixelData"].VR = "OW"
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
