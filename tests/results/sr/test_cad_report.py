from dataclasses import replace

import numpy as np
import pytest
from pydicom.config import disable_value_validation
from pydicom.uid import MammographyCADSRStorage

from dcis_node.mammogram.facts import ImageKind, Reason
from dcis_node.mammogram.marks import read_marks
from dcis_node.results.check.reading import item_at, named, number
from dcis_node.results.kinds import ResultKind
from dcis_node.results.sr.cad_report import certainty_of
from tests.results.builders import (
    MODEL,
    NOT_ANALYSED,
    NOTHING,
    answer,
    four_views,
    image,
    mask_of,
    refused,
    results_of,
)
from tests.results.reading import items, name, of_modality, read, tracking

CAD = frozenset({ResultKind.CAD_REPORT})


def report(*args, **changed):
    (result,) = results_of(*args, kinds=CAD, **changed)
    return read(result)


def of_name(ds, value):
    return [i for i in items(ds) if "ConceptNameCodeSequence" in i and name(i).CodeValue == value]


def value_of(ds, value):
    (item,) = of_name(ds, value)
    return str(item.ConceptCodeSequence[0].CodeValue)


def texts(ds):
    return [str(item.TextValue) for item in items(ds) if "TextValue" in item]


def library(ds):
    return named(ds, "111028")[0].ContentSequence


def detected(ds, group):
    """UIDs of the images under Successful or Failed Detections."""
    pointers = [c for p in of_name(ds, group) for c in items(p) if "ReferencedContentItemIdentifier" in c]
    targets = [item_at(ds, pointer.ReferencedContentItemIdentifier) for pointer in pointers]
    return [str(target.ReferencedSOPSequence[0].ReferencedSOPInstanceUID) for target in targets]


def test_the_library_lists_the_views_as_they_hang_with_what_their_headers_say():
    first, *others = library(report())
    said = {name(i).CodeValue: i for i in first.ContentSequence}
    assert len(others) == 3
    assert str(first.ReferencedSOPSequence[0].ReferencedSOPInstanceUID) == "2.25.1001.1"
    assert said["111027"].ConceptCodeSequence[0].CodeMeaning == "Right breast"
    assert said["111031"].ConceptCodeSequence[0].CodeMeaning == "cranio-caudal"
    assert (said["111044"].TextValue, said["111043"].TextValue) == ("P", "L")
    assert (said["111060"].Date, said["111061"].Time) == ("20260105", "101500")
    assert (number(said["111026"]), number(said["111066"])) == (0.1, 0.1)


def test_horizontal_spacing_is_that_of_the_columns():
    (entry,) = library(report([image(ImagerPixelSpacing=[0.2, 0.1])]))
    assert [number(named(entry, code)[0]) for code in ("111026", "111066")] == [0.1, 0.2]


def test_a_bare_header_leaves_rows_out_and_no_broken_date_gets_in():
    lacking = {"ImagerPixelSpacing": None, "PatientOrientation": None, "StudyTime": None}
    with disable_value_validation():
        bare = image("R", "ZZ", StudyDate="2026", ContentTime="25", **lacking)
    (entry,) = library(report([bare]))
    assert [name(item).CodeValue for item in entry.ContentSequence] == ["111027"]


def test_an_entry_without_anything_is_an_image_still():
    source = image(ImagerPixelSpacing=None, PatientOrientation=None, StudyDate=None, StudyTime=None)
    nameless = replace(source, header=replace(source.header, laterality=None, view=None))
    (entry,) = library(report([nameless]))
    assert "ContentSequence" not in entry


def test_modifiers_stand_below_the_view():
    source = image()
    turned = replace(source, header=replace(source.header, modifiers=("implant_displaced", "unheard_of")))
    (view,) = named(library(report([turned]))[0], "111031")
    assert [m.ConceptCodeSequence[0].CodeMeaning for m in view.ContentSequence] == ["Implant Displaced"]


def test_each_outlined_view_has_an_impression_with_a_finding_of_each_piece():
    pieces = image(mask=mask_of((10, 5, 30, 25), (60, 5, 80, 25), (60, 40, 70, 50)))
    ds = report([pieces, image("R", "MLO", number=3), image("L", "CC", number=2, box=None)])
    impressions = of_name(ds, "111034")
    assert [len(named(i, "111059")) for i in impressions] == [3, 1]
    intents = [i.ConceptCodeSequence[0].CodeValue for i in of_name(ds, "111056")]
    assert set(intents) == {"111150"}
    assert len(intents) == 2 + 4


def test_a_mark_shares_its_tracking_uid_with_measurement_report_and_segmentation():
    kinds = CAD | {ResultKind.MEASUREMENT_REPORT, ResultKind.SEGMENTATION}
    results = results_of(kinds=kinds)
    cad = next(read(r) for r in results if r.kind is ResultKind.CAD_REPORT)
    uids = [tracking(mark)[1] for mark in of_name(cad, "111059")]
    assert uids == [str(s.SegmentSequence[0].TrackingUID) for s in of_modality(results, "SEG")]


def test_center_and_outline_lie_on_the_piece_with_pixel_centres_at_a_half():
    ds = report([image(mask=mask_of((30, 20, 31, 23)))])
    assert list(of_name(ds, "111010")[0].GraphicData) == [21.5, 30.5]
    assert list(of_name(ds, "111041")[0].GraphicData) == [20, 30, 23, 30, 23, 31, 20, 31, 20, 30]


def test_the_center_of_a_bent_piece_is_one_of_its_pixels():
    bent = mask_of((30, 20, 60, 24), (56, 20, 60, 50))
    x, y = of_name(report([image(mask=bent)]), "111010")[0].GraphicData
    assert bent[int(y), int(x)]


def test_the_certainty_is_that_of_the_outline_and_no_probability_of_cancer_stands_anywhere():
    ds = report()
    assert [number(i) for i in of_name(ds, "111012")] == [80.0, 80.0]
    assert not of_name(ds, "111047")
    assert b"111047" not in results_of(kinds=CAD)[0].data + results_of([image()], kinds=CAD)[0].data
    assert not any("62.0" in text for text in texts(ds))


@pytest.mark.parametrize(("mean", "percent"), [(0.7777777, 77.78), (1.0000001, 100.0), (-1e-9, 0.0)])
def test_the_certainty_stays_within_what_the_template_allows(mean, percent):
    source = image()
    candidate = replace(source.prediction.candidates[0], mean_probability=mean)
    assert certainty_of(replace(source, prediction=replace(source.prediction, candidates=(candidate,)))) == percent


def test_calcifications_are_counted_for_a_lesion_in_one_piece_only():
    assert [number(i) for i in of_name(report([image()]), "111038")] == [14]
    assert of_name(report([image(mask=mask_of((10, 5, 30, 25), (60, 5, 80, 25)))]), "111038") == []


@pytest.mark.parametrize(("synthetic", "use"), [(True, "RUO SYNTHETIC dcis-demo"), (False, "RUO dcis-demo")])
def test_the_algorithm_says_what_it_is_for(synthetic, use):
    ds = report(model=replace(MODEL, synthetic=synthetic))
    assert {i.TextValue for i in of_name(ds, "111001")} == {use}
    assert any(MODEL.sha256 in text for text in texts(ds))
    assert "RESEARCH USE ONLY" in of_name(ds, "111033")[0].TextValue


OUTCOMES = {
    "found": (four_views(), None, "111222", "111242", [1, 3, 2, 4], []),
    "found, a magnification of a view left out": (
        [*four_views(), refused(number=9)],
        None,
        "111222",
        "111242",
        None,
        [],
    ),
    "nothing found": ([image(box=None)], NOTHING, "111222", "111241", [1], []),
    "found in part of the views": (
        [*four_views()[:3], refused("L", "MLO", number=9, reason=Reason.IMPLANT_NOT_DISPLACED)],
        None,
        "111223",
        "111244",
        [1, 2, 3],
        [9],
    ),
    "nothing found in part of the views": (
        [image(box=None), refused("L", "CC", number=9, reason=Reason.ANALYSIS_FAILED)],
        NOTHING,
        "111223",
        "111243",
        [1],
        [9],
    ),
    "refused": ([refused(number=1)], NOT_ANALYSED, "111225", "111245", [], []),
    "damaged": (
        [refused(number=1, reason=Reason.PIXELS_TRUNCATED), refused("L", "CC", number=2)],
        NOT_ANALYSED,
        "111224",
        "111245",
        [],
        [1],
    ),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_summaries_say_what_was_done(outcome):
    images, decision, status, summary, succeeded, failed = OUTCOMES[outcome]
    ds = report(images, decision or answer().decision)
    assert (value_of(ds, "111064"), value_of(ds, "111017")) == (status, summary)
    assert value_of(ds, "111065") == "111225"
    if succeeded is not None:
        assert sorted(detected(ds, "111063")) == sorted(f"2.25.1001.{n}" for n in succeeded)
    assert detected(ds, "111025") == [f"2.25.1001.{n}" for n in failed]


def test_why_a_view_was_left_out_is_said():
    images, decision, *_ = OUTCOMES["found in part of the views"]
    (said,) = of_name(report(images, decision or answer().decision), "111033")
    assert "Not used: L MLO. Reason implant_not_displaced" in said.TextValue


def test_an_exam_without_a_view_of_a_breast_has_no_report():
    scan = refused(reason=Reason.NOT_AN_IMAGE)
    scan = replace(scan, header=replace(scan.header, kind=ImageKind.NOT_AN_IMAGE))
    assert results_of([scan], NOT_ANALYSED, kinds=CAD) == ()


def test_our_own_reader_of_marks_reads_the_clusters_back():
    views = [image(mask=mask_of((10, 5, 31, 26), (60, 5, 81, 26))), image("L", "MLO", number=2, box=(20, 30, 41, 61))]
    ds = report(views)
    assert ds.SOPClassUID == MammographyCADSRStorage
    marks = [(mark.image_uid, mark.row, mark.column, mark.kind) for mark in read_marks(ds)]
    assert marks == [
        ("2.25.1001.1", 20.0, 15.0, "cad_sr"),
        ("2.25.1001.1", 70.0, 15.0, "cad_sr"),
        ("2.25.1001.2", 30.0, 45.0, "cad_sr"),
    ]


def test_equal_answers_give_equal_bytes():
    assert np.array_equal(*(np.frombuffer(results_of(four_views(), kinds=CAD)[0].data, np.uint8) for _ in range(2)))
