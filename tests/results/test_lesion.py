from dataclasses import replace

import numpy as np
import pytest

from dcis_node.results.lesion import MAX_OUTLINES, lesion_of
from tests.results.builders import MODEL, image, mask_of


def lesion(*boxes, **changed):
    return lesion_of(image(mask=mask_of(*boxes), **changed), MODEL, label="R CC")


def test_a_mask_at_known_pixels_gives_its_outline_exactly_there():
    (outline,) = lesion((30, 20, 50, 45)).outlines
    assert outline.points.tolist() == [[20, 30], [45, 30], [45, 50], [20, 50], [20, 30]]


def test_sizes_are_at_the_detector_plane_in_the_spacing_of_rows_and_columns():
    found = lesion((30, 20, 50, 45), ImagerPixelSpacing=[0.1, 0.2])
    assert found.area_mm2 == pytest.approx(500 * 0.02)
    assert found.extent_mm == pytest.approx(np.hypot(20 * 0.1, 25 * 0.2))


def test_without_a_spacing_there_are_no_millimetres():
    found = lesion((30, 20, 50, 45), ImagerPixelSpacing=None)
    assert (found.area_mm2, found.extent_mm) == (None, None)


def test_pieces_have_outlines_of_their_own_the_largest_first():
    first, second = lesion((5, 5, 12, 12), (40, 40, 60, 60)).outlines
    assert first.points[0].tolist() == [40, 40]
    assert second.points[0].tolist() == [5, 5]
    assert first.tracking_uid != second.tracking_uid
    assert (first.tracking_id, second.tracking_id) == ("DCIS-NODE R CC", "DCIS-NODE R CC piece 2")


def test_area_extent_and_count_are_of_all_pieces_together():
    found = lesion((5, 5, 9, 9), (40, 40, 60, 60))
    assert found.pieces == 2
    assert found.area_mm2 == pytest.approx(4.16)
    assert found.extent_mm == pytest.approx(0.1 * np.hypot(55, 55))
    assert found.calcifications == 14


def test_the_count_is_of_the_best_candidate_only():
    one = image()
    (best,) = one.prediction.candidates
    other = replace(best, calcifications=99)
    two = replace(one, prediction=replace(one.prediction, candidates=(best, other)))
    assert lesion_of(two, MODEL, label="R CC").calcifications == 14


def test_many_pieces_are_measured_all_and_outlined_in_part():
    boxes = [(10 * row, 5 + 12 * column, 10 * row + 6, 12 + 12 * column) for row in range(9) for column in range(2)]
    found = lesion(*boxes)
    assert len(found.outlines) == MAX_OUTLINES
    assert found.pieces == len(boxes)
    assert found.area_mm2 == pytest.approx(0.01 * mask_of(*boxes).sum())


def test_a_speck_beside_a_lesion_is_measured_but_not_outlined():
    found = lesion((5, 5, 9, 9), (40, 40, 60, 60))
    assert (len(found.outlines), found.pieces) == (1, 2)


def test_a_view_without_an_outline_has_no_lesion():
    assert lesion_of(image(box=None), MODEL, label="R CC") is None


def test_a_lesion_at_the_border_stays_inside_the_image():
    (outline,) = lesion((0, 0, 120, 90)).outlines
    assert outline.points.tolist() == [[0, 0], [90, 0], [90, 120], [0, 120], [0, 0]]


def test_the_same_outline_of_the_same_image_keeps_its_tracking_uid():
    def uid(*box, model=MODEL):
        return lesion_of(image(box=box), model, label="R CC").outlines[0].tracking_uid

    assert uid(30, 20, 50, 45) == uid(30, 20, 50, 45)
    assert uid(30, 20, 50, 45) != uid(30, 20, 50, 46)
    assert uid(30, 20, 50, 45) != uid(30, 20, 50, 45, model=replace(MODEL, sha256="ef" * 32))
