"""Each thing that the measurement report must have, taken away or altered: its check refuses it, and no other does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dcis_node.mammogram.facts import Reason
from dcis_node.results.check.measurement import area_and_extent
from dcis_node.results.kinds import ResultKind
from dcis_node.results.lesion import lesion_of
from tests.results.builders import MODEL, STUDY, answer, four_views, image, mask_of, prediction, results_of
from tests.results.check.altering import built, caught_by, first_group, of_code, rewritten, without
from tests.results.reading import groups, items, read

VIEW = ResultKind.VIEW_MEASUREMENT_REPORT
KINDS = (ResultKind.MEASUREMENT_REPORT, ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE, VIEW)


def library_entry(ds):
    return next(item for item in items(ds) if item.ValueType == "IMAGE")


def figure(value, *, by=0.02):
    def change(ds):
        (item,) = of_code(first_group(ds), value)
        item.MeasuredValueSequence[0].NumericValue += by

    return change


def no_longer(value):
    return lambda ds: without(first_group(ds), lambda c: c not in of_code(first_group(ds), value))


def off_the_root(value):
    return lambda ds: without(ds, lambda c: c not in of_code(ds, value))


def side_swapped(ds):
    (item,) = of_code(library_entry(ds), "111027")
    item.ConceptCodeSequence[0].CodeValue = "7771000"


def view_swapped(ds):
    (item,) = of_code(library_entry(ds), "111031")
    item.ConceptCodeSequence[0].CodeValue = "399368009"


def one_size(value):
    def change(ds):
        (item,) = of_code(library_entry(ds), value)
        item.MeasuredValueSequence[0].NumericValue += 1

    return change


def same_tracking(ds):
    first, second = groups(ds)[:2]
    of_code(second, "112040")[0].UID = of_code(first, "112040")[0].UID


def library_behind_the_measurements(ds):
    (library,) = of_code(ds, "111028")
    ds.ContentSequence = [*(c for c in ds.ContentSequence if c is not library), library]


def entry_taken_away(ds):
    entry = library_entry(ds)
    group = next(item for item in items(ds) if entry in (item.get("ContentSequence") or ()))
    without(group, lambda c: c is not entry)


FAULTS = {
    "another title": (lambda ds: setattr(ds.ConceptNameCodeSequence[0], "CodeValue", "126001"), "another title"),
    "another template": (
        lambda ds: setattr(ds.ContentTemplateSequence[0], "TemplateIdentifier", "2000"),
        "another template",
    ),
    "no language": (off_the_root("121049"), "CODE 121049"),
    "no observer type": (off_the_root("121005"), "CODE 121005"),
    "no observer UID": (off_the_root("121012"), "UIDREF 121012"),
    "no procedure": (off_the_root("121058"), "CODE 121058"),
    "no library": (off_the_root("111028"), "CONTAINER 111028"),
    "another order": (library_behind_the_measurements, "out of place"),
    "a view not in the library": (entry_taken_away, "the image library lacks"),
    "another side": (side_swapped, "another 111027"),
    "another view": (view_swapped, "another 111031"),
    "other rows": (one_size("110910"), "another size"),
    "other columns": (one_size("110911"), "another size"),
    "one UID for two": (same_tracking, "one tracking UID"),
    "no finding": (no_longer("121071"), "CODE 121071"),
    "no algorithm": (no_longer("111001"), "TEXT 111001"),
    "no version": (no_longer("111003"), "TEXT 111003"),
    "no bundle": (no_longer("111002"), "does not name the bundle"),
    "no probability": (no_longer("PHRDCIS"), "figure PHRDCIS of"),
    "no threshold": (no_longer("PHRDCIST"), "figure PHRDCIST of"),
    "another probability": (figure("PHRDCIS"), "figure PHRDCIS of"),
    "another probability of the breast": (figure("PHRDCISB"), "figure PHRDCISB of"),
    "another threshold": (figure("PHRDCIST"), "figure PHRDCIST of"),
    "another area": (figure("42798000"), "figure 42798000 of"),
    "another extent": (figure("103339001"), "figure 103339001 of"),
    "another count": (figure("111038", by=1), "figure 111038 of"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_the_measurement_report_lacks_or_says_otherwise_is_caught(name):
    change, words = FAULTS[name]
    caught = caught_by(rewritten(built(KINDS[0]), change))
    assert words in caught.pop("measurement")
    assert caught == {}


# What only a report of several views can have.
@pytest.mark.parametrize("name", sorted(FAULTS.keys() - {"one UID for two", "a view not in the library"}))
def test_what_the_report_of_a_view_lacks_or_says_otherwise_is_caught(name):
    change, words = FAULTS[name]
    for number in (0, 1):
        if (number, name) != (1, "another view"):  # its view is the one that the fault puts in
            caught = caught_by(rewritten(built(VIEW, number), change))
            assert words in caught.pop("view_measurement")
            assert caught == {}


def whole():
    return read(built(ResultKind.MEASUREMENT_REPORT))


def group_of_another_view(ds):
    of_code(ds, "126010")[0].ContentSequence.append(groups(whole())[1])


def entry_of_another_view(ds):
    own = library_entry(ds).ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    entries = [item for item in items(whole()) if item.ValueType == "IMAGE" and "ContentSequence" in item]
    others = (entry for entry in entries if entry.ReferencedSOPSequence[0].ReferencedSOPInstanceUID != own)
    of_code(ds, "111028")[0].ContentSequence[0].ContentSequence.append(next(others))


def entry_instead_of_its_own(ds):
    entry_of_another_view(ds)
    entry_taken_away(ds)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (group_of_another_view, "outlines not one view"),
        (entry_of_another_view, "lists other views"),
        (entry_instead_of_its_own, "the image library lacks"),
        (lambda ds: without(of_code(ds, "126010")[0], lambda c: False), "a container of a report is empty"),
        (lambda ds: without(ds, lambda c: c not in of_code(ds, "126010")), "outlines not one view"),
    ],
)
def test_the_report_of_a_view_holds_that_view_alone(change, words):
    caught = caught_by(rewritten(built(VIEW), change))
    assert words in caught.pop("view_measurement")
    assert caught == {}


def test_the_report_of_a_view_lies_in_the_study_of_its_image():
    exam = answer([image(number=1), image("R", "MLO", number=2, study="2.25.2002")])
    *_, second = results_of(exam.images, kinds=frozenset({VIEW}))
    assert caught_by(second, exam) == {}
    moved = rewritten(second, lambda ds: setattr(ds, "StudyInstanceUID", STUDY))
    assert "lies in another study" in caught_by(moved, exam)["view_measurement"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_built_passes_every_check(kind):
    assert caught_by(rewritten(built(kind), lambda ds: None)) == {}


def test_more_may_stand_in_it():
    def more(ds):
        for item in (ds, first_group(ds)):
            item.ContentSequence.append(of_code(first_group(ds), "121106")[0])

    assert caught_by(rewritten(built(KINDS[0]), more)) == {}


def test_a_view_without_spacing_side_name_or_count_demands_none_of_them():
    odd = image(laterality=None, view="XYZ", PatientOrientation=None, ImagerPixelSpacing=None)
    bare = replace(odd, prediction=prediction(odd.prediction.mask, calcifications=None))
    assert results_of([bare], replace(answer().decision, breasts=()))


def test_the_carrier_of_an_analysis_that_failed_is_not_demanded():
    failed = replace(four_views()[1], reason=Reason.ANALYSIS_FAILED, prediction=None, picture=None)
    assert results_of([four_views()[0], failed])


@settings(max_examples=60, deadline=None)
@given(
    mask=arrays(bool, st.tuples(st.integers(1, 30), st.integers(1, 30))).filter(lambda mask: mask.any()),
    spacing=st.tuples(st.floats(0.03, 0.3), st.floats(0.03, 0.3)),
)
def test_area_and_extent_measured_from_the_mask_are_those_measured_from_the_outlines(mask, spacing):
    rows, columns = mask.shape
    view = image(mask=mask, rows=rows, columns=columns)
    view = replace(view, header=replace(view.header, spacing_mm=spacing))
    lesion = lesion_of(view, MODEL, label="R CC")
    assert area_and_extent(view.prediction, spacing) == pytest.approx((lesion.area_mm2, lesion.extent_mm))


def test_the_extent_of_one_pixel_is_its_diagonal():
    one = prediction(mask_of((3, 4, 4, 5)))
    assert area_and_extent(one, (3.0, 4.0)) == pytest.approx((12.0, float(np.hypot(3, 4))))
