from dataclasses import replace

import numpy as np
import pytest

from dcis_node.results.parts import MAX_PARTS, lesion_parts
from tests.results.builders import MODEL, image, mask_of


def parts_of(*boxes, **changed):
    return lesion_parts(image(mask=mask_of(*boxes), **changed), MODEL, label="R CC")


def test_a_mask_at_known_pixels_gives_its_outline_exactly_there():
    (part,) = parts_of((30, 20, 50, 45))
    assert part.outline.tolist() == [[20, 30], [45, 30], [45, 50], [20, 50], [20, 30]]
    assert part.area_px == 500


def test_sizes_are_at_the_detector_plane_in_the_spacing_of_rows_and_columns():
    (part,) = parts_of((30, 20, 50, 45), ImagerPixelSpacing=[0.1, 0.2])
    assert part.area_mm2 == pytest.approx(500 * 0.02)
    assert part.long_axis_mm == pytest.approx(np.hypot(20 * 0.1, 25 * 0.2))


def test_without_a_spacing_there_are_no_millimetres():
    (part,) = parts_of((30, 20, 50, 45), ImagerPixelSpacing=None)
    assert (part.area_mm2, part.long_axis_mm) == (None, None)
    assert part.area_px == 500


def test_pieces_are_parts_of_their_own_the_largest_first():
    first, second = parts_of((5, 5, 9, 9), (40, 40, 60, 60))
    assert (first.number, first.area_px, second.number, second.area_px) == (1, 400, 2, 16)
    assert first.tracking_uid != second.tracking_uid
    assert second.tracking_id == "DCIS-NODE R CC part 2"


def test_the_count_of_the_lesion_stands_with_its_first_part_only():
    first, second = parts_of((5, 5, 9, 9), (40, 40, 60, 60))
    assert (first.calcifications, second.calcifications) == (14, None)


def test_many_pieces_are_told_as_a_few_parts_that_hold_all_pixels():
    boxes = [(10 * i, 5, 10 * i + 9 - i // 2, 12) for i in range(9)]
    parts = parts_of(*boxes)
    assert len(parts) == MAX_PARTS
    assert sum(part.pieces for part in parts) == len(boxes)
    assert sum(part.area_px for part in parts) == mask_of(*boxes).sum()


def test_a_view_without_an_outline_has_no_parts():
    assert lesion_parts(image(box=None), MODEL, label="R CC") == ()


def test_a_lesion_at_the_border_stays_inside_the_image():
    (part,) = parts_of((0, 0, 120, 90))
    assert part.outline.tolist() == [[0, 0], [90, 0], [90, 120], [0, 120], [0, 0]]


def test_the_same_outline_of_the_same_image_keeps_its_tracking_uid():
    assert parts_of((30, 20, 50, 45))[0].tracking_uid == parts_of((30, 20, 50, 45))[0].tracking_uid
    assert parts_of((30, 20, 50, 45))[0].tracking_uid != parts_of((30, 20, 50, 46))[0].tracking_uid
    other_model = lesion_parts(image(), replace(MODEL, sha256="ef" * 32), label="R CC")
    assert parts_of((30, 20, 50, 45))[0].tracking_uid != other_model[0].tracking_uid
