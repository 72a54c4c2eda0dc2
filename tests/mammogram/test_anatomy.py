from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcis_node.errors import PixelError
from dcis_node.mammogram.anatomy import Breast, find_breast, orientation
from dcis_node.mammogram.facts import Reason
from dcis_node.mammogram.header import read_header

from .builders import image

ROWS, COLUMNS = 640, 480


def breast_shape(rows=ROWS, columns=COLUMNS, *, depth=0.6, half=0.4):
    """Give (rows, columns) bool: half an ellipse on the left edge."""
    row, column = np.mgrid[:rows, :columns]
    return ((row - rows / 2) / (half * rows)) ** 2 + (column / (depth * columns)) ** 2 < 1


def breast_image(*, air=0.0, seed=0, shape=None):
    """Give (image, true mask): textured tissue of 0.2 to 0.8 on noisy air, chest wall on the left."""
    rng = np.random.default_rng(seed)
    true = breast_shape() if shape is None else shape
    tissue = 0.35 + 0.15 * rng.standard_normal(true.shape)
    noise = air + 0.01 * rng.standard_normal(true.shape)
    return np.clip(np.where(true, np.maximum(tissue, 0.15), noise), 0, 1).astype(np.float32), true


def agreement(found, true):
    return (found & true).sum() / (found | true).sum()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("air", [0.0, 0.08])
def test_the_breast_and_its_chest_wall_are_found(side, air):
    picture, true = breast_image(air=air)
    if side == "right":
        picture, true = picture[:, ::-1].copy(), true[:, ::-1]
    breast = find_breast(picture)
    assert breast.chest_wall == side
    assert breast.mask.shape == picture.shape
    assert breast.mask.dtype == np.bool_
    assert agreement(breast.mask, true) > 0.97


@settings(max_examples=30)
@given(seed=st.integers(0, 50), depth=st.floats(0.25, 0.95), half=st.floats(0.15, 0.5))
def test_breasts_of_any_size_are_found_and_mirroring_the_image_mirrors_the_answer(seed, depth, half):
    picture, true = breast_image(seed=seed, shape=breast_shape(320, 240, depth=depth, half=half))
    breast, mirrored = find_breast(picture), find_breast(picture[:, ::-1].copy())
    assert (breast.chest_wall, mirrored.chest_wall) == ("left", "right")
    assert agreement(breast.mask, true) > 0.9
    np.testing.assert_array_equal(mirrored.mask[:, ::-1], breast.mask)


def test_a_label_and_a_marker_are_left_out():
    picture, true = breast_image()
    picture[20:60, 380:460] = 1.0
    picture[600:610, 300:470] = 0.9
    breast = find_breast(picture)
    assert not breast.mask[20:60, 380:460].any()
    assert agreement(breast.mask, true) > 0.97


def test_a_bright_frame_line_does_not_join_the_breast():
    picture, true = breast_image()
    picture[:2, :] = picture[-2:, :] = picture[:, -2:] = 1.0
    breast = find_breast(picture)
    assert breast.chest_wall == "left"
    assert agreement(breast.mask, true) > 0.95


def test_black_fat_inside_and_at_the_chest_wall_belongs_to_the_breast():
    picture, true = breast_image()
    picture[250:400, 0:90] = 0.0
    picture[300:340, 120:180] = 0.0
    assert agreement(find_breast(picture).mask, true) > 0.97


def test_an_image_cropped_to_the_breast_is_found_with_its_side():
    picture, true = breast_image(shape=breast_shape(depth=1.0, half=0.5))
    breast = find_breast(picture)
    assert breast.chest_wall == "left"
    assert agreement(breast.mask, true) > 0.97


def test_sides_that_do_not_divide_by_the_search_step_are_covered():
    shape = breast_shape(1021, 767)
    picture, true = breast_image(shape=shape)
    assert agreement(find_breast(picture).mask, true) > 0.97


def test_a_breast_inside_a_padded_frame_is_found():
    picture, true = breast_image()
    picture, true = np.pad(picture, ((80, 80), (0, 400))), np.pad(true, ((80, 80), (0, 400)))
    breast = find_breast(picture)
    assert breast.chest_wall == "left"
    assert agreement(breast.mask, true) > 0.95


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_flat_image_holds_no_breast(value):
    with pytest.raises(PixelError) as caught:
        find_breast(np.full((100, 80), value, np.float32))
    assert caught.value.reason == Reason.NO_BREAST_FOUND


def test_labels_alone_are_no_breast():
    picture = np.zeros((ROWS, COLUMNS), np.float32)
    picture[20:60, 380:460] = picture[600:620, 10:100] = 1.0
    with pytest.raises(PixelError) as caught:
        find_breast(picture)
    assert caught.value.reason == Reason.NO_BREAST_FOUND


@pytest.mark.parametrize("shape", [(3, 200), (200, 3)])
def test_a_sliver_of_an_image_has_a_mask_of_its_shape(shape):
    picture = np.linspace(0, 1, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    assert find_breast(picture).mask.shape == shape


# --- held against the tags


def lying(chest_wall):
    return Breast(np.ones((2, 2), np.bool_), chest_wall)


@pytest.mark.parametrize(
    ("side", "row_direction", "chest_wall", "mirrored", "expected", "notes"),
    [
        ("R", "P", "right", False, "right", ()),
        ("L", "A", "left", False, "left", ()),
        # stored reversed, and saying so
        ("R", "A", "left", True, "left", ("mirrored_against_laterality",)),
        ("L", "P", "right", True, "right", ("mirrored_against_laterality",)),
        # stored reversed without saying so: the pixels are believed
        (
            "R",
            "P",
            "left",
            True,
            "right",
            ("chest_wall_disagrees_with_orientation", "mirrored_against_laterality"),
        ),
        # the tag is wrong, the image lies as its side is hung
        ("R", "A", "right", False, "left", ("chest_wall_disagrees_with_orientation",)),
    ],
)
def test_the_pixels_decide_whether_the_image_is_mirrored(side, row_direction, chest_wall, mirrored, expected, notes):
    header = read_header(image(ImageLaterality=side, PatientOrientation=[row_direction, "F"]))
    found = orientation(header, lying(chest_wall))
    assert (found.mirrored, found.expected_chest_wall, found.notes) == (mirrored, expected, notes)


def test_without_orientation_the_laterality_and_the_pixels_suffice():
    header = read_header(image(PatientOrientation=None))
    assert orientation(header, lying("left")).mirrored
    assert orientation(header, lying("right")).notes == ("orientation_absent",)


def test_without_laterality_nothing_is_mirrored():
    header = replace(read_header(image()), laterality=None)
    assert not orientation(header, lying("left")).mirrored
