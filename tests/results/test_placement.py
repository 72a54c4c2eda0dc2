import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcis_node.results.placement import Box, place

LINES = ("RESEARCH USE ONLY", "R CC: high-risk DCIS 62.0 %", "threshold 50.0 %")


def square(x, y, size=40):
    return np.array([[x, y], [x + size, y], [x + size, y + size], [x, y + size], [x, y]], dtype=float)


def inside(box, rows, columns):
    return 0 <= box.x0 < box.x1 <= columns and 0 <= box.y0 < box.y1 <= rows


@pytest.mark.parametrize(
    ("corner", "beside"),
    [
        ((0, 900), lambda box: box.x0 > 40),
        ((960, 900), lambda box: box.x1 < 960),
        ((280, 900), lambda box: box.x0 > 320),
        ((680, 900), lambda box: box.x1 < 680),
    ],
)
def test_the_text_stands_on_the_side_with_room(corner, beside):
    box = place(LINES, [square(*corner)], rows=2000, columns=1000)
    assert inside(box, 2000, 1000)
    assert beside(box)


@pytest.mark.parametrize(("top", "beside"), [(0, lambda box: box.y0 > 40), (1960, lambda box: box.y1 < 1960)])
def test_a_lesion_as_wide_as_the_image_has_it_above_or_below(top, beside):
    wide = np.array([[0, top], [1000, top], [1000, top + 40], [0, top + 40], [0, top]], dtype=float)
    assert beside(place(LINES, [wide], rows=2000, columns=1000))


@given(
    rows=st.integers(200, 5000),
    shape=st.floats(0.4, 2.5),
    at=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    share=st.floats(0.001, 0.3),
)
@settings(max_examples=200, deadline=None)
def test_it_lies_inside_and_covers_no_lesion_that_leaves_it_room(rows, shape, at, share):
    columns = round(rows * shape)
    side = share * min(rows, columns)
    lesion = square(at[0] * (columns - side), at[1] * (rows - side), side)
    box = place(LINES, [lesion], rows=rows, columns=columns)
    assert inside(box, rows, columns)
    around = Box(lesion[0, 0], lesion[0, 1], lesion[2, 0], lesion[2, 1])
    assert box.overlap(around) == 0


def test_between_pieces_in_all_corners_it_covers_none():
    pieces = [square(x, y) for x in (0, 960) for y in (0, 960)]
    box = place(LINES, pieces, rows=1000, columns=1000)
    assert inside(box, 1000, 1000)
    assert all(box.overlap(Box(p[0, 0], p[0, 1], p[2, 0], p[2, 1])) == 0 for p in pieces)


@pytest.mark.parametrize(("rows", "columns"), [(500, 500), (40, 2000), (2000, 40), (3, 5)])
def test_where_there_is_no_room_it_still_lies_inside(rows, columns):
    whole = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows], [0, 0]], dtype=float)
    assert inside(place(LINES, [whole], rows=rows, columns=columns), rows, columns)


def test_a_longer_text_takes_more_room():
    few, many = (place(lines, [square(500, 500)], rows=2000, columns=2000) for lines in (LINES[:1], LINES * 2))
    assert many.y1 - many.y0 > few.y1 - few.y0
    assert many.x1 - many.x0 > few.x1 - few.x0


def test_the_anchor_is_the_nearest_point():
    assert Box(100, 0, 200, 50).nearest(square(20, 10)) == (60.0, 10.0)
    assert Box(0, 0, 10, 10).nearest(square(20, 30)) == (20.0, 30.0)
