"""Answers to queries are foreign: whatever a source returns, only the exam's own mammograms are taken."""

import pytest
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from dcis_node.mammogram.storage_classes import MAMMOGRAPHY_FOR_PRESENTATION, MAMMOGRAPHY_FOR_PROCESSING
from dcis_node.retrieve.query import text_of, uid_of
from dcis_node.retrieve.search import MOST_SERIES, MOST_STUDIES, Image, find_images
from storage.retrievals import ExamSought
from tests.retrieve.helpers import exam
from tests.retrieve.peer import matches

SOUGHT = ExamSought(("1.2.4.1",), "P1", "", "20261123")


def match(level="IMAGE", **values) -> Dataset:
    ds = Dataset()
    ds.QueryRetrieveLevel = level
    for keyword, value in values.items():
        ds.add_new(Tag(keyword), "LO", value) if value is None else setattr(ds, keyword, value)
    return ds


class Answers:
    """Answers each level with what it is given, whatever was asked; notes the questions."""

    def __init__(self, **levels) -> None:
        self.levels = levels
        self.asked: list[Dataset] = []

    def __call__(self, keys: Dataset):
        self.asked.append(keys)
        return tuple(self.levels.get(str(keys.QueryRetrieveLevel).lower(), ()))


def raw(keyword: str, value: bytes, vr: str = "UI") -> Dataset:
    ds = Dataset()
    ds[Tag(keyword)] = RawDataElement(Tag(keyword), vr, len(value), value, 0, False, True)
    return ds


def test_the_images_of_a_study_are_found_by_the_book():
    objects = exam()
    found = find_images(lambda keys: tuple(matches(objects, keys)), SOUGHT, merge_same_day=False)
    assert [image.sop_instance_uid for image in found] == [str(ds.SOPInstanceUID) for ds in objects]


def test_an_image_that_is_listed_twice_is_taken_once():
    answers = Answers(
        series=[match("SERIES", SeriesInstanceUID="1.2")] * 2,
        image=[match(SOPInstanceUID="1.3"), match(SOPInstanceUID="1.3")],
    )
    assert find_images(answers, SOUGHT, merge_same_day=False) == (Image("1.2.4.1", "1.2", "1.3"),)


@pytest.mark.parametrize(
    "image",
    [
        {},
        {"SOPInstanceUID": ""},
        {"SOPInstanceUID": "1.3", "StudyInstanceUID": "1.2.4.999"},
        {"SOPInstanceUID": "1.3", "SeriesInstanceUID": "1.9"},
        {"SOPInstanceUID": "1.3", "SOPClassUID": MAMMOGRAPHY_FOR_PROCESSING},
    ],
)
def test_an_image_that_was_not_asked_for_is_not_taken(image):
    answers = Answers(series=[match("SERIES", SeriesInstanceUID="1.2")], image=[match(**image)])
    assert find_images(answers, SOUGHT, merge_same_day=False) == ()


@pytest.mark.parametrize(
    "value", [b"../../etc", b"1.2.x", b"1..2", b"01.2", b"1", b"1.2\\1.3", b"9." * 40, b"\xff\xfe", b""]
)
def test_what_is_no_uid_is_no_uid(value):
    assert uid_of(raw("SOPInstanceUID", value), "SOPInstanceUID") == ""


def test_a_uid_that_is_padded_is_one():
    assert uid_of(raw("SOPInstanceUID", b"1.2.3\0"), "SOPInstanceUID") == "1.2.3"


def test_an_element_that_cannot_be_decoded_says_nothing():
    broken = raw("StudyInstanceUID", b"\x01", vr="FD")
    assert uid_of(broken, "StudyInstanceUID") == ""
    assert text_of(broken, "StudyInstanceUID") == ""


def test_a_number_a_list_and_nothing_are_texts_too():
    ds = Dataset()
    ds.ModalitiesInStudy = ["MG", "SR"]
    ds.InstanceNumber = 7
    assert text_of(ds, "ModalitiesInStudy") == "MG\\SR"
    assert text_of(ds, "InstanceNumber") == "7"
    assert text_of(ds, "PatientID") == ""


def test_a_series_of_another_modality_or_study_or_without_a_uid_is_not_looked_into():
    series = [
        match("SERIES", SeriesInstanceUID="1.2", Modality="US"),
        match("SERIES", SeriesInstanceUID="1.3", StudyInstanceUID="1.2.4.999"),
        match("SERIES", Modality="MG"),
    ]
    answers = Answers(series=series, image=[match(SOPInstanceUID="1.3")])
    assert find_images(answers, SOUGHT, merge_same_day=False) == ()
    assert [str(keys.QueryRetrieveLevel) for keys in answers.asked] == ["SERIES"]


STUDY = {"StudyInstanceUID": "1.2.4.2", "PatientID": "P1", "StudyDate": "20261123"}


@pytest.mark.parametrize(
    ("changes", "taken"),
    [
        ({}, True),
        ({"ModalitiesInStudy": ["MG", "SR"]}, True),
        ({"ModalitiesInStudy": "US"}, False),
        ({"PatientID": "P11"}, False),
        ({"PatientID": ""}, False),
        ({"StudyDate": "20251123"}, False),
        ({"IssuerOfPatientID": "B"}, False),
        ({"IssuerOfPatientID": "A"}, True),
        ({"StudyInstanceUID": "not a uid"}, False),
    ],
)
def test_another_study_of_the_day_is_of_the_same_patient_or_not_taken(changes, taken):
    sought = ExamSought(("1.2.4.1",), "P1", "A", "20261123")
    values = {**STUDY, **changes}
    uid = values.pop("StudyInstanceUID")
    found = match("STUDY", **values)
    found.update(raw("StudyInstanceUID", uid.encode()))
    answers = Answers(study=[found])
    find_images(answers, sought, merge_same_day=True)
    asked = [str(keys.StudyInstanceUID) for keys in answers.asked if keys.QueryRetrieveLevel == "SERIES"]
    assert asked == (["1.2.4.1", "1.2.4.2"] if taken else ["1.2.4.1"])


@pytest.mark.parametrize("patient_id", ["", "*", "P?", "P*1", "P\\Q"])
def test_a_patient_id_that_would_match_others_is_not_asked_for(patient_id):
    answers = Answers()
    find_images(answers, ExamSought(("1.2.4.1",), patient_id, "", "20261123"), merge_same_day=True)
    assert [str(keys.QueryRetrieveLevel) for keys in answers.asked] == ["SERIES"]


@pytest.mark.parametrize(("merge", "date"), [(False, "20261123"), (True, "")])
def test_other_studies_of_the_day_are_asked_for_only_if_they_belong_to_the_exam(merge, date):
    answers = Answers()
    find_images(answers, ExamSought(("1.2.4.1",), "P1", "", date), merge_same_day=merge)
    assert [str(keys.QueryRetrieveLevel) for keys in answers.asked] == ["SERIES"]


def test_a_patient_id_beyond_ascii_is_asked_for_with_its_character_set():
    answers = Answers()
    find_images(answers, ExamSought(("1.2.4.1",), "Pä1", "", "20261123"), merge_same_day=True)
    assert answers.asked[0].SpecificCharacterSet == "ISO_IR 192"
    assert "SpecificCharacterSet" not in answers.asked[1]


def test_the_number_of_studies_and_series_is_bounded():
    studies = [match("STUDY", **{**STUDY, "StudyInstanceUID": f"1.7.{number}"}) for number in range(500)]
    series = [match("SERIES", SeriesInstanceUID=f"1.8.{number}") for number in range(1, 500)]
    answers = Answers(study=studies, series=series)
    find_images(answers, SOUGHT, merge_same_day=True)
    levels = [str(keys.QueryRetrieveLevel) for keys in answers.asked]
    assert levels.count("SERIES") == MOST_STUDIES
    assert levels.count("IMAGE") == MOST_STUDIES * MOST_SERIES


def test_an_image_for_presentation_is_taken_by_its_class():
    answers = Answers(
        series=[match("SERIES", SeriesInstanceUID="1.2")],
        image=[match(SOPInstanceUID="1.3", SOPClassUID=MAMMOGRAPHY_FOR_PRESENTATION)],
    )
    assert len(find_images(answers, SOUGHT, merge_same_day=False)) == 1
