from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.model.preprocess import Preprocessing
from dcis_node.model.tiles import crop_origin
from training.cohort import CohortView
from training.crops import Region
from training.placing import Placed, place_crop

FINE = Preprocessing(input_spacing_mm=0.14)
REGION = Region(
    view=CohortView("p", "L", "CC", 1, upstaged=False),
    centre=(300.0, 280.5),
    spacing_mm=0.05,
    rows=600,
    columns=560,
    offset=0,
    displays=(0, 1),
    chosen_display=0,
    whole=(4728, 3540),
    origin=(1000, 700),
)


@given(st.floats(0, 599), st.floats(0, 559))
def test_an_unshifted_crop_begins_on_the_nodes_grid(row, column):
    region = replace(REGION, centre=(row, column))
    grid = region.grid(FINE)
    origin = crop_origin(grid.to_input(region.middle), 100, grid.shape, border="inside")
    placed = place_crop(region, FINE, size=100, shift_mm=(0.0, 0.0))
    for axis, begins, edge, length in zip(placed, origin, region.origin, (600, 560), strict=True):
        wanted = begins * axis.ratio - edge
        assert axis.start == pytest.approx(min(max(wanted, 0.0), length - 100 * axis.ratio))


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_a_shift_is_of_whole_stored_pixels_and_stays_in_the_region(down, right):
    still = place_crop(REGION, FINE, size=100, shift_mm=(0.0, 0.0))
    moved = place_crop(REGION, FINE, size=100, shift_mm=(down, right))
    for axis, before, shift, length in zip(moved, still, (down, right), (600, 560), strict=True):
        assert axis.start == pytest.approx(min(max(before.start + round(shift / 0.05), 0.0), length - 100 * axis.ratio))
        assert axis.first >= 0
        assert axis.start + axis.size * axis.ratio <= length + 1e-6


def test_the_papers_crop_is_a_slice_and_its_whole_shift_is_free():
    side = 1024 + 2 * 150
    region = replace(REGION, centre=((side - 1) / 2,) * 2, spacing_mm=0.07, rows=side, columns=side)
    for sign in (-1, 1):
        rows, columns = place_crop(region, Preprocessing(), size=1024, shift_mm=(10.5 * sign, -10.5 * sign))
        assert (rows.whole_ratio, rows.length, rows.shown) == (1, 1024, 1024)
        assert {rows.first, columns.first} == {0, 300}


def test_a_crop_larger_than_the_region_shows_what_there_is():
    rows, columns = place_crop(REGION, Preprocessing(), size=580, shift_mm=(3.0, 3.0))
    assert (rows.shown, columns.shown) == (580, 560)
    assert columns.first == 0


@pytest.mark.parametrize(("ratio", "start", "whole"), [(2.0, 6.0, 2), (2.0, 6.5, 0), (1.4, 0.0, 0), (1.0, 3.0, 1)])
def test_whole_pixels_are_known_for_what_they_are(ratio, start, whole):
    assert Placed(start, ratio, 64, 1000).whole_ratio == whole
