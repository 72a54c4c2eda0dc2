"""The picture: right beside left, CC above MLO, chest walls back to back, what is outlined is outlined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.results.drawing.picture import GAP, OUTLINE_COLOUR, HungView, draw_view, fitted, hang, outline, reduced

CELL = (300, 240)
HEAD = 78


def view(laterality, name, chest_wall, mask=None):
    image = np.full((300, 200), 0.4, np.float32)
    # The chest wall's edge is bright, so that the picture shows where it is.
    image[:, 0 if chest_wall == "left" else -1] = 1.0
    return HungView(image, np.zeros(image.shape, bool) if mask is None else mask, laterality, name, chest_wall)


def cell_of(picture, row, column):
    pixels = np.asarray(picture)
    top, left = HEAD + row * (CELL[0] + GAP), column * (CELL[1] + GAP)
    return pixels[top : top + CELL[0], left : left + CELL[1]]


@pytest.mark.parametrize("stored", ["left", "right"])
@pytest.mark.parametrize(("name", "row"), [("CC", 0), ("MLO", 1)])
@pytest.mark.parametrize(("laterality", "column", "wall"), [("R", 0, 239), ("L", 1, 0)])
def test_each_view_hangs_in_its_place_with_the_chest_wall_in_the_middle(stored, name, row, laterality, column, wall):
    picture = hang([view(laterality, name, stored)], title="", banner="", cell=CELL)
    cell = cell_of(picture, row, column)
    assert cell[150, wall, 0] == 255


def test_the_outline_lies_round_the_mask_also_where_the_view_is_turned():
    mask = np.zeros((300, 200), bool)
    mask[100:120, 30:50] = True
    cell = cell_of(hang([view("R", "CC", "left", mask)], title="", banner="", cell=CELL), 0, 0)
    rows, columns = np.nonzero((cell == OUTLINE_COLOUR).all(axis=2))
    # Turned: stored column c lies at 199 - c of a view that ends at the cell's right edge (offset 40).
    assert (rows.min() + rows.max()) / 2 == pytest.approx(109.5, abs=1)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(40 + 199 - 39.5, abs=1)
    assert not (cell[105:115, 195:205] == OUTLINE_COLOUR).all(axis=2).any()


def test_a_second_view_of_the_same_place_does_not_cover_the_first():
    picture = hang([view("R", "MLO", "right"), view("R", "ML", "right")], title="", banner="", cell=CELL)
    assert cell_of(picture, 1, 0).any()
    assert cell_of(picture, 2, 0).any()


sides = st.integers(1, 300)


@given(rows=sides, columns=sides, height=sides, width=sides, data=st.data())
def test_a_single_pixel_of_a_mask_is_seen_at_any_size_and_in_its_place(rows, columns, height, width, data):
    row, column = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    mask = np.zeros((rows, columns), bool)
    mask[row, column] = True
    y, x = np.nonzero(reduced(mask, (height, width)))
    assert y.size
    assert np.abs(y / height - row / rows).max() <= 1 / height + 1 / rows
    assert np.abs(x / width - column / columns).max() <= 1 / width + 1 / columns


@given(top=st.integers(0, 19), left=st.integers(0, 29), height=st.integers(1, 9), width=st.integers(1, 9))
def test_an_outline_lies_round_what_is_set_and_covers_none_of_it(top, left, height, width):
    inside = np.zeros((20, 30), bool)
    inside[top : top + height, left : left + width] = True
    line = outline(inside)
    assert not (line & inside).any()
    rows, columns = np.nonzero(line)
    assert rows.min() >= top - 3
    assert rows.max() <= top + height + 2
    assert columns.min() >= left - 3
    assert columns.max() <= left + width + 2


def test_nothing_outlined_has_no_line():
    assert not outline(np.zeros((5, 5), bool)).any()


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_outline_of_a_view_lies_where_its_mask_lies_once_it_hangs(mirrored):
    grey = np.full((1000, 800), 90, np.uint8)
    mask = np.zeros((4000, 3200), bool)
    mask[1000:1200, 400:700] = True
    drawn = draw_view(grey, mask, mirrored=mirrored, size=(500, 400))
    rows, columns = np.nonzero((drawn == OUTLINE_COLOUR).all(axis=2))
    left, right = (50, 87) if not mirrored else (400 - 88, 400 - 51)
    assert (rows.min(), rows.max()) == (125 - 3, 149 + 3)
    assert columns.min() == pytest.approx(left - 3, abs=1)
    assert columns.max() == pytest.approx(right + 3, abs=1)


def test_a_view_keeps_its_proportions():
    assert fitted((4096, 3328), (600, 467)) == (575, 467)
    assert fitted((1000, 400), (600, 467)) == (600, 240)
