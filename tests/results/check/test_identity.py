from dataclasses import replace

import pytest

from dcis_node.results.kinds import EVERY_KIND, ResultKind
from tests.results.check.altering import built, caught_by, rewritten


@pytest.mark.parametrize("kind", sorted(EVERY_KIND))
@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [
        ("PatientID", "OTHER-1", "names another patient"),
        ("PatientName", "Other^Anna", "names another patient"),
        ("PatientBirthDate", "19700202", "names another patient"),
        ("SeriesDescription", "DCIS report", "does not say what it is for"),
        ("StudyInstanceUID", "2.25.1001.1", "not what it is said to be"),
        ("SeriesInstanceUID", "2.25.9", "not what it is said to be"),
        ("SOPInstanceUID", "2.25.9", "not what it is said to be"),
        ("Modality", "XX", "not what it is said to be"),
    ],
)
def test_each_kind_is_held_to_what_is_said_of_it(kind, keyword, value, words):
    caught = caught_by(rewritten(built(kind), lambda ds: setattr(ds, keyword, value)))
    assert words in caught["identity"]


@pytest.mark.parametrize("kind", sorted(EVERY_KIND))
def test_an_object_of_another_class_than_its_kind_is_caught(kind):
    other = built(ResultKind.SUMMARY_IMAGE if kind is not ResultKind.SUMMARY_IMAGE else ResultKind.CAD_REPORT)
    said = rewritten(other, lambda ds: None)
    assert caught_by(said) == {}
    assert "not of its kind" in caught_by(replace(said, kind=kind))["identity"]
