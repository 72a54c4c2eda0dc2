import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dcis_node.mammogram.curves import Window
from dcis_node.mammogram.display import DisplayTransform, choose
from dcis_node.model.preprocess import (
    Grid,
    Preprocessing,
    area_shares,
    average,
    average_part,
    highest,
    highest_part,
    input_grid,
    prepare_view,
)

sides = st.integers(1, 70)


@pytest.fixture
def transforms():
    return (
        DisplayTransform("window_1", Window(center=500.0, width=1000.0)),
        DisplayTransform("window_2", Window(center=300.0, width=200.0)),
    )


@pytest.fixture
def stored():
    return np.random.default_rng(0).integers(0, 1000, (40, 30)).astype(np.uint16)


def test_the_node_shows_a_view_by_the_fixed_rule(stored, transforms):
    shown = prepare_view(stored, transforms, Preprocessing())
    assert shown.dtype == np.float32
    np.testing.assert_array_equal(shown, choose(transforms).apply(stored))


def test_training_shows_the_transform_it_drew(stored, transforms):
    shown = prepare_view(stored, transforms, Preprocessing(), transform_index=1)
    np.testing.assert_array_equal(shown, transforms[1].apply(stored))


def test_the_mean_rule_is_the_mean_over_all_transforms(stored, transforms):
    shown = prepare_view(stored, transforms, Preprocessing(display_rule="mean"))
    np.testing.assert_allclose(shown, (transforms[0].apply(stored) + transforms[1].apply(stored)) / 2, rtol=1e-6)


def test_a_view_without_a_transform_is_refused(stored):
    with pytest.raises(ValueError, match="at least one"):
        prepare_view(stored, (), Preprocessing())


@pytest.mark.parametrize("change", [{"crop_px": 8}, {"overlap_px": 1024}, {"border": "wrap"}, {"extra": 1}])
def test_a_wrong_setting_is_refused(change):
    with pytest.raises(ValidationError):
        Preprocessing(**change)


def test_halving_the_resolution_is_the_mean_of_two_by_two():
    image = np.arange(24, dtype=np.float32).reshape(4, 6)
    expected = image.reshape(2, 2, 3, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(average(image, (2, 3)), expected)


def test_a_pixel_that_two_larger_ones_share_counts_by_its_share():
    image = np.array([[1.0, 2.0, 6.0]], np.float32)
    np.testing.assert_allclose(average(image, (1, 2)), [[(1 + 0.5 * 2) / 1.5, (0.5 * 2 + 6) / 1.5]], rtol=1e-6)


@given(sides, sides, st.data())
def test_averaging_keeps_the_mean_and_the_range(rows, columns, data):
    image = np.random.default_rng(rows * 100 + columns).random((rows, columns)).astype(np.float32)
    shape = (data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns)))
    averaged = average(image, shape)
    assert averaged.shape == shape
    assert averaged.mean() == pytest.approx(image.mean(), rel=1e-4)
    assert averaged.min() >= image.min() - 1e-6
    assert averaged.max() <= image.max() + 1e-6


@given(sides, sides, st.data())
def test_a_single_marked_pixel_survives_the_larger_grid(rows, columns, data):
    mask = np.zeros((rows, columns), np.bool_)
    mask[data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))] = True
    shape = (data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns)))
    assert highest(mask, shape).sum() == 1


def test_without_a_spacing_the_input_is_as_stored():
    grid = input_grid((30, 20), (0.1, 0.1), Preprocessing())
    assert grid == Grid((30, 20), (30, 20), (0.1, 0.1))


@pytest.mark.parametrize(
    ("shape", "spacing"), [((3328, 2560), 0.07), ((3062, 2394), 0.0940909), ((3518, 2800), 0.085), ((4728, 3540), 0.05)]
)
def test_every_detector_comes_to_one_spacing(shape, spacing):
    grid = input_grid(shape, (spacing, spacing), Preprocessing(input_spacing_mm=0.14))
    assert grid.spacing_mm == pytest.approx((0.14, 0.14), rel=1e-3)
    assert grid.shape[0] * grid.spacing_mm[0] == pytest.approx(shape[0] * spacing)


@given(st.floats(0, 500), st.floats(0, 500))
def test_a_point_comes_back_from_the_input_grid(row, column):
    grid = input_grid((900, 700), (0.0940909, 0.0940909), Preprocessing(input_spacing_mm=0.14))
    assert grid.to_stored(grid.to_input((row, column))) == pytest.approx((row, column), abs=1e-6)


@given(st.integers(0, 39), st.integers(0, 39), st.sampled_from([0.05, 0.07, 0.085, 0.0940909]))
def test_the_box_of_a_component_is_the_box_of_its_mask(row, column, spacing):
    grid = input_grid((90, 97), (spacing, spacing), Preprocessing(input_spacing_mm=0.14))
    row, column = min(row, grid.shape[0] - 1), min(column, grid.shape[1] - 1)
    mask = np.zeros(grid.shape, np.bool_)
    mask[row, column] = True
    spread = grid.spread(mask)
    assert spread.shape == (90, 97)
    rows, columns = np.nonzero(spread)
    box = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    assert grid.spread_box((row, column, row + 1, column + 1)) == box


@given(st.data(), st.sampled_from([0.05, 0.07, 0.085, 0.0940909, 0.1, 0.2]))
def test_a_part_is_averaged_as_the_whole_view_is_there(data, spacing):
    """Bit for bit: what is cut first and averaged then equals what is averaged first and cut then."""
    grid = input_grid((90, 71), (spacing, spacing), Preprocessing(input_spacing_mm=0.14))
    rng = np.random.default_rng(0)
    image, labels = rng.random((90, 71), np.float32), rng.integers(0, 3, (90, 71)).astype(np.uint8)
    window, part = [], []
    for length, ratio, end in zip(grid.shape, grid.ratio, grid.stored, strict=True):
        start = data.draw(st.integers(0, length - 1))
        stop = data.draw(st.integers(start + 1, length))
        window.append(slice(start, stop))
        first = data.draw(st.integers(0, int(start * ratio + 1e-6)))
        part.append(slice(first, data.draw(st.integers(min(end, int(np.ceil(stop * ratio - 1e-6))), end))))
    window, part = tuple(window), tuple(part)
    origin = part[0].start, part[1].start
    seen = average_part(image[part], grid, origin=origin, window=window)
    np.testing.assert_array_equal(seen, average(image, grid.shape)[window])
    seen = highest_part(labels[part], grid, origin=origin, window=window)
    np.testing.assert_array_equal(seen, highest(labels, grid.shape)[window])


@given(st.floats(0, 50), st.floats(0.3, 5.0), st.integers(1, 40))
def test_shares_of_stored_pixels_are_overlaps_of_intervals(start, ratio, count):
    first, shares = area_shares(start, ratio, count)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-6)
    for i in range(count):
        left, right = start + i * ratio, start + (i + 1) * ratio
        for tap in range(shares.shape[1]):
            column = first[i] + tap
            overlap = max(0.0, min(column + 1, right) - max(column, left))
            assert shares[i, tap] == pytest.approx(overlap / ratio, abs=1e-6)
