"""The picture: right beside left, CC above MLO, chest walls back to back, what is outlined is outlined."""

import numpy as np
import pytest

from dcis_node.results.picture import GAP, OUTLINE_COLOUR, HungView, hang

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
