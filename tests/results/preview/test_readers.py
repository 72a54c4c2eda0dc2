"""What is read back from the objects' bytes is what was put into them, as a viewer would draw it."""

import io

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from dcis_node.mammogram.display import choose, transforms
from dcis_node.results.kinds import ResultKind
from dcis_node.results.preview.overlays import read_marks, read_presentation, read_segmentation, softcopy
from dcis_node.results.preview.reports import (
    OHIF_TEXTS,
    ohif_texts,
    read_regions,
    read_regions_of_first_view,
    read_sections,
)
from tests.results.builders import image, mask_of, results_of
from tests.results.reading import groups, readable

BOX = (30, 20, 50, 45)
TWO_BOXES = mask_of(BOX, (80, 10, 90, 30))


def objects(kind, *images, **changed):
    """The objects of one kind, read from their bytes."""
    results = results_of(images or (image(box=BOX),), kinds=frozenset({kind}), **changed)
    return [dcmread(io.BytesIO(result.data)) for result in results]


def corners(points):
    (x0, y0), (x1, y1) = np.vstack(points).min(axis=0), np.vstack(points).max(axis=0)
    return float(y0), float(x0), float(y1), float(x1)


def test_a_segmentation_gives_its_very_mask():
    view = image(mask=TWO_BOXES)
    (drawing,) = read_segmentation(objects(ResultKind.SEGMENTATION, view)[0])
    assert np.array_equal(drawing.fill, TWO_BOXES)
    assert drawing.image_uid == view.header.sop_instance_uid
    assert drawing.extent == (10, 30, 45, 90)
    assert drawing.colour == (0, 253, 255)


def test_regions_run_along_the_edges_of_the_pixels_they_hold():
    regions = read_regions(objects(ResultKind.MEASUREMENT_REPORT, image(mask=TWO_BOXES))[0])
    assert [corners(region.outlines) for region in regions] == [(30, 20, 50, 45), (80, 10, 90, 30)]


def test_the_texts_are_those_that_ohif_writes_and_stand_beside_the_first_piece_only():
    report = objects(ResultKind.MEASUREMENT_REPORT, image(mask=TWO_BOXES, probability=0.6234))[0]
    first, second = read_regions(report)
    assert len(first.captions[0].lines) == OHIF_TEXTS
    assert first.captions[0].lines[0].endswith(": 62.34 %")
    assert any(line.startswith("Long axis: ") and line.endswith(" mm") for line in first.captions[0].lines)
    assert first.captions[0].corner is None
    assert second.captions == ()


def test_of_a_report_of_two_views_ohif_draws_the_first_and_of_those_of_each_view_both():
    views = image(number=1, mask=TWO_BOXES), image("L", number=2)
    first, second = (view.header.sop_instance_uid for view in views)
    whole = objects(ResultKind.MEASUREMENT_REPORT, *views)[0]
    assert [region.image_uid for region in read_regions(whole)] == [first, first, second]
    assert [region.image_uid for region in read_regions_of_first_view(whole)] == [first, first]
    of_views = objects(ResultKind.VIEW_MEASUREMENT_REPORT, *views)
    assert [region.image_uid for ds in of_views for region in read_regions(ds)] == [first, first, second]


def test_the_site_is_written_where_fewer_than_five_figures_stand():
    group = groups(objects(ResultKind.MEASUREMENT_REPORT)[0])[0]
    figures = [item for item in group.ContentSequence if item.ValueType == "NUM"]
    group.ContentSequence = [item for item in group.ContentSequence if item not in figures[1:]]
    assert ohif_texts(group)[1:] == ["363698007: Breast"]


def test_a_zero_is_written_as_nothing():
    group = groups(objects(ResultKind.MEASUREMENT_REPORT)[0])[0]
    figure = next(item for item in group.ContentSequence if item.ValueType == "NUM")
    figure.MeasuredValueSequence[0].NumericValue = "0"
    assert ohif_texts(group)[0].endswith(":  %")


def test_a_presentation_state_gives_outline_and_text_in_its_box():
    view = image(box=BOX)
    (drawing,) = read_presentation(objects(ResultKind.PRESENTATION_STATE, view)[0])
    assert corners(drawing.outlines) == (30, 20, 50, 45)
    (caption,) = drawing.captions
    assert any("62.0 %" in line for line in caption.lines)
    assert caption.corner is not None
    assert caption.height > 0
    assert drawing.image_uid == view.header.sop_instance_uid


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_steps_of_a_presentation_state_show_the_image_as_the_node_shows_it(photometric):
    grey = {
        "PhotometricInterpretation": photometric,
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "WindowCenter": 1800,
        "WindowWidth": 1200,
    }
    view = image(box=BOX, **grey)
    steps = softcopy(objects(ResultKind.PRESENTATION_STATE, view)[0])
    for keyword in ("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        setattr(steps, keyword, grey[keyword])
    stored = np.arange(0, 4096, 7, dtype=np.uint16)
    assert np.allclose(shown(steps, stored), shown(view.attributes, stored), atol=1e-6)
    wrong = Dataset()
    wrong.update(steps)
    wrong.WindowCenter = 600
    assert not np.allclose(shown(wrong, stored), shown(view.attributes, stored), atol=0.1)


def shown(header, stored):
    return choose(transforms(header)).apply(stored)


def test_a_mark_has_its_centre_inside_its_outline():
    view = image(box=BOX)
    (drawing,) = read_marks(objects(ResultKind.CAD_REPORT, view)[0])
    assert drawing.image_uid == view.header.sop_instance_uid
    ((x, y),) = drawing.centres
    top, left, bottom, right = corners(drawing.outlines)
    assert (top, left, bottom, right) == (30, 20, 50, 45)
    assert top < y < bottom
    assert left < x < right


def test_a_mark_that_is_not_for_presentation_is_not_drawn():
    report = objects(ResultKind.CAD_REPORT)[0]
    assert len(read_marks(report)) == 1
    held_back(report)
    assert read_marks(report) == ()


def held_back(item):
    """Set every rendering intent to `not for presentation`."""
    for child in item.get("ContentSequence") or ():
        if "ConceptNameCodeSequence" in child and child.ConceptNameCodeSequence[0].CodeValue == "111056":
            child.ConceptCodeSequence[0].CodeValue = "111152"
        held_back(child)


def test_a_report_gives_its_texts_below_their_headings_with_line_breaks_undone():
    sections = read_sections(readable(results_of()))
    assert [section.heading for section in sections][:2] == ["Impressions", "Findings"]
    assert sections[0].texts[0].startswith("RESEARCH USE ONLY")
    assert all("\n" not in text and "\r" not in text for section in sections for text in section.texts)
