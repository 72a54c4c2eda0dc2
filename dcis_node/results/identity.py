"""Who and when: derived UIDs, patient and study as the images state them, the node as equipment, all times."""

from datetime import datetime, timedelta, timezone
from uuid import UUID, uuid5

from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.sr.coding import Code
from pydicom.tag import Tag

from dcis_node.mammogram.values import text, texts
from dcis_node.results import codes
from dcis_node.results.answer import Equipment, ExamAnswer, SourceImage
from dcis_node.results.stated import as_element, keeps_its_vr, plain_items, stated

# Fixed for ever: the same inputs have to give the same UIDs in every version of this program.
_NAMESPACE = UUID("db933724-c091-53d4-a939-118bdc936331")

RESEARCH_USE = "RESEARCH USE ONLY - NOT FOR CLINICAL USE"
SYNTHETIC_MODEL = "SYNTHETIC MODEL trained on phantoms: figures have no clinical meaning"
SYNTHETIC_SHORT = "SYNTHETIC MODEL (phantoms): figures have no clinical meaning"

# Kept as they came even when they break their VR: another patient identity would be worse than a long one. The
# character set with them: their bytes mean what it says, even where it says it wrongly.
_AS_STATED = frozenset({"PatientName", "PatientID", "IssuerOfPatientID", "SpecificCharacterSet"})
# PS3.3 C.7.1.1, C.7.2.1: type 2, present in every object.
_TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
# Type 3: copied where the source has them.
_TYPE_3 = (
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "OtherPatientIDsSequence",
    "PatientAge",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "StudyDescription",
    "IssuerOfAccessionNumberSequence",
    "TimezoneOffsetFromUTC",
)
COPIED = frozenset((*_TYPE_2, *_TYPE_3, "SpecificCharacterSet"))


def derived_uid(*parts: str) -> str:
    """Derive a UID from names: UUIDv5 as 2.25.<integer> (PS3.5 B.2)."""
    return f"2.25.{uuid5(_NAMESPACE, '/'.join(parts)).int}"


def result_uid(answer: ExamAnswer, kind: str, *, source_uid: str = "") -> str:
    """Derive the UID of one result, or of its series, from the inputs, the bundle, its type and its source view."""
    return derived_uid(answer.inputs_sha256, answer.model.sha256, kind, source_uid)


def device_uid(equipment: Equipment) -> str:
    """Derive the UID of the node as a device."""
    return derived_uid("device", equipment.manufacturer, equipment.model_name, equipment.device_serial_number)


def plain(value: str, *, limit: int = 0) -> str:
    """Make a text printable ASCII, so that it means the same in every character set; cut it at a limit if there is one.

    Backslash and tilde differ in ISO_IR 13, and the backslash separates values: both are replaced.
    """
    cleaned = "".join(c if " " <= c <= "}" and c != "\\" else "?" for c in " ".join(value.split()))
    return cleaned[:limit].rstrip() if limit else cleaned


def made_at(answer: ExamAnswer, attributes: Dataset) -> datetime:
    """Give the time of the decision in the zone of the images, where they state one, else in its own."""
    return in_zone_of(answer.made_at, attributes)


def in_zone_of(moment: datetime, attributes: Dataset) -> datetime:
    """Give a moment in the zone of the images, where they state one, else in its own.

    Timezone Offset From UTC rules all dates of an object (PS3.3 C.12.1.1.8), the copied ones too. So it is copied with
    them, and never added where the images lack it.
    """
    offset = text(attributes, "TimezoneOffsetFromUTC")
    if len(offset) == 5 and offset[0] in "+-" and offset[1:].isdigit():
        minutes = int(offset[1:3]) * 60 + int(offset[3:])
        sign = -1 if offset[0] == "-" else 1
        if minutes < 24 * 60:
            return moment.astimezone(timezone(sign * timedelta(minutes=minutes)))
    return moment


def dress(ds: Dataset, answer: ExamAnswer, *, source: SourceImage, description: str, number: int) -> None:
    """Put on an object what all results share: patient, study, series, equipment, times, private codes.

    Parameters
    ----------
    ds
        A result object without a patient: what highdicom made from the stand-ins of `stand_in`.
    source
        The image whose patient and study attributes are copied.
    description
        Of the series, after "RUO", what tells it from the others first.
    number
        Of the series.
    """
    _copy_patient_and_study(ds, source.attributes)
    _set_times(ds, made_at(answer, source.attributes))
    _set_equipment(ds, answer, source.attributes)
    synthetic = " SYNTHETIC" if answer.model.synthetic else ""
    again = f" v{answer.version}" if answer.version > 1 else ""
    # Lists of series cut it after some twenty characters: what tells one from another comes first.
    ds.SeriesDescription = plain(f"RUO {description}{again}{synthetic}", limit=64)
    ds.SeriesNumber = number + 100 * (answer.version - 1)
    ds.InstanceNumber = 1
    ds.ContentQualification = "RESEARCH"
    scheme = Dataset()
    scheme.CodingSchemeDesignator = codes.PRIVATE_SCHEME
    scheme.CodingSchemeUID = codes.PRIVATE_SCHEME_UID
    scheme.CodingSchemeName = codes.PRIVATE_SCHEME_NAME
    scheme.CodingSchemeResponsibleOrganization = plain(answer.equipment.manufacturer)
    ds.CodingSchemeIdentificationSequence = [scheme]


def stand_in(image: SourceImage) -> Dataset:
    """Give highdicom an image without a patient.

    highdicom fails on missing type 2 attributes, on an unusual sex and on some character sets, and writes patients'
    names to its log. It gets the UIDs and sizes only; `dress` puts the rest on.
    """
    header = image.header
    ds = Dataset()
    for keyword in _TYPE_2:
        setattr(ds, keyword, "")
    ds.SOPClassUID = header.sop_class_uid
    ds.SOPInstanceUID = header.sop_instance_uid
    ds.SeriesInstanceUID = header.series_instance_uid
    ds.StudyInstanceUID = header.study_instance_uid
    ds.Modality = header.modality or "MG"
    ds.Rows, ds.Columns = header.rows, header.columns
    return ds


def _copy_patient_and_study(ds: Dataset, source: Dataset) -> None:
    for keyword in (*_TYPE_2, *_TYPE_3, "SpecificCharacterSet"):
        tag = Tag(keyword)
        ds.pop(tag, None)
        element = _copied(source, keyword)
        if element is not None:
            ds[tag] = element
        elif keyword in _TYPE_2:
            ds[tag] = DataElement(tag, dictionary_VR(tag), "")
    ds.PatientSex = _sex(source)


def _copied(source: Dataset, keyword: str) -> DataElement | RawDataElement | None:
    """Copy an attribute: identity as it came, another value byte for byte if it is valid, a sequence if it is ASCII."""
    if dictionary_VR(Tag(keyword)) == "SQ":
        copies = plain_items(source, keyword)
        return DataElement(Tag(keyword), "SQ", copies) if copies else None
    value = stated(source, keyword)
    if value is None or not (keyword in _AS_STATED or keeps_its_vr(source, keyword)):
        return None
    # An empty character set says what none says, and is not valid (type 1C).
    return as_element(keyword, value) if keyword != "SpecificCharacterSet" or value.strip(b" \0") else None


def _sex(source: Dataset) -> str:
    """Give Patient's Sex as PS3.3 C.7.1.1 knows it; empty for anything else."""
    sex = text(source, "PatientSex").strip().upper()
    return sex if sex in {"M", "F", "O"} else ""


def _set_times(ds: Dataset, when: datetime) -> None:
    date, time = when.strftime("%Y%m%d"), when.strftime("%H%M%S")
    ds.InstanceCreationDate, ds.InstanceCreationTime = date, time
    ds.ContentDate, ds.ContentTime = date, time
    ds.SeriesDate, ds.SeriesTime = date, time


def _set_equipment(ds: Dataset, answer: ExamAnswer, source: Dataset) -> None:
    """Name the node as General Equipment, and beside the mammograph under Contributing Equipment (PS3.3 C.12.1)."""
    own = answer.equipment
    _describe(ds, own)
    if own.institution:
        ds.InstitutionName = plain(own.institution, limit=64)
    processing = _contribution(codes.PROCESSING_EQUIPMENT)
    _describe(processing, own)
    processing.ContributionDateTime = made_at(answer, source).strftime("%Y%m%d%H%M%S")
    processing.ContributionDescription = plain(model_line(answer, whole_hash=True), limit=1024)
    acquisition = _contribution(codes.ACQUISITION_EQUIPMENT)
    for keyword in ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions"):
        values = [plain(value, limit=64) for value in texts(source, keyword)]
        if any(values):
            setattr(acquisition, keyword, values if keyword == "SoftwareVersions" else values[0])
    # Manufacturer is type 1 there: a mammograph without one cannot be listed.
    ds.ContributingEquipmentSequence = [acquisition, processing] if "Manufacturer" in acquisition else [processing]


def _describe(ds: Dataset, own: Equipment) -> None:
    ds.Manufacturer = plain(own.manufacturer, limit=64)
    ds.ManufacturerModelName = plain(own.model_name, limit=64)
    ds.SoftwareVersions = plain(own.software_version, limit=64)
    ds.DeviceSerialNumber = plain(own.device_serial_number, limit=64)
    if own.station_name:
        ds.StationName = plain(own.station_name, limit=16)


def _contribution(purpose: Code) -> Dataset:
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = [coded(purpose)]
    return item


def coded(code: Code) -> Dataset:
    """Give a code as the item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def model_line(answer: ExamAnswer, *, whole_hash: bool = False) -> str:
    """Say in one line which model spoke, with the head of its hash for a reader, or all of it for a search."""
    model = answer.model
    sha256 = model.sha256 if whole_hash else model.sha256[:12]
    synthetic = f" {SYNTHETIC_MODEL}." if model.synthetic else ""
    return (
        f"Model {model.name} version {model.version}, scenario {model.scenario}, {model.folds} folds, "
        f"bundle SHA-256 {sha256}.{synthetic} {RESEARCH_USE}."
    )
