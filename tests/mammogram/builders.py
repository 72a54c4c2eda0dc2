"""Datasets built in code for the tests of this package."""

from io import BytesIO

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
SYNTAX = {True: ExplicitVRLittleEndian, False: ExplicitVRBigEndian}


def code(value, scheme, meaning, **more):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    for keyword, content in more.items():
        setattr(item, keyword, content)
    return item


def lut(entries, *, first, bits, explanation="NORMAL", vr="US"):
    item = Dataset()
    item.add_new("LUTDescriptor", vr, [len(entries) & 0xFFFF, first, bits])
    item.LUTExplanation = explanation
    item.add_new("LUTData", "US", [int(entry) for entry in entries])
    return item


def image(**attributes):
    """Give a plain R MLO FOR PRESENTATION, with any attribute replaced; None takes one away."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    plain = {
        "SOPClassUID": FOR_PRESENTATION,
        "SOPInstanceUID": "1.2.3.4.1",
        "StudyInstanceUID": "1.2.3.4.2",
        "SeriesInstanceUID": "1.2.3.4.3",
        "Modality": "MG",
        "PresentationIntentType": "FOR PRESENTATION",
        "ImageType": ["DERIVED", "PRIMARY"],
        "ImageLaterality": "R",
        "ViewPosition": "MLO",
        "PatientOrientation": ["P", "FL"],
        "Rows": 8,
        "Columns": 6,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
    }
    for keyword, value in {**plain, **attributes}.items():
        if value is not None:
            setattr(ds, keyword, value)
    return ds


def ge_essential():
    """Give the header of a real GE Senographe Essential R MLO, as the facts describe it."""
    view = code("R-10226", "SNM3", "medio-lateral oblique")
    ds = image(
        Manufacturer="GE MEDICAL SYSTEMS",
        ManufacturerModelName="Senographe Essential VERSION ADS_53.40",
        ImageType=["DERIVED", "PRIMARY", ""],
        ViewPosition=None,
        Rows=3062,
        Columns=2394,
        ImagerPixelSpacing=[0.0940909, 0.0940909],
        EstimatedRadiographicMagnificationFactor="1.0628",
        FieldOfViewRotation="180",
        PatientAge="054Y",
        WindowCenter=[2200, 2300, 2100],
        WindowWidth=[700, 500, 900],
        WindowCenterWidthExplanation=["NORMAL", "HARDER", "SOFTER"],
        VOILUTFunction="SIGMOID",
        ViewCodeSequence=[view],
        AnatomicRegionSequence=[code("T-04000", "SNM3", "Breast")],
        VOILUTSequence=[
            lut(range(3447), first=625, bits=12, explanation="NORMAL"),
            lut(range(3016), first=1023, bits=12, explanation="HARDER"),
            lut(range(3887), first=203, bits=12, explanation="SOFTER"),
        ],
    )
    ds.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.70")
    return ds


def reread(ds, *, implicit=False, little=True):
    """Write and read back, so that elements are raw as they come from a peer."""
    meta, buffer = ds.file_meta, BytesIO()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else SYNTAX[little]
    pydicom.dcmwrite(buffer, ds, enforce_file_format=False)
    ds.file_meta = meta
    buffer.seek(0)
    again = pydicom.dcmread(buffer, force=True, stop_before_pixels=True)
    again.file_meta = meta
    return again
