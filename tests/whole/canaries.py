"""Values that must not be found anywhere but in the images: one in every attribute that may tell of a patient."""

import base64
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

from pydicom import Dataset, Sequence, dcmread
from pydicom.datadict import DicomDictionary, keyword_for_tag, tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ComprehensiveSRStorage, ExplicitVRLittleEndian, JPEGLosslessSV1, generate_uid

# In every text; upper case, so that a code string (CS) may be it too.
CANARY = "ZQCNRY"
# In values that can hold no text. Nothing else here is made of them.
DATE, TIME, NUMBER, AGE = "19010203", "010203.918273", "918273", "087Y"
MARKS = (CANARY, DATE, "1901-02-03", TIME, NUMBER)

LONGEST = {"CS": 16, "SH": 16, "AE": 16, "LO": 64, "PN": 64, "ST": 200, "LT": 200, "UT": 200, "UC": 200, "UR": 200}
PLAIN = {"DA": DATE, "TM": TIME, "DT": DATE + TIME, "DS": NUMBER, "IS": NUMBER, "AS": AGE, "US": 91, "FD": 918273.0}

# Beside group 0010: what PS3.15 Table E.1-1 has removed because it may tell who the patient is or who looked after her.
ELSEWHERE = tuple(
    tag_for_keyword(keyword)
    for keyword in (
        "AccessionNumber", "AcquisitionComments", "AdmissionID", "AdmittingDiagnosesDescription",
        "AdmittingDate", "CommentsOnThePerformedProcedureStep", "ConsultingPhysicianName", "CurrentPatientLocation",
        "DataSetTrailingPadding", "DerivationDescription", "FillerOrderNumberImagingServiceRequest", "FrameComments",
        "IdentifyingComments", "ImageComments", "ImagingServiceRequestComments", "InstitutionAddress",
        "InstitutionName", "InstitutionalDepartmentName", "IssuerOfAdmissionID", "MedicalRecordLocator",
        "NameOfPhysiciansReadingStudy", "NamesOfIntendedRecipientsOfResults", "OperatorsName",
        "PatientInstitutionResidence", "PatientState", "PatientTransportArrangements",
        "PerformedProcedureStepDescription", "PerformedProcedureStepID", "PerformingPhysicianName",
        "PhysiciansOfRecord",
        "PlacerOrderNumberImagingServiceRequest", "PreMedication", "ProtocolName", "ReasonForStudy",
        "ReferringPhysicianAddress", "ReferringPhysicianName", "ReferringPhysicianTelephoneNumbers",
        "RequestedProcedureComments", "RequestedProcedureDescription", "RequestingPhysician", "RequestingService",
        "ScheduledPerformingPhysicianName", "SeriesDescription", "SpecialNeeds", "StationName", "StudyComments",
        "StudyDescription", "StudyID", "StudyIDIssuer", "TextComments", "VisitComments",
    )
    if tag_for_keyword(keyword) is not None
)  # fmt: skip
PATIENT = tuple(sorted(tag for tag in DicomDictionary if tag >> 16 == 0x0010))
LEFT_OUT = frozenset({"PatientSex", "EthnicGroupCodeSequence"})


def fill(ds: Dataset) -> Dataset:
    """Put a canary into every attribute of the lists, in sequences, private elements and the file's preamble."""
    for tag in (*PATIENT, *ELSEWHERE):
        vr = DicomDictionary[tag][0].partition(" ")[0]
        if keyword_for_tag(tag) in LEFT_OUT:
            continue
        if vr in PLAIN:
            ds.add_new(tag, vr, PLAIN[vr])
        elif vr in LONGEST:
            ds.add_new(tag, vr, f"{CANARY} {tag:08X}"[: LONGEST[vr]])
    ds.PatientName = f"{CANARY}^{CANARY}F^M"
    ds.PatientID = f"{CANARY}-ID"
    ds.IssuerOfPatientID = f"{CANARY}-ISSUER"
    other = Dataset()
    other.PatientID, other.IssuerOfPatientID, other.TypeOfPatientID = f"{CANARY}-OTHER", CANARY, "TEXT"
    ds.OtherPatientIDsSequence = Sequence([other])
    request = Dataset()
    request.AccessionNumber, request.RequestedProcedureID = CANARY, CANARY
    request.RequestedProcedureDescription = request.ScheduledProcedureStepDescription = CANARY
    ds.RequestAttributesSequence = Sequence([request])
    private = ds.private_block(0x0011, CANARY, create=True)
    private.add_new(0x01, "LO", CANARY)
    private.add_new(0x02, "UN", CANARY.encode())
    ds.preamble = (CANARY.encode() * 22)[:128]
    return ds


def as_new(ds: Dataset) -> Dataset:
    """Give a copy with a SOP Instance UID of its own."""
    out = deepcopy(ds)
    out.SOPInstanceUID = out.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    return out


def marks(view: Dataset) -> Dataset:
    """Give a report by somebody, whose texts are canaries."""
    ds = Dataset()
    for keyword in ("StudyInstanceUID", "StudyDate", "PatientID", "PatientName"):
        setattr(ds, keyword, view[keyword].value)
    ds.SOPClassUID, ds.SOPInstanceUID = ComprehensiveSRStorage, generate_uid()
    ds.SeriesInstanceUID, ds.Modality, ds.ValueType = generate_uid(), "SR", "CONTAINER"
    text, name = Dataset(), Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "121071", "DCM", CANARY
    text.RelationshipType, text.ValueType, text.TextValue = "CONTAINS", "TEXT", CANARY
    text.ConceptNameCodeSequence = Sequence([name])
    ds.ContentSequence = Sequence([text])
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return fill(ds)


def write_exam(views: list[Path], folder: Path) -> str:
    """Write an exam full of canaries, good and bad objects, as files to be sent; give its Study Instance UID."""
    folder.mkdir()
    datasets = [fill(dcmread(path)) for path in views]
    study = generate_uid()
    for number, ds in enumerate(datasets):
        ds.StudyInstanceUID = study
        _save(as_new(ds), folder / f"good-{number}.dcm")
    _save(marks(datasets[0]), folder / "marks.dcm")
    _save(_without_pixels(as_new(datasets[0])), folder / "cannot-be-decoded.dcm")
    _write_bad(datasets[0], folder)
    return study


def _write_bad(ds: Dataset, folder: Path) -> None:
    """Write objects that are refused or cannot be read: each kind for a reason of its own."""
    lacks = as_new(ds)
    del lacks.StudyInstanceUID
    _save(lacks, folder / "bad-no-study.dcm")
    other = as_new(ds)
    _save(other, folder / "bad-other-uid.dcm")
    data = (folder / "bad-other-uid.dcm").read_bytes()
    head, _, tail = data.rpartition(str(other.SOPInstanceUID).encode())
    changed = str(other.SOPInstanceUID)[:-1].encode() + (b"1" if str(other.SOPInstanceUID)[-1] != "1" else b"2")
    (folder / "bad-other-uid.dcm").write_bytes(head + changed + tail)
    wrong = as_new(ds)
    wrong.Rows = wrong.Columns = 0
    _save(wrong, folder / "bad-rows.dcm")
    whole = folder / "bad-truncated.dcm"
    _save(as_new(ds), whole)
    data = whole.read_bytes()
    name_at = data.index(f"{CANARY}^{CANARY}F".encode())
    whole.write_bytes(data[: name_at + 9])
    vr = folder / "bad-vr.dcm"
    _save(as_new(ds), vr)
    data = vr.read_bytes()
    # Patient's Name becomes a date, Patient ID a sequence, Rows a text.
    for tag, before, after in (((0x10, 0x10), b"PN", b"DA"), ((0x28, 0x10), b"US", b"DS")):
        element = tag[0].to_bytes(2, "little") + tag[1].to_bytes(2, "little")
        assert element + before in data
        data = data.replace(element + before, element + after)
    vr.write_bytes(data)


def _without_pixels(ds: Dataset) -> Dataset:
    """Give a view whose compressed pixels no decoder can read; they are canaries."""
    from pydicom.encaps import encapsulate  # noqa: PLC0415

    ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    ds.PixelData = encapsulate([b"\xff\xd8\xff\xc3" + CANARY.encode() * 100])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def _save(ds: Dataset, path: Path) -> None:
    ds.save_as(path, enforce_file_format=True)


def found_in(text: str) -> list[str]:
    """Name the canaries in a text, also in its base64 pieces."""
    plain = text.upper()
    hits = [mark for mark in MARKS if mark.upper() in plain]
    for piece in re.findall(r"[A-Za-z0-9+/]{8,}={0,2}", text):
        hits += [f"{mark} in base64" for mark in MARKS if mark.encode() in _decoded(piece)]
    return hits


def _decoded(piece: str) -> bytes:
    try:
        return base64.b64decode(piece + "=" * (-len(piece) % 4)).upper()
    except ValueError:
        return b""


def texts_of(folder: Path) -> Iterator[tuple[str, str]]:
    """Go through a data folder: every path, and the content of all files that are no DICOM objects and no index."""
    for path in sorted(folder.rglob("*")):
        yield f"name of {path.name}", str(path.relative_to(folder))
        if path.is_file() and not path.name.startswith("index.sqlite"):
            data = path.read_bytes()
            if data[128:132] != b"DICM":
                yield f"content of {path.relative_to(folder)}", data.decode("latin-1")
