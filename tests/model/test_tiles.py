from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dcis_node.model.tiles import blend_weights, crop_origin, cut, tile_starts, tiles_over


@given(st.integers(1, 5000), st.integers(2, 600), st.data())
def test_tiles_cover_every_pixel_and_neighbours_share_the_overlap(length, tile, data):
    overlap = data.draw(st.integers(0, tile - 1))
    starts = tile_starts(length, tile, overlap)
    assert starts[0] == 0
    if length <= tile:
        assert starts == (0,)
        return
    assert starts[-1] + tile == length
    assert all(after - before <= tile - overlap for before, after in pairwise(starts))


@given(st.integers(1, 90), st.integers(1, 90), st.integers(4, 40), st.data())
def test_the_sweep_covers_every_pixel_of_the_breast(rows, columns, tile, data):
    overlap = data.draw(st.integers(0, tile - 1))
    mask = np.zeros((rows, columns), np.bool_)
    top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    mask[top : data.draw(st.integers(top + 1, rows)), left : data.draw(st.integers(left + 1, columns))] = True
    seen = np.zeros_like(mask)
    for row, column in tiles_over(mask, tile, overlap):
        assert row >= 0
        assert column >= 0
        assert mask[row : row + tile, column : column + tile].any(), "a tile of air"
        assert rows <= tile or row + tile <= rows
        assert columns <= tile or column + tile <= columns
        seen[row : row + tile, column : column + tile] = True
    assert (seen >= mask).all()


def test_an_empty_breast_has_no_tiles():
    assert tiles_over(np.zeros((50, 50), np.bool_), 16, 4) == ()


@given(st.integers(8, 60), st.integers(8, 60), st.integers(1, 40), st.floats(-20, 80), st.floats(-20, 80))
def test_a_crop_kept_inside_lies_inside(rows, columns, size, row, column):
    origin = crop_origin((row, column), size, (rows, columns), border="inside")
    for start, length in zip(origin, (rows, columns), strict=True):
        assert start >= 0
        assert start + size <= length or start == 0


@given(st.integers(5, 40), st.integers(1, 30), st.integers(-20, 50), st.integers(-20, 50))
def test_what_a_crop_shows_of_the_image_is_the_image(side, size, row, column):
    image = np.arange(1, side * side + 1, dtype=np.float32).reshape(side, side)
    crop = cut(image, (row, column), size)
    assert crop.shape == (size, size)
    for i in range(size):
        for j in range(size):
            inside = 0 <= row + i < side and 0 <= column + j < side
            assert crop[i, j] == (image[row + i, column + j] if inside else 0.0)


def test_a_crop_at_the_border_is_reflected_where_asked():
    image = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.float32)
    np.testing.assert_array_equal(cut(image, (0, -1), 3, border="reflect"), [[2, 1, 2], [5, 4, 5], [8, 7, 8]])


@given(st.integers(1, 30), st.floats(0, 200), st.floats(0, 200))
def test_the_centre_of_a_crop_is_at_most_half_a_pixel_off(size, row, column):
    assume(size < 100)
    origin = crop_origin((row, column), size, (10, 10), border="zero")
    for start, wanted in zip(origin, (row, column), strict=True):
        assert abs(start + (size - 1) / 2 - wanted) <= 0.5


def test_the_blend_is_whole_inside_and_never_nothing():
    weights = blend_weights(16, 4)
    assert weights.shape == (16, 16)
    assert weights.min() > 0
    assert weights[8, 8] == pytest.approx(1.0)
    np.testing.assert_array_equal(weights, weights[::-1, ::-1])
