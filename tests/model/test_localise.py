import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.model.localise import Localisation, join, outline, sweep

SPACING = (0.14, 0.14)


@given(st.integers(40, 120), st.integers(40, 120), st.integers(0, 15))
def test_a_sweep_that_sees_each_pixel_gives_the_image_back(rows, columns, overlap):
    image = np.random.default_rng(rows).random((rows, columns)).astype(np.float32)
    breast = np.ones(image.shape, np.bool_)
    swept = sweep(image, breast, lambda tiles: np.stack([1 - tiles, tiles], 1), tile=32, overlap=overlap)
    assert swept.shape == (1, rows, columns)
    np.testing.assert_allclose(swept[0], image, rtol=1e-5)


def test_nothing_is_found_outside_the_breast():
    breast = np.zeros((80, 60), np.bool_)
    breast[10:50, 5:40] = True
    swept = sweep(np.ones(breast.shape, np.float32), breast, lambda t: np.stack([t * 0, t], 1), tile=32, overlap=8)
    np.testing.assert_array_equal(swept[0] > 0, breast)


def test_an_image_smaller_than_a_tile_is_swept_too():
    image = np.random.default_rng(0).random((20, 12)).astype(np.float32)
    swept = sweep(image, np.ones(image.shape, np.bool_), lambda t: np.stack([1 - t, t], 1), tile=32, overlap=8)
    np.testing.assert_allclose(swept[0], image, rtol=1e-5)


@given(st.integers(1, 9))
def test_how_many_tiles_are_segmented_at_once_makes_no_difference(at_once):
    image = np.random.default_rng(0).random((90, 70)).astype(np.float32)
    breast = np.ones(image.shape, np.bool_)
    most = []

    def segment(tiles):
        most.append(len(tiles))
        return np.stack([1 - tiles, tiles], 1)

    one = sweep(image, breast, lambda t: np.stack([1 - t, t], 1), tile=32, overlap=8)
    np.testing.assert_array_equal(sweep(image, breast, segment, tile=32, overlap=8, at_once=at_once), one)
    assert max(most) == at_once


def test_a_view_without_a_breast_gives_no_candidate():
    swept = sweep(np.ones((50, 50), np.float32), np.zeros((50, 50), np.bool_), lambda t: t[:, None], tile=32, overlap=8)
    labels, components = outline(swept, Localisation(), spacing_mm=SPACING)
    assert not labels.any()
    assert components == ()


@given(st.integers(1, 60))
def test_pieces_are_one_lesion_up_to_the_joining_distance(gap):
    mask = np.zeros((9, 80), np.bool_)
    mask[4, 2] = mask[4, 2 + gap] = True
    joined = join(mask, 3.0, spacing_mm=SPACING)
    # Two discs of 1.5 mm on a grid touch if no more than one pixel lies between their last pixels.
    if gap * SPACING[1] <= 3.0:
        assert joined[4, 2] == joined[4, 2 + gap]
    elif gap * SPACING[1] > 3.0 + 2 * SPACING[1]:
        assert joined[4, 2] != joined[4, 2 + gap]
    np.testing.assert_array_equal(joined > 0, mask)


def blobs(*places: tuple[int, int, int, float], shape: tuple[int, int] = (200, 200)) -> np.ndarray:
    foreground = np.zeros((2, *shape), np.float32)
    for row, column, size, probability in places:
        foreground[0, row : row + size, column : column + size] = probability
    return foreground


def test_a_candidate_is_measured_as_worked_out_by_hand():
    foreground = blobs((20, 30, 20, 0.8))
    foreground[0, 20:22, 30:32] = 0.0
    foreground[1, 20:22, 30:32] = 0.9
    foreground[0, 30, 40] = 0.2
    foreground[1, 30, 40] = 0.6
    labels, (component,) = outline(foreground, Localisation(), spacing_mm=SPACING)
    assert component.box == (20, 30, 40, 50)
    assert component.pixels == 400
    assert component.summed_probability == pytest.approx(0.8 * 396 + 0.9 * 4, rel=1e-5)
    assert component.calcifications == 2
    assert (component.row, component.column) == pytest.approx((29.5, 39.5), abs=0.02)
    assert (labels > 0).sum() == 400


def test_a_network_that_does_not_tell_calcifications_apart_counts_none():
    _, (component,) = outline(blobs((20, 30, 20, 0.8))[:1], Localisation(), spacing_mm=SPACING)
    assert component.calcifications is None


def test_by_sum_the_larger_wins_and_by_count_the_one_with_more_calcifications():
    foreground = blobs((10, 10, 60, 0.7), (120, 120, 20, 0.7))
    for i in range(5):
        foreground[:, 122 + 3 * i, 130] = (0.0, 0.9)
    by_sum = outline(foreground, Localisation(rank="summed_probability"), spacing_mm=SPACING)[1]
    by_count = outline(foreground, Localisation(rank="calcifications"), spacing_mm=SPACING)[1]
    assert [c.box[0] for c in by_sum] == [10, 120]
    assert [c.box[0] for c in by_count] == [120, 10]


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        (Localisation(min_area_mm2=0.0), 2),
        (Localisation(min_area_mm2=5.0), 1),
        (Localisation(min_area_mm2=0.0, min_calcifications=1), 0),
        (Localisation(min_area_mm2=0.0, threshold=0.75), 1),
    ],
)
def test_what_does_not_count_is_left_out(settings, left):
    foreground = blobs((10, 10, 30, 0.9), (120, 120, 5, 0.7))
    assert len(outline(foreground, settings, spacing_mm=SPACING)[1]) == left
