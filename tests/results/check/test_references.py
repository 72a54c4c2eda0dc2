"""A reference anywhere in any object that leads nowhere, or names a wrong class, series or study."""

import pytest
from pydicom import Dataset
from pydicom.uid import EnhancedSRStorage

from dcis_node.results.answer import EarlierDocument, ObjectReference
from dcis_node.results.check.references import references
from dcis_node.results.kinds import EVERY_KIND, ResultKind
from tests.results.builders import STUDY, answer, four_view_results, results_of
from tests.results.check.altering import built, caught_by, rewritten
from tests.results.reading import read

UNKNOWN = "2.25.404"


def in_depth(ds, keyword):
    """Every place of an attribute in the items of an object."""
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                if keyword in item:
                    yield item
                yield from in_depth(item, keyword)


def places(kind, keyword):
    return list(in_depth(read(built(kind)), keyword))


@pytest.mark.parametrize("keyword", ["ReferencedSOPInstanceUID", "ReferencedSOPClassUID", "SeriesInstanceUID"])
@pytest.mark.parametrize("kind", sorted(EVERY_KIND))
def test_each_reference_of_each_kind_is_held(kind, keyword):
    """All places of three objects' worth, one after the other: none may be left out."""
    count = len(places(kind, keyword))
    other = {"ReferencedSOPClassUID": EnhancedSRStorage}.get(keyword, UNKNOWN)
    # A summary image and a coded report name no series; every kind names its images.
    assert count or keyword == "SeriesInstanceUID"
    for place in range(0, count, max(1, count // 5)):

        def lead_away(ds, place=place):
            setattr(list(in_depth(ds, keyword))[place], keyword, other)

        assert "references" in caught_by(rewritten(built(kind), lead_away)), place


def swap_series(ds):
    """Put the instances of two series into each other's place: each UID is known, and none is right."""
    first, second = list(in_depth(ds, "SeriesInstanceUID"))[:2]
    first.SeriesInstanceUID, second.SeriesInstanceUID = second.SeriesInstanceUID, first.SeriesInstanceUID


def test_a_series_that_is_known_but_another_ones_is_caught():
    caught = caught_by(rewritten(built(ResultKind.MEASUREMENT_REPORT), swap_series))
    assert "under another series" in caught.pop("references")
    assert caught == {}


def test_a_study_that_is_not_of_the_exam_is_caught():
    def change(ds):
        ds.CurrentRequestedProcedureEvidenceSequence[0].StudyInstanceUID = UNKNOWN

    caught = caught_by(rewritten(built(ResultKind.READABLE_REPORT), change))
    assert "a study that is not of the exam" in caught.pop("references")
    assert caught == {}


def test_a_reference_of_a_kind_that_nobody_thought_of_is_held_too():
    def change(ds):
        deep = Dataset()
        deep.ReferencedSOPClassUID, deep.ReferencedSOPInstanceUID = EnhancedSRStorage, UNKNOWN
        ds.SourceImageSequence[0].PurposeOfReferenceCodeSequence = [Dataset()]
        ds.SourceImageSequence[0].PurposeOfReferenceCodeSequence[0].ReferencedInstanceSequence = [deep]

    caught = caught_by(rewritten(built(ResultKind.SUMMARY_IMAGE), change))
    assert caught == {"references": f"a reference leads to no object of the exam: {UNKNOWN}"}


def test_the_reports_of_the_version_before_may_be_named_in_their_own_series_only():
    first = built(ResultKind.READABLE_REPORT)
    reference = ObjectReference(first.sop_class_uid, "2.25.81", "2.25.82", STUDY)
    exam = answer(version=2, predecessor=(EarlierDocument(first.kind, reference),), change="One image new.")
    only = frozenset({ResultKind.READABLE_REPORT})
    (report,) = results_of(version=2, predecessor=exam.predecessor, change=exam.change, kinds=only)
    assert caught_by(report, exam) == {}

    def change(ds):
        ds.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].SeriesInstanceUID = f"{STUDY}.1.1"

    assert "under another series" in caught_by(rewritten(report, change), exam)["references"]
    forgotten = rewritten(report, lambda ds: delattr(ds, "PredecessorDocumentsSequence"))
    assert caught_by(forgotten, exam) == {"document": "a report does not name what it follows"}


def test_results_may_name_each_other():
    def change(ds):
        beside = Dataset()
        sibling = built(ResultKind.SEGMENTATION)
        beside.ReferencedSOPClassUID = sibling.sop_class_uid
        beside.ReferencedSOPInstanceUID = sibling.sop_instance_uid
        ds.SourceImageSequence[0].ReferencedInstanceSequence = [beside]

    assert caught_by(rewritten(built(ResultKind.SUMMARY_IMAGE), change)) == {}


def test_every_object_of_an_exam_makes_references():
    assert all(list(references(read(result))) for result in four_view_results(EVERY_KIND))
