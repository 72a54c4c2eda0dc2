"""Which mammograms a source has of an exam: study, series, image by image, each answer filtered here once more."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom import Dataset

from dcis_node.mammogram.storage_classes import MAMMOGRAPHY_FOR_PRESENTATION
from dcis_node.retrieve.query import Find, text_of, uid_of
from storage.retrievals import ExamSought

MAMMOGRAPHY = "MG"
# An exam is of one day: it has one study, at most a few.
MOST_STUDIES = 10
MOST_SERIES = 100
# In a key these mean "anything" (PS3.4 C.2.2.2.4), or separate values.
WILDCARDS = frozenset("*?\\")


@dataclass(frozen=True)
class Image:
    """One image that a source has; its UIDs are valid."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str


def find_images(find: Find, sought: ExamSought, *, merge_same_day: bool) -> tuple[Image, ...]:
    """List the mammograms (FOR PRESENTATION) that a source has of an exam, without repeats.

    A peer that ignores a key and returns what was not asked for is filtered here: of another study, patient, day or
    modality nothing is taken.

    Parameters
    ----------
    find
        Asks one query of the source.
    merge_same_day
        Ask also for other studies of the patient on the exam's day.

    Raises
    ------
    Trouble
        The source failed.
    """
    studies = list(sought.studies)
    if merge_same_day and sought.study_date and _can_be_asked_for(sought.patient_id):
        studies += [study for study in _same_day(find, sought) if study not in studies]
    return tuple(dict.fromkeys(image for study in studies[:MOST_STUDIES] for image in _of_study(find, study)))


def _can_be_asked_for(patient_id: str) -> bool:
    """Tell if a Patient ID means one patient as a key: an empty one would match all, one with an asterisk many."""
    return bool(patient_id) and not WILDCARDS & set(patient_id)


def _same_day(find: Find, sought: ExamSought) -> Iterator[str]:
    keys = _keys("STUDY", StudyInstanceUID="", PatientID=sought.patient_id, StudyDate=sought.study_date)
    keys.ModalitiesInStudy = MAMMOGRAPHY
    keys.IssuerOfPatientID = ""
    if not sought.patient_id.isascii():
        keys.SpecificCharacterSet = "ISO_IR 192"
    for match in find(keys):
        study = uid_of(match, "StudyInstanceUID")
        if study and _is_same_day(match, sought):
            yield study


def _is_same_day(match: Dataset, sought: ExamSought) -> bool:
    """Hold an answer to what was asked; what it does not state it cannot contradict, but patient and date it must."""
    issuer, modalities = text_of(match, "IssuerOfPatientID"), text_of(match, "ModalitiesInStudy")
    return (
        text_of(match, "PatientID") == sought.patient_id
        and text_of(match, "StudyDate") == sought.study_date
        and (not issuer or not sought.issuer or issuer == sought.issuer)
        and (not modalities or MAMMOGRAPHY in modalities.split("\\"))
    )


def _of_study(find: Find, study: str) -> Iterator[Image]:
    keys = _keys("SERIES", StudyInstanceUID=study, SeriesInstanceUID="", Modality=MAMMOGRAPHY)
    found = [match for match in find(keys) if _is_of(match, "StudyInstanceUID", study)]
    series = [uid_of(match, "SeriesInstanceUID") for match in found if text_of(match, "Modality") in {MAMMOGRAPHY, ""}]
    for uid in list(dict.fromkeys(one for one in series if one))[:MOST_SERIES]:
        yield from _of_series(find, study, uid)


def _of_series(find: Find, study: str, series: str) -> Iterator[Image]:
    keys = _keys("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID="", SOPClassUID="")
    for match in find(keys):
        if not (_is_of(match, "StudyInstanceUID", study) and _is_of(match, "SeriesInstanceUID", series)):
            continue
        image = uid_of(match, "SOPInstanceUID")
        # Optional at this level: a source need not tell.
        if image and uid_of(match, "SOPClassUID") in {MAMMOGRAPHY_FOR_PRESENTATION, ""}:
            yield Image(study, series, image)


def _is_of(match: Dataset, keyword: str, uid: str) -> bool:
    """Tell if a match lies below what was asked for; not every source repeats the keys above its level."""
    return uid_of(match, keyword) == uid or not text_of(match, keyword)


def _keys(level: str, **values: str) -> Dataset:
    keys = Dataset()
    keys.QueryRetrieveLevel = level
    for keyword, value in values.items():
        setattr(keys, keyword, value)
    return keys
