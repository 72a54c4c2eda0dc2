"""Is an object what it is said to be, of the right patient, and is the patient named nowhere else in it."""

from pydicom import Dataset

from dcis_node.results.answer import ExamAnswer, ResultObject
from dcis_node.results.check.reading import demand, elements
from dcis_node.results.hanging import hung, leading_image
from dcis_node.results.identity import COPIED, fits_vr

# Texts of ours live in these; the copied attributes are left out of the search for a patient's values.
_TEXT_VRS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT", "PN"})
_SHORTEST_TELLING_ID = 6
_CHECKED_VRS = frozenset({"AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "SH", "ST", "TM", "UI"})


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
    known = {i.header.sop_instance_uid for i in answer.images}
    demand(result.sop_instance_uid not in known, "a result has the UID of a received object")
    source = next((i for i in hung(answer) if i.header.study_instance_uid == ds.StudyInstanceUID), None)
    demand(source is not None, "a result lies in no study of the exam")
    patients = {str(i.attributes.get("PatientID", "")).strip() for i in hung(answer)}
    demand(str(ds.PatientID or "").strip() in patients, "a result names another patient")
    demand(str(ds.SeriesDescription).startswith("RUO"), "a result does not say what it is for")


def check_own_values(ds: Dataset, answer: ExamAnswer) -> None:
    """Hold our own values to their VR, and search our texts for the patient.

    A patient's name and number may stand in their own attributes only.
    """
    telling = _telling(leading_image(answer).attributes)
    for top in ds:
        if top.keyword in COPIED or top.keyword == "ContributingEquipmentSequence":
            continue
        for element in elements(Dataset({top.tag: top})):
            demand(element.tag.group != 0x0010, "a patient attribute stands where none belongs")
            demand(element.VR not in _CHECKED_VRS or fits_vr(element), f"{element.tag}: a value breaks its VR")
            if element.VR in _TEXT_VRS:
                words = str(element.value)
                named = any(value in words.split() or value == words for value in telling)
                demand(not named, "a text names the patient")


def _telling(source: Dataset) -> set[str]:
    """Give the values that tell a patient and no other thing: a number of some length, a name of several parts."""
    number, name = (str(source.get(keyword, "")).strip() for keyword in ("PatientID", "PatientName"))
    long_number = len(number) >= _SHORTEST_TELLING_ID and any(c.isdigit() for c in number)
    return {value for value, tells in ((number, long_number), (name, "^" in name.strip("^"))) if tells}
