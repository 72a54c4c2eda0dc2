"""What every report has, whatever its kind, taken away or altered."""

import pytest

from dcis_node.results.kinds import ResultKind
from tests.results.builders import STUDY
from tests.results.check.altering import built, caught_by, first_group, of_code, rewritten, without
from tests.results.reading import groups, items

MEASUREMENTS = ResultKind.MEASUREMENT_REPORT
REPORTS = (ResultKind.READABLE_REPORT, MEASUREMENTS, ResultKind.VIEW_MEASUREMENT_REPORT, ResultKind.CAD_REPORT)


def asked_by(kind):
    """The check that holds a kind to these rules."""
    return "view_measurement" if kind is ResultKind.VIEW_MEASUREMENT_REPORT else "document"


def series(ds):
    return ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence


def drop_evidence(ds):
    ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence = list(series(ds))[1:]


@pytest.mark.parametrize("kind", REPORTS)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ds: setattr(ds, "VerificationFlag", "VERIFIED"), "claims a reader"),
        (lambda ds: setattr(ds, "PreliminaryFlag", "FINAL"), "claims a reader"),
        (lambda ds: setattr(ds, "CompletionFlag", "PARTIAL"), "does not say that it is whole"),
        (drop_evidence, "is not the exam"),
        (lambda ds: setattr(ds, "CurrentRequestedProcedureEvidenceSequence", []), "is not the exam"),
    ],
)
def test_flags_and_evidence_are_held_in_every_report(kind, change, words):
    caught = caught_by(rewritten(built(kind), change))
    assert words in caught.pop(asked_by(kind))
    assert caught == {}


@pytest.mark.parametrize("kind", REPORTS)
def test_an_empty_container_is_caught_in_every_report(kind):
    def change(ds):
        containers = [i for i in items(ds) if i.get("ValueType") == "CONTAINER"]
        containers[-1].ContentSequence = []

    assert caught_by(rewritten(built(kind), change))[asked_by(kind)] == "a container of a report is empty"


def test_a_pointer_at_no_evidence_is_caught():
    def change(ds):
        entry = next(i for i in items(ds) if i.get("ValueType") == "IMAGE")
        entry.ReferencedSOPSequence[0].ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"

    caught = caught_by(rewritten(built(MEASUREMENTS), change))
    assert caught.keys() == {"document", "references"}


def test_a_pointer_into_the_tree_that_leads_nowhere_is_caught():
    def change(ds):
        pointer = next(i for i in items(ds) if "ReferencedContentItemIdentifier" in i)
        pointer.ReferencedContentItemIdentifier = [1, 2, 99]

    caught = caught_by(rewritten(built(ResultKind.CAD_REPORT), change))
    assert caught["document"] == "a report points at a content item that it has not"


def scoord(ds):
    return of_code(first_group(ds), "111030")[0]


def points(*pairs):
    return lambda ds: setattr(scoord(ds), "GraphicData", [float(v) for pair in pairs for v in pair])


def second_region(ds):
    first_group(ds).ContentSequence.append(scoord(ds))


def on_another_image(number):
    def change(ds):
        scoord(ds).ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = f"{STUDY}.{number}"

    return change


def one_coordinate_short(ds):
    scoord(ds).GraphicData = scoord(ds).GraphicData[:-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (points((20, 30), (45, 30), (45, 50), (20, 50)), "is not closed"),
        (points((20, 30), (95, 30), (45, 50), (20, 30)), "leaves its image"),
        (points((-1, 30), (45, 30), (45, 50), (-1, 30)), "leaves its image"),
        (points((20, 30), (45, 130), (45, 50), (20, 30)), "leaves its image"),
        (points((float("nan"), 30), (45, 30), (45, 50), (20, 30)), "no number"),
        (one_coordinate_short, "lacks a coordinate"),
        # two pixels aside, and mirrored
        (points((22, 30), (47, 30), (47, 50), (22, 50), (22, 30)), "does not lie on the mask"),
        (points((45, 30), (70, 30), (70, 50), (45, 50), (45, 30)), "does not lie on the mask"),
        (on_another_image(2), "does not lie on the mask"),
        (second_region, "not one region"),
        (lambda ds: without(first_group(ds), lambda c: c is not scoord(ds)), "not one region"),
        (lambda ds: without(first_group(ds), lambda c: c.ValueType != "UIDREF"), "no tracking identifier"),
    ],
)
def test_a_region_that_is_wrong_is_caught(change, words):
    assert words in caught_by(rewritten(built(MEASUREMENTS), change))["regions"]


def test_a_view_whose_group_was_taken_away_is_caught():
    def change(ds):
        (container,) = of_code(ds, "126010")
        without(container, lambda c: c is not groups(ds)[1])

    assert "not those of the views" in caught_by(rewritten(built(MEASUREMENTS), change))["regions"]
