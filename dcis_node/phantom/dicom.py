"""Valid DICOM files of a synthetic exam (PS3.3 A.26, Digital Mammography X-Ray Image IOD, FOR PRESENTATION).

Nobody can take them for a patient's: name, issuer, institution, manufacturer, comments say synthetic.
"""

from types import MappingProxyType
from uuid import UUID, uuid5

from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)

from dcis_node.phantom.encode import compress
from dcis_node.phantom.exam import PhantomExam, PhantomView
from dcis_node.phantom.vendor import display_dataset

COMMENT = "SYNTHETIC PHANTOM - NOT A PATIENT - RESEARCH USE ONLY"
_NAMESPACE = UUID("8b6e2c0e-9d0f-5f0a-8a55-5c7b1a7f3d21")  # drawn once; names of this module's UIDs
# PS3.16 CID 4014, SNOMED CT.
_VIEW_CODES = MappingProxyType({"CC": ("399162004", "cranio-caudal"), "MLO": ("399368009", "medio-lateral oblique")})
_SOURCE_TO_DETECTOR_MM, _SOURCE_TO_PATIENT_MM = 700.0, 660.0


def exam_datasets(
    exam: PhantomExam,
    *,
    patient_id: str,
    study_date: str,
    study_time: str,
    transfer_syntax: UID = ExplicitVRLittleEndian,
    age_years: int = 54,
    accession_number: str = "",
) -> list[FileDataset]:
    """Make one file dataset per view, in the order of the views.

    UIDs are derived from the exam's seed and choices, the patient's ID and the study's date and time: equal arguments
    give equal bytes, another date another study.

    Parameters
    ----------
    patient_id
        Goes into (0010,0020) as it is.
    study_date, study_time
        DICOM values DA (YYYYMMDD) and TM (HHMMSS). The views follow one another by two minutes.
    transfer_syntax
        Of the pixel data; see `dcis_node.phantom.encode`.
    age_years
        The birth date is 1 January of the year that fits.

    Raises
    ------
    ValueError
        If the transfer syntax is not one we can write.
    """
    name = "/".join(_names(exam, patient_id, study_date, study_time))
    datasets = []
    for number, view in enumerate(exam.views, start=1):
        ds = _file(derived_uid(f"{name}/instance/{number}"))
        _add_patient(ds, patient_id, study_date, age_years)
        _add_study(ds, name, study_date, study_time, accession_number)
        _add_series(ds, name, view, number, study_date, study_time)
        _add_acquisition(ds, view)
        _add_image(ds, view)
        datasets.append(compress(ds, transfer_syntax))
    return datasets


def derived_uid(name: str) -> UID:
    """Give the UID of a name: always the same (UUID version 5 under 2.25, PS3.5 B.2)."""
    return UID(f"2.25.{uuid5(_NAMESPACE, name).int}")


def _names(exam: PhantomExam, patient_id: str, study_date: str, study_time: str) -> tuple[str, ...]:
    t, first = exam.truth, exam.views[0]
    size = "x".join(str(n) for n in first.stored.shape)
    orientation = "+".join(first.patient_orientation)
    lesion = f"{t.laterality}{t.grade}"
    return (str(t.seed), t.vendor, t.lut, size, orientation, lesion, patient_id, study_date, study_time)


def _file(instance_uid: UID) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = instance_uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    ds.SOPInstanceUID = instance_uid
    return ds


def _add_patient(ds: Dataset, patient_id: str, study_date: str, age_years: int) -> None:
    ds.PatientName = "SYNTHETIC^PHANTOM"
    ds.PatientID = patient_id
    ds.IssuerOfPatientID = "SYNTHETIC"
    ds.PatientBirthDate = f"{int(study_date[:4]) - age_years:04d}0101"
    ds.PatientSex = "F"
    ds.PatientAge = f"{age_years:03d}Y"
    ds.PatientComments = COMMENT


def _add_study(ds: Dataset, name: str, study_date: str, study_time: str, accession_number: str) -> None:
    ds.StudyInstanceUID = derived_uid(f"{name}/study")
    ds.StudyID = "1"
    ds.StudyDate, ds.StudyTime = study_date, study_time
    ds.StudyDescription = "Synthetic mammography phantom"
    ds.AccessionNumber = accession_number
    ds.ReferringPhysicianName = ""


def _add_series(ds: Dataset, name: str, view: PhantomView, number: int, study_date: str, study_time: str) -> None:
    time = _later(study_time, minutes=2 * (number - 1))
    ds.Modality = "MG"
    ds.SeriesInstanceUID = derived_uid(f"{name}/series/{number}")
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = number, 1, 1
    ds.SeriesDescription = f"{view.laterality} {view.view}"
    for kind in ("Series", "Acquisition", "Content"):
        setattr(ds, f"{kind}Date", study_date)
        setattr(ds, f"{kind}Time", time)
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.Manufacturer = "SYNTHETIC PHANTOM"
    ds.ManufacturerModelName = f"geometry {view.vendor.name}"
    ds.InstitutionName = "none (synthetic)"
    ds.DeviceSerialNumber, ds.SoftwareVersions = "1", "1"
    ds.ImageComments = COMMENT


def _later(time: str, *, minutes: int) -> str:
    total = (int(time[:2]) * 60 + int(time[2:4]) + minutes) % (24 * 60)
    return f"{total // 60:02d}{total % 60:02d}{time[4:6] or '00'}"


def _add_acquisition(ds: Dataset, view: PhantomView) -> None:
    ds.BodyPartExamined = "BREAST"
    ds.KVP = "29"
    ds.DistanceSourceToDetector = f"{_SOURCE_TO_DETECTOR_MM:.0f}"
    ds.DistanceSourceToPatient = f"{_SOURCE_TO_PATIENT_MM:.0f}"
    magnification = _SOURCE_TO_DETECTOR_MM / _SOURCE_TO_PATIENT_MM
    ds.EstimatedRadiographicMagnificationFactor = f"{magnification:.12f}"
    ds.FieldOfViewShape = "RECTANGLE"
    ds.ExposureTime, ds.XRayTubeCurrent, ds.Exposure, ds.ExposureInuAs = 900, 100, 90, 90000
    ds.ImagerPixelSpacing = [f"{v:g}" if v != round(v, 7) else str(v) for v in view.spacing_mm]
    ds.Grid, ds.FocalSpots, ds.AnodeTargetMaterial, ds.FilterMaterial = "FOCUSED", "0.3", "TUNGSTEN", "RHODIUM"
    ds.BodyPartThickness, ds.CompressionForce = "55", "98"
    ds.PositionerType = "MAMMOGRAPHIC"
    ds.PositionerPrimaryAngle = "0" if view.view == "CC" else ("-45" if view.laterality == "R" else "45")
    ds.PositionerSecondaryAngle = "0"
    ds.DetectorType, ds.DetectorConfiguration, ds.DetectorID = "DIRECT", "AREA", "1"
    ds.FieldOfViewOrigin, ds.FieldOfViewRotation, ds.FieldOfViewHorizontalFlip = ["0", "0"], "0", "NO"
    ds.ExposureControlMode = "AUTOMATIC"
    ds.HalfValueLayer, ds.OrganDose, ds.EntranceDoseInmGy, ds.OrganExposed = "0.55", "0.0012", "4.5", "BREAST"
    ds.AcquisitionContextSequence = Sequence([])


def _add_image(ds: Dataset, view: PhantomView) -> None:
    ds.ImageType = ["DERIVED", "PRIMARY", ""]
    ds.ImageLaterality = view.laterality
    ds.ViewPosition = view.view
    ds.ViewCodeSequence = Sequence([_code(*_VIEW_CODES[view.view])])
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence([])
    ds.AnatomicRegionSequence = Sequence([_code("76752008", "Breast")])
    ds.PatientOrientation = list(view.patient_orientation)
    ds.BreastImplantPresent, ds.PartialView = "NO", "NO"
    ds.QualityControlImage, ds.BurnedInAnnotation, ds.LossyImageCompression = "NO", "NO", "00"
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", -1 if view.vendor.monochrome1 else 1
    ds.Rows, ds.Columns = view.stored.shape
    ds.update(display_dataset(view.vendor, view.lut))
    ds.PixelData = view.stored.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "SCT", meaning
    return code
