"""Lossless copies of a file in the transfer syntaxes that mammography arrives in."""

from copy import deepcopy
from typing import cast

import gdcm
from pydicom import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
COMPRESSED = (JPEG2000Lossless, JPEGLSLossless, RLELossless, JPEGLosslessSV1, JPEGLossless)


def compress(ds: FileDataset, transfer_syntax: UID) -> FileDataset:
    """Give a copy of an uncompressed file in another transfer syntax; the pixels and all UIDs stay.

    Raises
    ------
    ValueError
        If we cannot write that syntax.
    """
    out = deepcopy(ds)
    if transfer_syntax in UNCOMPRESSED:
        out.file_meta.TransferSyntaxUID = transfer_syntax
    elif transfer_syntax in (JPEGLosslessSV1, JPEGLossless):
        _set_frame(out, _jpeg_lossless(out, transfer_syntax), transfer_syntax)
    elif transfer_syntax in COMPRESSED:
        out.compress(transfer_syntax, generate_instance_uid=False)
    else:
        raise ValueError(f"cannot write this transfer syntax; known: {', '.join((*UNCOMPRESSED, *COMPRESSED))}")
    return out


def _set_frame(ds: FileDataset, frame: bytes, transfer_syntax: UID) -> None:
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = transfer_syntax


def _jpeg_lossless(ds: FileDataset, transfer_syntax: UID) -> bytes:
    """Encode one frame of 16-bit words as lossless JPEG (process 14)."""
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimension(0, ds.Columns)
    image.SetDimension(1, ds.Rows)
    image.SetPixelFormat(gdcm.PixelFormat(1, ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation))
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.GetPIType(ds.PhotometricInterpretation))
    )
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ExplicitVRLittleEndian))
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetByteStringValue(ds.PixelData)
    image.SetDataElement(element)
    change = gdcm.ImageChangeTransferSyntax()
    kind = "JPEGLosslessProcess14_1" if transfer_syntax == JPEGLosslessSV1 else "JPEGLosslessProcess14"
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, kind)))
    image.thisown = False  # from here on the encoder counts the references, and frees it
    change.SetInput(image)
    if not change.Change():
        raise ValueError("the encoder did not take the image")
    fragments = change.GetOutput().GetDataElement().GetSequenceOfFragments()
    stream = fragments.GetFragment(0).GetByteValue().GetBuffer()
    return cast("bytes", stream.encode("utf-8", errors="surrogateescape") if isinstance(stream, str) else stream)
