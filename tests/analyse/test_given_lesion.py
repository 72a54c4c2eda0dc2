"""Somebody's mark beside the images: it centres the analysis of its view, and the results say so and point at it."""

from dataclasses import replace

import numpy as np
import pytest
from pydicom import Dataset

from dcis_node.model.evidence import LesionSource
from tests.analyse.foreign import cad_report, measurement_report, presentation_state, segmentation
from tests.analyse.nodes import FakeEnsemble, Node
from tests.analyse.objects import base, drawing, encoded, mammogram, reread
from tests.analyse.test_late_views import readable_text

pytestmark = pytest.mark.usefixtures("fast_decode")

ROW, COLUMN = 120.0, 100.0
# A mark this near to the breast still counts: 10 mm, in the small test images with this spacing 10 pixels.
COARSE = {"ImagerPixelSpacing": [1.0, 1.0]}
KINDS = {
    "seg": (lambda image: segmentation(7, image, box=(110, 90, 131, 111)), "a DICOM segmentation"),
    "sr_scoord": (
        lambda image: measurement_report(7, image, row=ROW, column=COLUMN),
        "a region in a structured report",
    ),
    "gsps": (lambda image: presentation_state(7, image, row=ROW, column=COLUMN), "a graphic in a presentation state"),
    "cad_sr": (lambda image: cad_report(7, image, row=ROW, column=COLUMN), "a mark of a mammography CAD report"),
}


def content(item: Dataset):
    for child in item.get("ContentSequence", ()):
        yield child
        yield from content(child)


def named(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue) if "ConceptNameCodeSequence" in item else ""


def reports(node: Node) -> list[Dataset]:
    """The readable report, then those of the views."""
    return [reread(node.files.read(r.sha256)) for r in node.results if r.modality == "SR"]


def evidence(ds: Dataset) -> set[str]:
    return {
        str(item.ReferencedSOPInstanceUID)
        for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
        for study in ds.get(keyword, ())
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }


def unmarked(node: Node) -> None:
    """Hold a node to an answer that knows of no mark, and to no failure."""
    assert [view["lesion"] for view in node.reports[-1].views if view["eligible"]] == ["found", "found"]
    assert [call["given"] for call in node.ensemble.calls] == [None, None]
    assert (node.exams[0].state, node.exams[0].failure) == ("reported", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_mark_of_each_kind_centres_the_analysis_and_is_pointed_at(node: Node, kind: str):
    make, words = KINDS[kind]
    node.report(mammogram(1), mammogram(2, "R MLO"), make(mammogram(1)))
    assert node.ensemble.calls[0]["given"] == pytest.approx((ROW, COLUMN), abs=0.01)
    (view,) = (view for view in node.reports[0].views if view["lesion"] == "given")
    assert (view["sop_instance_uid"], view["mark"]["kind"], view["mark"]["source_uid"]) == ("1.2.3.1", kind, "1.2.3.7")
    found = reports(node)
    # The one of the view that is marked.
    measured = next(ds for ds in found if str(ds.SeriesDescription).startswith("RUO R CC DCIS figures"))
    pointers = [item for ds in found[1:] for item in content(ds) if named(item) == "GIVENMARK"]
    assert [str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID) for item in pointers] == ["1.2.3.7"]
    assert [item.ValueType for item in pointers] == ["IMAGE" if kind == "seg" else "COMPOSITE"]
    in_words = [item for item in content(found[0]) if named(item) == "GIVENMARK"]
    assert [str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID) for item in in_words] == ["1.2.3.7"]
    comments = [str(item.TextValue) for item in content(measured) if named(item) == "121106"]
    sentence = f"The analysis was centred on a given mark: {words} of this exam."
    assert sentence in comments
    assert sentence in readable_text(node, 1)
    assert all("1.2.3.7" in evidence(ds) for ds in found)


@pytest.mark.parametrize(
    "carrier",
    [
        drawing(7, mammogram(1), row=300.0, column=COLUMN),
        drawing(7, mammogram(1), row=ROW, column=-3.0),
        drawing(7, mammogram(99), row=ROW, column=COLUMN),
        drawing(7, mammogram(3, "R MLO")),
        drawing(7, mammogram(1), row=3.0, column=3.0),
        encoded(segmentation(7, mammogram(1), box=(110, 90, 131, 111)))[:-3000],
    ],
    ids=["below the image", "beside the image", "of another image", "of a view that is not used", "in the air", "cut"],
)
def test_a_mark_that_means_nothing_here_has_no_effect(node: Node, carrier):
    magnified = mammogram(3, "R MLO", EstimatedRadiographicMagnificationFactor="1.8")
    node.report(mammogram(1, **COARSE), mammogram(2, "R MLO", **COARSE), magnified, carrier)
    unmarked(node)


def test_a_mark_in_the_air_is_noted_and_the_next_one_on_the_breast_is_used(node: Node):
    air = measurement_report(7, mammogram(1), row=12.0, column=12.0)
    node.report(mammogram(1, **COARSE), mammogram(2, "R MLO"), air)
    assert "given_mark_off_breast" in node.reports[0].views[0]["notes"]
    node.report(drawing(8, mammogram(1), row=ROW, column=COLUMN))
    (given,) = (view for view in node.reports[1].views if view["lesion"] == "given")
    assert given["mark"]["source_uid"] == "1.2.3.8"
    assert node.ensemble.calls[-1]["given"] == pytest.approx((ROW, COLUMN))


def test_an_object_of_ours_that_came_back_marks_nothing(node: Node):
    node.report(mammogram(1), mammogram(2, "R MLO"))
    node.report(*(node.files.read(result.sha256) for result in node.results))
    assert len(node.reports) == 1
    node.report(mammogram(3, "L CC", PixelData=bytes(2 * 256 * 192)))
    assert len(node.reports) == 2
    unmarked(node)


def test_an_unreadable_report_has_no_effect(node: Node):
    deep = base(7, "1.2.840.10008.5.1.4.1.1.88.33")
    item = deep
    for _ in range(200):
        item.ContentSequence = [Dataset()]
        item = item.ContentSequence[0]
    item.ValueType, item.GraphicType, item.GraphicData = "SCOORD", "POLYLINE", [1.0, 2.0, 3.0]
    node.report(mammogram(1), mammogram(2, "R MLO"), deep)
    unmarked(node)


def test_a_broken_view_with_a_mark_keeps_its_own_reason(node: Node):
    node.report(mammogram(1), mammogram(2, "R MLO", PixelData=bytes(2 * 256 * 192)), drawing(7, mammogram(2)))
    assert node.reasons() == {"1.2.3.1": "eligible", "1.2.3.2": "no_breast_found"}


def test_of_several_marks_on_a_view_it_is_said_how_many_there_were(node: Node):
    others = [drawing(n, mammogram(1), row=100.0 + n, column=COLUMN) for n in (8, 9)]
    node.report(mammogram(1), mammogram(2, "R MLO"), KINDS["seg"][0](mammogram(1)), *others)
    assert "a DICOM segmentation of this exam, one of 3 marks on this view. The others were not used." in readable_text(
        node, 1
    )


class OutlinesNothing(FakeEnsemble):
    """Gives a figure at a mark, and outlines nothing."""

    def predict_view(self, image, breast_mask, **options):
        seen = super().predict_view(image, breast_mask, **options)
        return replace(seen, source=LesionSource.GIVEN, candidates=(), mask=np.zeros(image.shape, np.bool_))


def test_a_mark_where_nothing_is_outlined_gives_a_figure_without_a_region(tmp_path, bundle):
    node = Node(tmp_path, bundle, OutlinesNothing(bundle))
    node.report(mammogram(1), drawing(7, mammogram(1), row=ROW, column=COLUMN))
    said = readable_text(node, 1)
    kinds = {result.kind for result in node.results}
    node.db.close()
    assert kinds == {"readable_report", "summary_image"}
    assert "No calcifications were outlined at the given mark. The probability of high-risk DCIS is 75.0 %" in said
    assert "R CC: probability 75.0 %" in said
    assert "Nothing was outlined. The analysis was centred on a given mark: a graphic in a presentation state" in said
