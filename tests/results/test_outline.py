import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dcis_node.results.outline import KEEP_ALL_CORNERS, MAX_POINTS, close, long_axis, simplify, trace

EIGHT = np.ones((3, 3), dtype=bool)


def area_of(corners):
    """Area of a polygon (shoelace), positive for a clockwise one on the screen."""
    x, y = corners.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def first_component(mask):
    labels, _ = ndimage.label(mask, structure=EIGHT)
    return labels == labels.flat[np.argmax(mask)]


def disc(radius, size):
    rows, columns = np.mgrid[:size, :size]
    return (rows - size // 2) ** 2 + (columns - size // 2) ** 2 <= radius**2


def test_a_rectangle_of_pixels_is_outlined_by_its_four_corners():
    mask = np.zeros((9, 12), dtype=bool)
    mask[2:5, 3:10] = True
    assert trace(mask).tolist() == [[3, 2], [10, 2], [10, 5], [3, 5]]


def test_a_single_pixel_has_an_outline_with_an_area():
    mask = np.zeros((4, 4), dtype=bool)
    mask[1, 2] = True
    assert area_of(simplify(trace(mask))) == 1.0


def test_pixels_that_touch_at_a_corner_are_in_one_outline():
    mask = np.eye(5, dtype=bool)
    assert area_of(trace(mask)) == 5.0


def test_a_hole_is_not_traced():
    mask = np.ones((7, 7), dtype=bool)
    mask[3, 3] = False
    assert trace(mask).tolist() == [[0, 0], [7, 0], [7, 7], [0, 7]]


@given(st.integers(0, 2**30), st.integers(3, 24), st.integers(3, 24), st.floats(0.1, 0.9))
@settings(max_examples=150, deadline=None)
def test_an_outline_holds_exactly_the_pixels_of_its_component_and_their_holes(seed, rows, columns, share):
    mask = np.random.default_rng(seed).random((rows, columns)) < share
    mask[rows // 2, columns // 2] = True
    component = first_component(mask)
    # An outline with diagonal neighbours encloses what only 4-neighbours of the outside cannot reach.
    filled = ndimage.binary_fill_holes(component, structure=ndimage.generate_binary_structure(2, 1))
    corners = trace(component)
    assert area_of(corners) == filled.sum()
    assert (corners.min(axis=0) >= 0).all()
    assert (corners.max(axis=0) <= (columns, rows)).all()


@given(st.integers(0, 2**30))
@settings(max_examples=25, deadline=None)
def test_thinning_keeps_a_subset_of_the_corners_near_the_shape(seed):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(120, 120)), 6)
    corners = trace(first_component(noise > 0))
    thinned = simplify(corners)
    assert len(thinned) <= max(MAX_POINTS, KEEP_ALL_CORNERS)
    assert {tuple(p) for p in thinned} <= {tuple(p) for p in corners}
    assert area_of(thinned) == pytest.approx(area_of(corners), rel=0.12, abs=6)


def test_a_smooth_outline_needs_far_fewer_points():
    corners = trace(disc(80, 200))
    thinned = simplify(corners)
    assert len(thinned) < len(corners) / 2
    assert area_of(thinned) == pytest.approx(area_of(corners), rel=0.01)


def test_a_ragged_outline_is_thinned_to_the_limit():
    rows, columns = np.mgrid[:600, :600]
    angle = np.arctan2(rows - 300, columns - 300)
    star = np.hypot(rows - 300, columns - 300) < 200 + 60 * np.sin(150 * angle)
    assert KEEP_ALL_CORNERS < len(simplify(trace(first_component(star)))) <= MAX_POINTS


def test_the_closed_outline_ends_where_it_begins():
    closed = close(trace(disc(5, 15)))
    assert closed.dtype == np.float32
    assert closed[0].tolist() == closed[-1].tolist()


def test_the_long_axis_is_the_largest_distance_in_millimetres_with_unequal_spacing():
    mask = np.zeros((50, 50), dtype=bool)
    mask[10:40, 20:24] = True  # 30 rows by 4 columns
    assert long_axis(trace(mask), (0.1, 0.2)) == pytest.approx(np.hypot(3.0, 0.8))
