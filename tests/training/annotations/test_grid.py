import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.errors import TrainingError
from tests.training.annotations.pictures import COLUMNS, IMAGE, ROWS, SPACING, l_shape
from training.annotations.annotation import ImageFacts
from training.annotations.grid import place, whole_picture

STEP = np.diag([SPACING, SPACING, 1.0, 1.0])
SQUARE = ImageFacts("1.2.3", 16, 16)


def drawn(voxels, affine, *, image=IMAGE, **options):
    return place(voxels.shape, affine, image, file="m", **options).draw(voxels, image, file="m")


def stored(picture, *, order, backwards, spacing=SPACING, top=0, left=0):
    """Voxels of a picture with its axes in another order and some backwards, and the affine that says so."""
    voxels = picture.T[:, :, None]
    affine = np.diag([spacing, spacing, 1.0, 1.0])
    affine[:2, 3] = left * spacing, top * spacing
    for axis in np.flatnonzero(backwards):
        affine[:3, 3] += affine[:3, axis] * (voxels.shape[axis] - 1)
        affine[:3, axis] *= -1
    voxels = voxels[tuple(slice(None, None, -1 if back else 1) for back in backwards)]
    return voxels.transpose(order), affine[:, [*order, 3]]


@pytest.mark.parametrize("backwards", list(itertools.product([False, True], repeat=3)))
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_any_order_and_direction_of_the_axes_gives_the_same_picture(order, backwards):
    voxels, affine = stored(l_shape(), order=order, backwards=backwards)
    np.testing.assert_array_equal(drawn(voxels, affine), l_shape())


@given(
    st.integers(0, 4), st.integers(0, 2), st.sampled_from([SPACING, 1.0, 0.0654321]), st.tuples(*[st.booleans()] * 3)
)
def test_a_crop_lands_where_it_was_taken(top, left, spacing, backwards):
    whole = l_shape()
    crop = whole[top : ROWS - 2 * top, left : COLUMNS - left]
    facts = ImageFacts(IMAGE.sop_instance_uid, ROWS, COLUMNS, (spacing, spacing))
    voxels, affine = stored(crop, order=(0, 1, 2), backwards=backwards, spacing=spacing, top=top, left=left)
    np.testing.assert_array_equal(drawn(voxels, affine, image=facts), whole)


def test_spacing_differs_between_rows_and_columns():
    affine = np.diag([0.05, 0.1, 1.0, 1.0])
    affine[:2, 3] = 3 * 0.05, 5 * 0.1
    facts = ImageFacts("1", ROWS, COLUMNS, (0.1, 0.05))
    np.testing.assert_array_equal(drawn(l_shape()[5:, 3:].T[:, :, None], affine, image=facts), l_shape())


def test_the_geometry_of_a_centred_or_backward_image_is_believed_where_it_is_stated():
    reference = STEP.copy()
    reference[:2, 3] = -0.7, 1.1
    reference[1, 1] *= -1
    affine = reference.copy()
    affine[:2, 3] += 3 * SPACING, -5 * SPACING
    np.testing.assert_array_equal(drawn(l_shape()[5:, 3:].T[:, :, None], affine, reference=reference), l_shape())


def test_a_whole_picture_of_a_centred_image_lies_right_forwards_and_backwards():
    affine = STEP.copy()
    affine[:2, 3] = -(COLUMNS - 1) / 2 * SPACING, (ROWS - 1) / 2 * SPACING
    affine[1, 1] *= -1
    np.testing.assert_array_equal(drawn(l_shape()[::-1].T[:, :, None], affine), l_shape())


def test_a_whole_picture_that_runs_backwards_away_from_the_image_is_refused():
    with pytest.raises(TrainingError, match="runs backwards and puts the mask beside the image"):
        drawn(l_shape().T[:, :, None], STEP @ np.diag([1.0, -1.0, 1.0, 1.0]))


def test_what_lies_outside_the_image_may_be_empty_only():
    affine = STEP.copy()
    affine[:2, 3] = -SPACING, -2 * SPACING
    padded = np.pad(l_shape(), ((2, 5), (1, 3)))
    np.testing.assert_array_equal(drawn(padded.T[:, :, None], affine), l_shape())
    padded[0, 4] = 1
    with pytest.raises(TrainingError, match="reaches outside the image"):
        drawn(padded.T[:, :, None], affine)


def test_a_crop_wholly_beside_the_image_is_refused():
    affine = STEP.copy()
    affine[:2, 3] = 50 * SPACING, 80 * SPACING
    with pytest.raises(TrainingError, match="reaches outside"):
        drawn(np.ones((3, 4, 1), np.uint8), affine)


@pytest.mark.parametrize("degrees", [0.9, 10, 45])
def test_a_turned_picture_is_refused(degrees):
    a = np.deg2rad(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    with pytest.raises(TrainingError, match="turned against the image"):
        drawn(l_shape().T[:, :, None], turn @ STEP)


def test_rounding_of_directions_is_no_turn():
    affine = STEP.copy()
    affine[0, 1] = affine[1, 0] = 1e-9
    np.testing.assert_array_equal(drawn(l_shape().T[:, :, None], affine), l_shape())


def test_several_slices_are_refused():
    with pytest.raises(TrainingError, match="holds 2 slices"):
        drawn(np.repeat(l_shape().T[:, :, None], 2, axis=2), STEP)


def test_a_crop_between_the_pixels_is_refused():
    affine = STEP.copy()
    affine[0, 3] = 0.5 * SPACING
    with pytest.raises(TrainingError, match="between the pixels"):
        drawn(np.ones((3, 4, 1), np.uint8), affine)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_crop_of_another_resolution_is_refused(factor):
    with pytest.raises(TrainingError, match="another resolution"):
        drawn(np.ones((3, 4, 1), np.uint8), np.diag([SPACING * factor, SPACING * factor, 1.0, 1.0]))
    with pytest.raises(TrainingError, match="another resolution"):
        drawn(np.ones((3, 4, 1), np.uint8), np.diag([SPACING * factor, SPACING * factor, 1.0, 1.0]), reference=STEP)


def test_spacing_corrected_for_magnification_is_the_images_own():
    affine = np.diag([SPACING / 1.06, SPACING / 1.06, 1.0, 1.0])
    assert drawn(np.ones((3, 4, 1), np.uint8), affine).sum() == 12


def test_another_size_is_refused_and_a_swap_is_told():
    with pytest.raises(TrainingError, match=r"m: the mask is 32 x 21 \(rows x columns\), the image 33 x 21$"):
        drawn(l_shape()[1:].T[:, :, None], STEP, whole=True)
    with pytest.raises(TrainingError, match="rows and columns are swapped"):
        drawn(l_shape()[:, :, None], STEP)


def test_a_geometry_without_length_or_numbers_is_refused():
    for wrong in (0.0, np.nan):
        with pytest.raises(TrainingError, match="no usable geometry"):
            drawn(l_shape().T[:, :, None], np.diag([wrong, SPACING, 1.0, 1.0]))


@pytest.mark.parametrize("voxels", [l_shape(), l_shape().T, l_shape()[None], l_shape().T[:, :, None]])
def test_without_a_geometry_the_size_tells_rows_from_columns(voxels):
    np.testing.assert_array_equal(whole_picture(voxels, IMAGE, file="m"), l_shape())


def test_without_a_geometry_a_square_image_another_size_and_a_stack_are_refused():
    with pytest.raises(TrainingError, match="square"):
        whole_picture(np.zeros((16, 16)), SQUARE, file="m")
    with pytest.raises(TrainingError, match="the mask is 33 x 20"):
        whole_picture(l_shape()[:, 1:], IMAGE, file="m")
    with pytest.raises(TrainingError, match="several slices"):
        whole_picture(np.zeros((ROWS, COLUMNS, 2)), IMAGE, file="m")
