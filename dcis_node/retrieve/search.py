"""Which mammograms a source has of an exam: study, series, image by image, each answer filtered here once more."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydicom import Dataset

from dcis_node.mammogram.storage_classes import MAMMOGRAPHY_FOR_PRESENTATION
from dcis_node.retrieve.query import Find, text_of, uid_of
from storage.priors import YOUNGEST_DAYS, PriorStudy
from storage.retrievals import ExamSought

MAMMOGRAPHY = "MG"
# An exam is of one day: it has one study, at most a few.
MOST_STUDIES = 10
MOST_SERIES = 100
# In a key these mean "anything" (PS3.4 C.2.2.2.4), or separate values.
WILDCARDS = frozenset("*?\\")
DAYS_OF_A_YEAR = 365.25
_DATE = re.compile(r"\d{8}")


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
    return images_of(find, studies)


def find_priors(find: Find, sought: ExamSought, *, years: float, most: int) -> tuple[PriorStudy, ...]:
    """List the earlier mammography studies that a source has of a patient, the latest first.

    Parameters
    ----------
    years
        How old they may be, counted from the exam.
    most
        How many are listed at most.

    Raises
    ------
    Trouble
        The source failed.
    """
    if not (sought.study_date and _can_be_asked_for(sought.patient_id)):
        return ()
    exam = datetime.strptime(sought.study_date, "%Y%m%d").replace(tzinfo=UTC)
    first, last = (f"{exam - timedelta(days=days):%Y%m%d}" for days in (years * DAYS_OF_A_YEAR, YOUNGEST_DAYS))
    if first > last:
        return ()
    dates = {
        study: text_of(match, "StudyDate")
        for match in find(_study_keys(sought, f"{first}-{last}"))
        if (study := uid_of(match, "StudyInstanceUID")) and study not in sought.studies and _is_hers(match, sought)
    }
    found = [
        PriorStudy(study, date) for study, date in dates.items() if _DATE.fullmatch(date) and first <= date <= last
    ]
    return tuple(sorted(found, key=lambda prior: (prior.study_date, prior.study_instance_uid), reverse=True)[:most])


def images_of(find: Find, studies: Sequence[str]) -> tuple[Image, ...]:
    """List the mammograms (FOR PRESENTATION) that a source has of some studies, without repeats (see `find_images`)."""
    return tuple(dict.fromkeys(image for study in studies[:MOST_STUDIES] for image in _of_study(find, study)))


def _can_be_asked_for(patient_id: str) -> bool:
    """Tell if a Patient ID means one patient as a key: an empty one would match all, one with an asterisk many."""
    return bool(patient_id) and not WILDCARDS & set(patient_id)


def _same_day(find: Find, sought: ExamSought) -> Iterator[str]:
    for match in find(_study_keys(sought, sought.study_date)):
        study = uid_of(match, "StudyInstanceUID")
        if study and text_of(match, "StudyDate") == sought.study_date and _is_hers(match, sought):
            yield study


def _study_keys(sought: ExamSought, dates: str) -> Dataset:
    """Ask for the mammography studies of a patient at a date, or in a range of dates (PS3.4 C.2.2.2.5)."""
    keys = _keys("STUDY", StudyInstanceUID="", PatientID=sought.patient_id, StudyDate=dates)
    keys.ModalitiesInStudy = MAMMOGRAPHY
    keys.IssuerOfPatientID = ""
    if not sought.patient_id.isascii():
        keys.SpecificCharacterSet = "ISO_IR 192"
    return keys


def _is_hers(match: Dataset, sought: ExamSought) -> bool:
    """Hold an answer to the patient asked for; what it does not state it cannot contradict, but her ID it must."""
    issuer, modalities = text_of(match, "IssuerOfPatientID"), text_of(match, "ModalitiesInStudy")
    return (
        text_of(match, "PatientID") == sought.patient_id
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
