"""Is an object what it is said to be, and of the right patient."""

from pydicom import Dataset

from dcis_node.results.answer import ExamAnswer, ResultObject
from dcis_node.results.check.reading import demand
from dcis_node.results.hanging import hung
from dcis_node.results.kinds import SOP_CLASS_UIDS

_PATIENT = ("PatientID", "PatientName", "PatientBirthDate")


def check_identity(ds: Dataset, result: ResultObject, answer: ExamAnswer) -> None:
    """Hold an object to what is said of it, and to the exam it belongs to."""
    named = (
        (ds.SOPInstanceUID, result.sop_instance_uid),
        (ds.SOPClassUID, result.sop_class_uid),
        (ds.SeriesInstanceUID, result.series_instance_uid),
        (ds.StudyInstanceUID, result.study_instance_uid),
        (ds.Modality, result.modality),
        (ds.file_meta.MediaStorageSOPInstanceUID, result.sop_instance_uid),
        (ds.file_meta.MediaStorageSOPClassUID, result.sop_class_uid),
        (ds.file_meta.TransferSyntaxUID, result.transfer_syntax_uid),
    )
    demand(all(str(a) == b for a, b in named), "a result is not what it is said to be")
    demand(ds.SOPClassUID == SOP_CLASS_UIDS[result.kind], "a result is not of its kind")
    known = {i.header.sop_instance_uid for i in answer.images}
    demand(result.sop_instance_uid not in known, "a result has the UID of a received object")
    source = next((i for i in hung(answer) if i.header.study_instance_uid == ds.StudyInstanceUID), None)
    demand(source is not None, "a result lies in no study of the exam")
    for keyword in _PATIENT:
        patients = {_core(i.attributes.get(keyword)) for i in hung(answer)}
        # A date that breaks its VR is left out rather than copied.
        there = _core(ds.get(keyword))
        same = there in patients or (keyword == "PatientBirthDate" and not there)
        demand(same, "a result names another patient")
    demand(str(ds.SeriesDescription).startswith("RUO"), "a result does not say what it is for")


def _core(value: object) -> str:
    """Give what of a value survives every character set: letters and digits of ASCII."""
    return "".join(c for c in str(value or "") if c.isascii() and c.isalnum())
