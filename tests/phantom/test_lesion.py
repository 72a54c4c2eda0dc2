import numpy as np
import pytest

from dcis_node.phantom.lesion import CLOSING_MM, RIM_MM, draw_lesion, overlay, region_of
from dcis_node.phantom.noise import Window
from dcis_node.phantom.shapes import Shape

PITCH = 0.07


def _points(*places):
    mask = np.zeros((400, 400), np.bool_)
    for row, column in places:
        mask[row, column] = True
    return mask


def test_the_region_of_one_calcification_is_a_disc_with_the_radius_of_the_rim():
    region = region_of(_points((200, 200)), pitch_mm=PITCH)
    assert np.sqrt(region.sum() / np.pi) * PITCH == pytest.approx(RIM_MM, abs=0.15)


def test_near_calcifications_share_a_region_and_far_ones_do_not():
    near, far = round(1.4 * CLOSING_MM / PITCH), round(2.6 * CLOSING_MM / PITCH)
    joined = region_of(_points((200, 100), (200, 100 + near), (200 + near, 100)), pitch_mm=PITCH)
    apart = region_of(_points((200, 100), (200, 100 + far)), pitch_mm=PITCH)
    assert joined[200 + near // 4, 100 + near // 4]
    assert not apart[200, 100 + far // 2]


def test_no_calcification_has_no_region():
    assert not region_of(np.zeros((10, 10), np.bool_), pitch_mm=PITCH).any()


def test_a_lesion_at_the_edge_of_the_frame_stays_within_it():
    shapes = (Shape(0.2, 0.2, 0.4, 0.3, 0.0, "grain", 0.4), Shape(6.9, 6.9, 0.4, 0.3, 0.0, "grain", 0.4))
    lesion = draw_lesion(shapes, rows=101, columns=99, pitch_mm=PITCH, blur_mm=0.05)
    w = lesion.window
    assert (w.row, w.column) == (0, 0)
    assert w.rows <= 101
    assert w.columns <= 99
    assert lesion.calcification_mask[:8, :8].any()


def test_no_shapes_make_no_lesion():
    assert draw_lesion((), rows=100, columns=100, pitch_mm=PITCH, blur_mm=0.05) is None


def test_overlay_copies_the_common_part_only():
    target, source = np.zeros((4, 4)), np.arange(1.0, 10.0).reshape(3, 3)
    overlay(target, source, at=Window(10, 10, 4, 4), of=Window(12, 9, 3, 3))
    assert np.array_equal(target[2:, :2], source[:2, 1:])
    assert target.sum() == source[:2, 1:].sum()
    overlay(target, source, at=Window(10, 10, 4, 4), of=Window(40, 9, 3, 3))
    assert target.sum() == source[:2, 1:].sum()
