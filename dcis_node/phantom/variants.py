"""The odd objects of a real archive, made from a valid view: what a node must name, and mostly must not analyse.

Each function gives a copy with UIDs derived from the original's; the original is not touched.
"""

from copy import deepcopy
from types import MappingProxyType

import numpy as np
from pydicom import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    BreastTomosynthesisImageStorage,
    CTImageStorage,
    DigitalMammographyXRayImageStorageForProcessing,
)

from dcis_node.phantom.dicom import COMMENT, derived_uid

# PS3.16 CID 4015, SNOMED CT.
_MODIFIERS = MappingProxyType(
    {
        "magnification": ("399163009", "Magnification"),
        "spot_compression": ("399055006", "Spot Compression"),
        "implant_displaced": ("399209000", "Implant Displaced"),
    }
)


def renamed(ds: FileDataset, role: str, *, sop_class: UID | None = None, new_series: bool = True) -> FileDataset:
    """Copy an instance under a UID of its own, in a series of its own."""
    out = deepcopy(ds)
    out.SOPInstanceUID = derived_uid(f"{ds.SOPInstanceUID}/{role}")
    if new_series:
        out.SeriesInstanceUID = derived_uid(f"{ds.SeriesInstanceUID}/{role}")
        out.SeriesNumber = int(ds.SeriesNumber) + 100
    if sop_class is not None:
        out.SOPClassUID = sop_class
        out.file_meta.MediaStorageSOPClassUID = sop_class
    out.file_meta.MediaStorageSOPInstanceUID = out.SOPInstanceUID
    return out


def magnification_view(ds: FileDataset) -> FileDataset:
    """Give the view as a magnification view: nested modifier, and a magnification of 1.8."""
    out = renamed(ds, "magnification")
    _add_modifier(out, "magnification")
    out.DistanceSourceToPatient = "388.888888888889"
    out.EstimatedRadiographicMagnificationFactor = "1.8"
    out.PaddleDescription = "MAG PADDLE"
    out.SeriesDescription = f"{ds.SeriesDescription} MAG"
    return out


def spot_compression_view(ds: FileDataset) -> FileDataset:
    """Give the view as a spot compression view without magnification."""
    out = renamed(ds, "spot")
    _add_modifier(out, "spot_compression")
    out.PaddleDescription = "SPOT"
    return out


def implant_view(ds: FileDataset, *, displaced: bool) -> FileDataset:
    """Give the view as one of a breast with an implant, displaced (Eklund) or not."""
    out = renamed(ds, f"implant/{displaced}")
    out.BreastImplantPresent = "YES"
    if displaced:
        _add_modifier(out, "implant_displaced")
    return out


def for_processing(ds: FileDataset) -> FileDataset:
    """Give the raw image of the same exposure: FOR PROCESSING, no grey scale."""
    out = renamed(ds, "processing", sop_class=DigitalMammographyXRayImageStorageForProcessing)
    out.PresentationIntentType = "FOR PROCESSING"
    out.ImageType = ["ORIGINAL", "PRIMARY", ""]
    for name in ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction", "VOILUTSequence"):
        if name in out:
            delattr(out, name)
    return out


def synthetic_2d(ds: FileDataset) -> FileDataset:
    """Give the view as a 2D image computed from a tomosynthesis."""
    out = renamed(ds, "synthetic2d")
    out.ImageType = ["DERIVED", "PRIMARY", "", "GENERATED_2D"]
    out.SeriesDescription = f"{ds.SeriesDescription} C-View"
    return out


def of_age(ds: FileDataset, *, years: int) -> FileDataset:
    """Give the view of a patient of another age."""
    out = renamed(ds, f"age/{years}")
    out.PatientBirthDate = f"{int(ds.StudyDate[:4]) - years:04d}0101"
    out.PatientAge = f"{years:03d}Y"
    return out


def repeated(ds: FileDataset, *, minutes: int = 5) -> FileDataset:
    """Give a second exposure of the same view, some minutes later."""
    out = renamed(ds, f"repeat/{minutes}")
    hours, rest = divmod(int(ds.AcquisitionTime[:2]) * 60 + int(ds.AcquisitionTime[2:4]) + minutes, 60)
    out.AcquisitionTime = out.ContentTime = f"{hours % 24:02d}{rest:02d}{ds.AcquisitionTime[4:6]}"
    return out


def without_pixels(ds: FileDataset) -> FileDataset:
    """Give the view with no pixel data at all."""
    out = renamed(ds, "empty")
    del out.PixelData
    return out


def tomosynthesis(ds: FileDataset, *, frames: int = 3, size: tuple[int, int] = (64, 48)) -> FileDataset:
    """Give a small multi-frame Breast Tomosynthesis object of the same breast.

    The facts of the image stand in its functional groups, as in a real one; it is not a complete BTO.
    """
    out = renamed(ds, "tomosynthesis", sop_class=BreastTomosynthesisImageStorage)
    for name in ("ImageLaterality", "ViewPosition", "PatientOrientation", "ImagerPixelSpacing", "ViewCodeSequence"):
        delattr(out, name)
    out.ImageType = ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "NONE"]
    out.SeriesDescription = f"{ds.SeriesDescription} Tomosynthesis"
    out.NumberOfFrames = frames
    out.Rows, out.Columns = size
    out.VolumetricProperties, out.PixelPresentation = "VOLUME", "MONOCHROME"
    anatomy, shared = Dataset(), Dataset()
    anatomy.FrameLaterality = ds.ImageLaterality
    anatomy.AnatomicRegionSequence = deepcopy(ds.AnatomicRegionSequence)
    shared.FrameAnatomySequence = Sequence([anatomy])
    out.ViewCodeSequence = deepcopy(ds.ViewCodeSequence)
    out.SharedFunctionalGroupsSequence = Sequence([shared])
    out.PerFrameFunctionalGroupsSequence = Sequence([Dataset() for _ in range(frames)])
    out.PixelData = np.zeros((frames, *size), "<u2").tobytes()
    return out


def ct_slice(ds: FileDataset) -> FileDataset:
    """Give a small CT image of the same study: not mammography."""
    out = FileDataset("", {}, file_meta=deepcopy(ds.file_meta), preamble=b"\0" * 128)
    for element in ds.group_dataset(0x0010):
        out.add(element)
    for name in ("SpecificCharacterSet", "StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"):
        out[name] = ds[name]
    out.update(_ct_image())
    out.SeriesInstanceUID = derived_uid(f"{ds.SeriesInstanceUID}/ct")
    out.FrameOfReferenceUID = derived_uid(f"{ds.SeriesInstanceUID}/ct/frame")
    out.SOPClassUID = out.file_meta.MediaStorageSOPClassUID = CTImageStorage
    out.SOPInstanceUID = out.file_meta.MediaStorageSOPInstanceUID = derived_uid(f"{ds.SOPInstanceUID}/ct")
    out.ReferringPhysicianName, out.Manufacturer, out.ImageComments = "", "SYNTHETIC PHANTOM", COMMENT
    return out


def _ct_image() -> Dataset:
    image = Dataset()
    image.Modality, image.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.SeriesNumber, image.InstanceNumber, image.AcquisitionNumber = 900, 1, 1
    image.Laterality, image.PatientPosition = "", "HFS"
    image.KVP, image.PositionReferenceIndicator = "120", ""
    image.ImagePositionPatient, image.ImageOrientationPatient = ["0", "0", "0"], ["1", "0", "0", "0", "1", "0"]
    image.PixelSpacing, image.SliceThickness = ["1", "1"], "1"
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Rows, image.Columns = 32, 32
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.RescaleIntercept, image.RescaleSlope = "-1024", "1"
    image.PixelData = np.full((32, 32), 1024, "<u2").tobytes()
    image["PixelData"].VR = "OW"
    return image


def _add_modifier(ds: Dataset, name: str) -> None:
    """Nest a view modifier where PS3.3 C.8.11.7 puts it: within the view code."""
    code = Dataset()
    code.CodeValue, code.CodeMeaning = _MODIFIERS[name]
    code.CodingSchemeDesignator = "SCT"
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence([code])
