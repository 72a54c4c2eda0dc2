from dataclasses import replace
from datetime import timedelta, timezone

import numpy as np
import pytest

from dcis_node.errors import ResultError
from dcis_node.model.evidence import LesionSource
from dcis_node.results.kinds import SERIES_NUMBERS, ResultKind
from dcis_node.results.presentation import build_presentation
from tests.judge import judge
from tests.results.builders import EQUIPMENT, MADE_AT, MODEL, NOTHING, STUDY, answer, image, mask_of, results_of
from tests.results.headers import GREY, SHOWN
from tests.results.reading import groups, of_modality, read, region, tracking

STATES = frozenset({ResultKind.PRESENTATION_STATE})
WITH_REPORT = STATES | {ResultKind.READABLE_REPORT, ResultKind.MEASUREMENT_REPORT, ResultKind.SEGMENTATION}


def states(*args, **changed):
    return [read(result) for result in results_of(*args, kinds=STATES, **changed)]


def outlines(ds):
    return [g for a in ds.GraphicAnnotationSequence for g in a.get("GraphicObjectSequence", ())]


def text(ds):
    (found,) = [t for a in ds.GraphicAnnotationSequence for t in a.get("TextObjectSequence", ())]
    return found


def points(graphic):
    return np.array(graphic.GraphicData, dtype=float).reshape(-1, 2)


def given(*, row=30.0, column=60.0, mask=None):
    """A view that was analysed at a given mark; nothing is outlined there without a mask."""
    one = image(mask=mask_of() if mask is None else mask)
    seen = image().prediction
    mark = replace(seen, source=LesionSource.GIVEN, mask=one.prediction.mask, centre=(row, column))
    return replace(one, prediction=mark if mask is not None else replace(mark, candidates=()))


def test_each_view_with_a_finding_has_one_in_a_series_of_its_own():
    found = states()
    references = [ds.ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID for ds in found]
    assert references == [f"{STUDY}.1", f"{STUDY}.3"]
    assert [ds.SeriesDescription for ds in found] == [
        "RUO R CC DCIS presentation SYNTHETIC",
        "RUO R MLO DCIS presentation SYNTHETIC",
    ]
    first = SERIES_NUMBERS[ResultKind.PRESENTATION_STATE]
    assert [ds.SeriesNumber for ds in found] == [first, first + 1]
    assert len({ds.SeriesInstanceUID for ds in found}) == 2
    assert {ds.Modality for ds in found} == {"PR"}


def test_a_view_without_a_finding_has_none():
    assert states([image(box=None)], NOTHING) == []
    one = image(box=None)
    with pytest.raises(ResultError, match="without a figure"):
        build_presentation(answer([one], NOTHING), one, None, label="R CC", number=1)


def test_the_outlines_are_those_of_the_report_to_the_bit():
    mask = mask_of((20, 20, 40, 50), (60, 10, 80, 30), (44, 60, 60, 80))
    results = results_of([image(mask=mask)], kinds=WITH_REPORT)
    (state,) = of_modality(results, "PR")
    regions = groups(read(results[1]))
    assert len(regions) == 3
    for graphic, group in zip(outlines(state), regions, strict=True):
        assert np.array_equal(points(graphic), region(group)[0])
        assert (graphic.TrackingID, graphic.TrackingUID) == tracking(group)
        assert graphic.NumberOfGraphicPoints == len(points(graphic))
    (seg,) = of_modality(results, "SEG")
    assert outlines(state)[0].TrackingUID == seg.SegmentSequence[0].TrackingUID


def test_outlines_and_text_lie_in_layers_of_their_own_so_that_each_can_be_put_away():
    ds = states()[0]
    layers = [(layer.GraphicLayer, layer.GraphicLayerOrder) for layer in ds.GraphicLayerSequence]
    assert layers == [("DCIS_OUTLINE", 1), ("DCIS_TEXT", 2)]
    assert [a.GraphicLayer for a in ds.GraphicAnnotationSequence] == ["DCIS_OUTLINE", "DCIS_TEXT"]
    for layer in ds.GraphicLayerSequence:
        assert layer.GraphicLayerRecommendedDisplayGrayscaleValue == 0xFFFF
        assert len(layer.GraphicLayerRecommendedDisplayCIELabValue) == 3


def test_the_text_says_use_model_view_figure_and_threshold():
    assert text(states()[0]).UnformattedTextValue.splitlines() == [
        "RESEARCH USE ONLY",
        "NOT FOR CLINICAL USE",
        "SYNTHETIC MODEL (phantoms):",
        "figures have no clinical meaning",
        "R CC: high-risk DCIS 60.0 %",
        "threshold 50.0 %",
    ]


def test_a_trained_model_is_not_called_synthetic_and_a_later_version_is_numbered():
    words = text(states(model=replace(MODEL, synthetic=False), version=2)[0]).UnformattedTextValue
    assert "SYNTHETIC" not in words
    assert words.endswith("version 2")


def test_the_text_stands_inside_the_image_beside_the_outline_and_points_at_it():
    ds = states()[0]
    words = text(ds)
    (x0, y0), (x1, y1) = words.BoundingBoxTopLeftHandCorner, words.BoundingBoxBottomRightHandCorner
    assert 0 <= x0 < x1 <= 90
    assert 0 <= y0 < y1 <= 120
    outline = points(outlines(ds)[0])
    assert x0 >= outline[:, 0].max() or x1 <= outline[:, 0].min() or y0 >= outline[:, 1].max()
    assert words.AnchorPointVisibility == "Y"
    assert list(words.AnchorPoint) in outline.tolist()


def test_at_a_given_mark_where_nothing_is_outlined_the_figure_stands_beside_it():
    ds = states([given()])[0]
    assert outlines(ds) == []
    assert [layer.GraphicLayer for layer in ds.GraphicLayerSequence] == ["DCIS_TEXT"]
    assert list(text(ds).AnchorPoint) == [60.5, 30.5]
    assert "high-risk DCIS 62.0 %" in text(ds).UnformattedTextValue
    assert text(ds).UnformattedTextValue.endswith("given mark, nothing outlined")


def test_a_mark_beside_the_image_is_pointed_at_from_its_border():
    assert list(text(states([given(row=-3.0, column=200.0)])[0]).AnchorPoint) == [90.0, 0.0]


def test_the_whole_image_is_shown_in_its_proportions():
    for spacing, ratio in (([0.1, 0.1], [1, 1]), (None, [1, 1]), ([0.07, 0.14], [1, 2]), ([0.075, 0.05], [3, 2])):
        (area,) = states([image(ImagerPixelSpacing=spacing)])[0].DisplayedAreaSelectionSequence
        assert area.DisplayedAreaTopLeftHandCorner == [1, 1]
        assert area.DisplayedAreaBottomRightHandCorner == [90, 120]
        assert area.PresentationSizeMode == "SCALE TO FIT"
        assert area.PresentationPixelAspectRatio == ratio
        # What stands at the detector is no distance in the patient, and there are no tiles.
        assert "PresentationPixelSpacing" not in area
        assert "PixelOriginInterpretation" not in area


def test_it_says_which_program_made_it_and_when_in_the_zone_of_the_image():
    ds = states([image(TimezoneOffsetFromUTC="+0200")])[0]
    when = MADE_AT.astimezone(timezone(timedelta(hours=2)))
    assert (ds.PresentationCreationDate, ds.PresentationCreationTime) == (f"{when:%Y%m%d}", f"{when:%H%M%S}")
    assert ds.ContentCreatorName == "dcis-node^"
    assert ds.ContentDescription == "SYNTHETIC MODEL (phantoms): figures have no clinical meaning"


@pytest.mark.parametrize(
    ("view", "label"), [("CC", "RUO DCIS R CC"), ("XCCL", "RUO DCIS R XCCL"), ("A LONG VIEW", "RUO DCIS")]
)
def test_the_label_in_a_viewers_list_names_the_view_where_it_fits(view, label):
    assert states([image("R", view)])[0].ContentLabel == label


def test_two_images_of_one_view_have_labels_of_their_own():
    assert [ds.ContentLabel for ds in states([image(number=1), image(number=2)])] == [
        "RUO DCIS R CC",
        "RUO DCIS R CC 2",
    ]


@pytest.mark.parametrize("laterality", ["R", "L", None])
def test_the_side_is_that_of_the_image(laterality):
    assert (states([image(laterality)])[0].Laterality or None) == laterality


def test_a_name_of_the_device_with_delimiters_is_one_name():
    equipment = replace(EQUIPMENT, model_name="a^b=c")
    assert states(equipment=equipment)[0].ContentCreatorName == "a b c^"


@pytest.mark.peer
def test_the_judges_find_no_error_in_any_of_them():
    """dciodvfy and dcmpschk, the latter for what the first does not know of presentation states."""
    exams = [[image(**(GREY | changed))] for changed in SHOWN.values()]
    exams += [
        [given()],
        [image(laterality=None)],
        [image(ImagerPixelSpacing=None)],
        [image(ImagerPixelSpacing=[0.07, 0.14], rows=517, columns=283)],
        [image(rows=300, columns=4000, box=(10, 3900, 290, 4000), **GREY)],
        [image(mask=mask_of(*[(12 * i, 5, 12 * i + 9 - i, 20) for i in range(7)]))],
        [image("L", "MLO", mask=np.ones((120, 90), dtype=bool))],
    ]
    found = [result for images in exams for result in results_of(images, kinds=STATES)]
    assert len(found) == len(exams)
    assert judge(found) == []
