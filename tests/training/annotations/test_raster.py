import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from dcis_node.results.outline import trace
from tests.training.annotations.pictures import COLUMNS, ROWS, l_shape
from training.annotations import raster

SHAPE = (ROWS, COLUMNS)
CENTRES = np.stack(np.meshgrid(np.arange(COLUMNS) + 0.5, np.arange(ROWS) + 0.5), axis=-1).reshape(-1, 2)


def test_the_edges_that_the_node_traces_give_its_mask_again():
    mask = l_shape() > 0
    np.testing.assert_array_equal(raster.polygon(trace(mask), SHAPE), mask)


@given(st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, COLUMNS - 1)), min_size=1, max_size=30))
def test_any_part_without_holes_comes_back_from_its_traced_edges(seeds):
    mask = np.zeros(SHAPE, bool)
    mask[tuple(np.array(seeds).T)] = True
    mask = ndimage.binary_dilation(mask, iterations=2)  # parts are joined by edges, not by corners only
    mask = ndimage.binary_fill_holes(ndimage.label(mask)[0] == 1)
    np.testing.assert_array_equal(raster.polygon(trace(mask), SHAPE), mask)


@given(st.lists(st.tuples(st.floats(-5, 26), st.floats(-5, 38)), min_size=3, max_size=3, unique=True))
def test_a_triangle_holds_the_centres_on_the_inner_side_of_its_three_edges(corners):
    corners = np.array(corners)
    edges = np.roll(corners, -1, axis=0) - corners
    offsets = CENTRES[None] - corners[:, None]
    sides = edges[:, :1] * offsets[..., 1] - edges[:, 1:] * offsets[..., 0]  # sign: which side of each edge
    inside = (sides > 1e-6).all(axis=0) | (sides < -1e-6).all(axis=0)  # on an edge either answer will do
    outside = (sides > 1e-6).any(axis=0) & (sides < -1e-6).any(axis=0)
    if inside.any():
        filled = raster.polygon(corners, SHAPE).ravel()
        assert filled[inside].all()
        assert not filled[outside].any()


def test_a_pixel_is_inside_where_its_centre_is():
    square = np.array([(3.4, 5.4), (6.6, 5.4), (6.6, 7.6), (3.4, 7.6)])
    expected = np.zeros(SHAPE, bool)
    expected[5:8, 3:7] = True
    np.testing.assert_array_equal(raster.polygon(square, SHAPE), expected)
    np.testing.assert_array_equal(raster.polygon(np.vstack([square, square[:1]]), SHAPE), expected)


def test_what_is_outside_the_image_is_cut_off():
    expected = np.zeros(SHAPE, bool)
    expected[:2, :3] = True
    np.testing.assert_array_equal(raster.polygon(np.array([(-9, -9), (3, -9), (3, 2), (-9, 2.0)]), SHAPE), expected)
    assert not raster.polygon(np.array([(50, 50), (60, 50), (60, 60.0)]), SHAPE).any()


def test_a_sliver_gives_the_pixels_of_its_corners():
    sliver = raster.polygon(np.array([(3.1, 5.1), (4.2, 5.1), (4.2, 5.2)]), SHAPE)
    assert np.argwhere(sliver).tolist() == [[5, 3], [5, 4]]


def test_an_ellipse_holds_the_centres_within_its_axes():
    mask = raster.ellipse(np.array([(2, 12), (18, 12), (10, 7), (10, 17.0)]), SHAPE)
    inside = ((CENTRES[:, 0] - 10) / 8) ** 2 + ((CENTRES[:, 1] - 12) / 5) ** 2 <= 1
    np.testing.assert_array_equal(mask.ravel(), inside)
    assert mask.sum() == pytest.approx(np.pi * 8 * 5, rel=0.05)


def test_a_turned_ellipse_is_turned():
    a = np.array([np.cos(0.6), np.sin(0.6)])
    b = np.array([-a[1], a[0]])
    centre = np.array([10, 15.0])
    mask = raster.ellipse(np.array([centre - 9 * a, centre + 9 * a, centre - 3 * b, centre + 3 * b]), SHAPE)
    offset = CENTRES - centre
    np.testing.assert_array_equal(mask.ravel(), (offset @ a / 9) ** 2 + (offset @ b / 3) ** 2 <= 1)


def test_a_circle_over_the_edge_is_cut_off():
    mask = raster.circle(np.array([(0, 0), (3, 4.0)]), SHAPE)
    np.testing.assert_array_equal(mask.ravel(), (CENTRES**2).sum(axis=1) <= 25)


def test_a_circle_or_an_ellipse_without_extent_is_a_pixel():
    assert np.argwhere(raster.circle(np.array([(7.5, 9.5), (7.5, 9.5)]), SHAPE)).tolist() == [[9, 7]]
    assert np.argwhere(raster.circle(np.array([(7.9, 9.9), (7.95, 9.9)]), SHAPE)).tolist() == [[9, 7]]


def test_a_point_lies_in_its_pixel_and_the_last_corner_in_the_last_one():
    points = np.array([(3.0, 5.0), (3.99, 6.5), (COLUMNS, ROWS), (-0.1, 4), (4, ROWS + 0.1)])
    assert np.argwhere(raster.pixels(points, SHAPE)).tolist() == [[5, 3], [6, 3], [ROWS - 1, COLUMNS - 1]]


@pytest.mark.parametrize(
    ("points", "outlines"),
    [
        ([(0, 0), (9, 0), (9, 9), (0, 0)], True),
        ([(0, 0), (9, 0), (9, 9), (0, 9), (0, 1)], True),  # left open by a little
        ([(0, 0), (9, 0), (9, 9)], False),
        ([(0, 0), (5, 0), (9, 0)], False),
        ([(0, 0), (9, 0), (0, 0)], False),  # there and back
    ],
)
def test_a_line_outlines_where_it_all_but_closes(points, outlines):
    assert raster.is_outline(np.array(points, float)) is outlines


def test_a_box_is_told_from_an_outline():
    assert raster.is_box(np.array([(1, 2), (5, 2), (5, 9), (1, 9), (1, 2.0)]))
    assert not raster.is_box(np.array([(1, 2), (5, 2), (5, 9), (2, 9), (1, 2.0)]))
    assert not raster.is_box(trace(l_shape() > 0))
