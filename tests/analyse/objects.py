"""Small DICOM files made in code: mammograms of 256 x 192 with a bright breast, and what else comes in an exam."""

from io import BytesIO

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian

FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"
CT = "1.2.840.10008.5.1.4.1.1.2"
KEY_OBJECT = "1.2.840.10008.5.1.4.1.1.88.59"
PRESENTATION_STATE = "1.2.840.10008.5.1.4.1.1.11.1"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
ROWS, COLUMNS = 256, 192
ORIENTATIONS = {"R CC": ["P", "L"], "L CC": ["A", "R"], "R MLO": ["P", "FL"], "L MLO": ["A", "FR"]}


def breast_pixels(laterality: str, *, seed: int = 0) -> np.ndarray:
    """Give (256, 192) uint16 stored values: half an ellipse at the chest wall, with grains, on air."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:ROWS, 0:COLUMNS]
    inside = ((rows - ROWS / 2) / 110) ** 2 + (columns / 150) ** 2 < 1
    pixels = np.where(inside, 1800 + rng.normal(0, 40, inside.shape), 40).astype(np.uint16)
    for row, column in rng.integers((90, 30), (160, 90), (12, 2)):
        pixels[row : row + 2, column : column + 2] = 3600
    return pixels if laterality == "L" else np.ascontiguousarray(pixels[:, ::-1])


def base(number: int, sop_class: str, *, patient: str = "P1") -> Dataset:
    """Give the attributes that every object of an exam has."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = sop_class
    ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, f"1.2.3.{number}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"1.2.4.{patient[1:]}", f"1.2.5.{number}"
    ds.PatientID, ds.PatientName, ds.PatientBirthDate, ds.PatientSex = patient, "Canary^Yellow", "19700101", "F"
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID = "20261123", "101500", "A1", "1"
    ds.ReferringPhysicianName, ds.Manufacturer, ds.Modality = "", "Maker", "OT"
    ds.SeriesNumber, ds.InstanceNumber = number, 1
    return ds


def mammogram(number: int, name: str = "R CC", *, patient: str = "P1", **changes) -> Dataset:
    """Give a standards-like FFDM FOR PRESENTATION; `changes` replace attributes, None takes one away."""
    laterality, _, view = name.partition(" ")
    ds = base(number, FOR_PRESENTATION, patient=patient)
    pixels = breast_pixels(laterality, seed=number)
    values = {
        "Modality": "MG",
        "PresentationIntentType": "FOR PRESENTATION",
        "ImageType": ["DERIVED", "PRIMARY"],
        "ImageLaterality": laterality,
        "ViewPosition": view,
        "PatientOrientation": ORIENTATIONS.get(name, ["P", "L"]),
        "AcquisitionDate": "20261123",
        "AcquisitionTime": f"10{number % 60:02d}00",
        "ImagerPixelSpacing": [0.1, 0.1],
        "PatientAge": "056Y",
        "Rows": ROWS,
        "Columns": COLUMNS,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "PixelIntensityRelationship": "LOG",
        "WindowCenter": 2048,
        "WindowWidth": 4096,
        "PixelData": pixels.tobytes(),
        **changes,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(ds, keyword, value)
    return ds


def key_object(number: int, **changes) -> Dataset:
    """Give a key object selection: no image, no mark."""
    ds = base(number, KEY_OBJECT, **changes)
    ds.Modality = "KO"
    return ds


def other_class(number: int, sop_class: str, modality: str, **changes) -> Dataset:
    """Give the mammogram's pixels under another SOP class."""
    ds = mammogram(number, Modality=modality, **changes)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    return ds


def compressed_garbage(number: int, name: str) -> Dataset:
    """Give a view whose JPEG 2000 stream is noise."""
    ds = mammogram(number, name)
    noise = np.random.default_rng(number).integers(0, 256, 4000, np.uint8).tobytes()
    ds.file_meta.TransferSyntaxUID = JPEG_2000
    ds.PixelData = encapsulate([b"\xff\x4f\xff\x51" + noise])
    ds["PixelData"].VR = "OB"
    return ds


def encoded(ds: Dataset) -> bytes:
    """Give the complete PS3.10 file."""
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def reread(data: bytes) -> Dataset:
    """Read a file's bytes."""
    return dcmread(BytesIO(data))


def drawing(number: int, image: Dataset, *, row: float = 100.0, column: float = 100.0) -> Dataset:
    """Give a presentation state with one point drawn on an image; row and column are 0-based."""
    ds = base(number, PRESENTATION_STATE, patient=str(image.PatientID))
    ds.Modality = "PR"
    reference, series, graphic, annotation = Dataset(), Dataset(), Dataset(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedImageSequence = image.SeriesInstanceUID, [reference]
    graphic.GraphicAnnotationUnits, graphic.GraphicDimensions = "PIXEL", 2
    graphic.NumberOfGraphicPoints, graphic.GraphicType, graphic.GraphicFilled = 1, "POINT", "N"
    # PS3.3 C.10.5.1.2: column, then row; 1\1 is the first pixel's lower right corner.
    graphic.GraphicData = [column + 0.5, row + 0.5]
    annotation.ReferencedImageSequence, annotation.GraphicLayer = [reference], "MARKS"
    annotation.GraphicObjectSequence = [graphic]
    ds.ReferencedSeriesSequence, ds.GraphicAnnotationSequence = [series], [annotation]
    ds.ContentLabel, ds.PresentationCreationDate, ds.PresentationCreationTime = "MARK", "20261123", "110000"
    return ds
