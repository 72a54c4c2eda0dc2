from dataclasses import replace

import numpy as np
import pytest

from dcis_node.phantom.noise import Window
from dcis_node.phantom.shapes import Shape, stamp

PITCH = 0.07
WINDOW = Window(0, 0, 120, 120)
LUMPS = (0.2, 1.0, 0.1, 2.0, 0.05, 3.0)
GRAIN = Shape(4.2, 4.2, 0.5, 0.4, 0.3, "grain", 0.5, LUMPS)


def _draw(shape, *, window=WINDOW, blur=0.055):
    layer = np.zeros((window.rows, window.columns), np.float32)
    mask = np.zeros(layer.shape, np.bool_)
    area = stamp(layer, mask, shape, window=window, pitch_mm=PITCH, blur_mm=blur)
    return layer, mask, area


@pytest.mark.parametrize("form", ["grain", "rod", "fuzzy", "rim"])
def test_a_shape_lies_where_it_was_put_and_its_mask_with_it(form):
    layer, mask, area = _draw(replace(GRAIN, form=form, lumps=()))
    assert area == mask.sum() > 0
    rows, columns = np.nonzero(mask)
    assert rows.mean() == pytest.approx(4.2 / PITCH - 0.5, abs=0.6)
    assert columns.mean() == pytest.approx(4.2 / PITCH - 0.5, abs=0.6)
    assert layer.max() <= 0.5 + 1e-6


def test_blur_lowers_the_peak_and_keeps_the_sum():
    sharp, _, _ = _draw(GRAIN, blur=0.02)
    soft, _, _ = _draw(GRAIN, blur=0.10)
    assert soft.max() < sharp.max()
    assert soft.sum() == pytest.approx(sharp.sum(), rel=0.03)


def test_even_the_smallest_calcification_has_pixels_in_the_mask():
    _, _, area = _draw(replace(GRAIN, length_mm=0.10, width_mm=0.08, form="fuzzy", lumps=()))
    assert area >= 1


def test_a_rim_is_lucent_inside_and_a_grain_is_not():
    row = column = round(4.2 / PITCH - 0.5)
    rim, _, _ = _draw(replace(GRAIN, length_mm=2.4, width_mm=2.4, form="rim", lumps=()))
    grain, _, _ = _draw(replace(GRAIN, length_mm=2.4, width_mm=2.4, lumps=()))
    assert rim[row, column] < 0.7 * rim.max()
    assert grain[row, column] > 0.95 * grain.max()


def test_a_rod_is_long_in_its_direction():
    _, mask, _ = _draw(Shape(4.2, 4.2, 1.6, 0.2, 0.0, "rod", 0.5))
    assert mask.any(axis=0).sum() > 3 * mask.any(axis=1).sum()


def test_a_shape_beyond_the_window_leaves_it_alone_and_a_cut_one_is_cut():
    away, _, area = _draw(replace(GRAIN, x_mm=40.0))
    assert area == 0
    assert not away.any()
    whole, whole_mask, _ = _draw(GRAIN)
    part, part_mask, _ = _draw(GRAIN, window=Window(60, 50, 60, 70))
    assert np.array_equal(part, whole[60:, 50:])
    assert np.array_equal(part_mask, whole_mask[60:, 50:])
