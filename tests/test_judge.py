import io
import re
import shutil
from copy import deepcopy
from dataclasses import replace

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import MRImageStorage

from dcis_node.results.kinds import EVERY_KIND, ResultKind
from tests import judge as judging
from tests.judge import judge, judge_each, require_pixelmed, shape
from tests.results.builders import NOTHING, image, results_of

pytestmark = [pytest.mark.peer, pytest.mark.timeout(600)]


def result(kind, *args):
    return next(r for r in results_of(*args, kinds=EVERY_KIND) if r.kind is kind)


def changed(kind, change, *args):
    """A result of a kind with something done to its dataset, as a result again."""
    original = result(kind, *args)
    ds = dcmread(io.BytesIO(original.data))
    change(ds)
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return replace(original, data=out.getvalue())


def drop(ds, value):
    """Take the items with a concept name of that code value out of a tree."""
    children = list(ds.get("ContentSequence") or ())
    kept = [c for c in children if c.get("ConceptNameCodeSequence", [Dataset()])[0].get("CodeValue") != value]
    if children:
        ds.ContentSequence = kept
    for child in kept:
        drop(child, value)


def widen(ds):
    voi = Dataset()
    voi.WindowCenter, voi.WindowWidth = [100, 200], [100, 200]
    ds.SoftcopyVOILUTSequence = [voi]


def misdirect(ds):
    finding = ds.ContentSequence[2].ContentSequence[-1].ContentSequence[-1]
    center = next(c for c in finding.ContentSequence if c.get("GraphicType") == "POINT")
    center.ContentSequence[0].ReferencedContentItemIdentifier = [1, 2, 99]


def add_row(ds):
    row = deepcopy(ds.ContentSequence[2].ContentSequence[0])
    row.RelationshipType = "CONTAINS"
    ds.ContentSequence.append(row)


def rename(ds):
    ds.ConceptNameCodeSequence[0].CodeValue = "111099"
    del ds.ContentTemplateSequence


@pytest.fixture(scope="module")
def found():
    """What is found on objects that are whole and on broken ones."""
    nothing = ([image(box=None)], NOTHING)
    return judge_each(
        {
            "whole": result(ResultKind.CAD_REPORT, *nothing),
            "row lacks": changed(ResultKind.CAD_REPORT, lambda ds: drop(ds, "111065"), *nothing),
            "row added": changed(ResultKind.CAD_REPORT, add_row, *nothing),
            "misdirected": changed(ResultKind.CAD_REPORT, misdirect),
            "flag": changed(ResultKind.READABLE_REPORT, lambda ds: setattr(ds, "PreliminaryFlag", "PERHAPS")),
            "untitled": changed(ResultKind.READABLE_REPORT, rename),
            "segment": changed(
                ResultKind.SEGMENTATION, lambda ds: ds.SegmentSequence[0].__delattr__("SegmentAlgorithmType")
            ),
            "windows": changed(ResultKind.PRESENTATION_STATE, widen),
        }
    )


@pytest.mark.parametrize(
    ("broken", "finding"),
    [
        ("flag", r"dciodvfy: Error.*Preliminary Flag"),
        ("flag", r"dsrdump: W: .*PreliminaryFlag"),
        ("segment", r"dciodvfy: Error.*Segment ?Algorithm ?Type"),
        ("windows", r"dcmpschk: .*VM != 1"),
        ("misdirected", r"dsrdump: W: Target content item .* does not exist"),
    ],
)
def test_each_tool_finds_what_it_is_asked_for(found, broken, finding):
    assert any(re.search(finding, line) for line in found[broken]), found[broken]


def test_rows_of_the_template_are_missed_by_pixelmed_only(found):
    require_pixelmed()
    assert found["whole"] == []
    assert any("111065" in line for line in found["row lacks"])
    assert all(line.startswith("PixelMed: Error") for line in found["row lacks"])
    assert found["row added"]
    assert all(line.startswith("PixelMed: ") for line in found["row added"])


def test_a_report_whose_template_was_not_found_is_not_passed(found):
    require_pixelmed()
    assert any("did not say 'Found Root Template'" in line for line in found["untitled"])


def test_an_object_that_no_tool_here_knows_is_a_finding():
    foreign = changed(ResultKind.SEGMENTATION, lambda ds: setattr(ds, "SOPClassUID", MRImageStorage))
    assert judge([foreign]) == [f"1 segmentation: judge: nothing here judges {MRImageStorage}"]


def test_an_object_under_the_class_of_another_is_a_finding(tmp_path, monkeypatch):
    monkeypatch.setitem(judging.NAMES, MRImageStorage, "Segmentation")
    foreign = changed(ResultKind.SEGMENTATION, lambda ds: setattr(ds, "SOPClassUID", MRImageStorage))
    assert "1 segmentation: dciodvfy: not recognised as Segmentation" in judge([foreign])


def test_words_and_numbers_leave_the_shape_and_codes_do_not():
    report = dcmread(io.BytesIO(result(ResultKind.READABLE_REPORT).data))
    before = shape(report)
    report.ContentSequence[-1].ContentSequence[0].TextValue = "Other words."
    assert shape(report) == before
    report.ContentSequence[-1].ContentSequence[0].ConceptNameCodeSequence[0].CodeValue = "121070"
    assert shape(report) != before


def test_a_missing_template_check_fails_where_the_peers_are_demanded(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    monkeypatch.delenv("DCIS_NODE_REQUIRE_PEERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"java or pixelmed.jar is missing"):
        require_pixelmed()
    monkeypatch.setenv("DCIS_NODE_REQUIRE_PEERS", "1")
    with pytest.raises(pytest.fail.Exception, match=r"java or pixelmed.jar is missing"):
        require_pixelmed()
