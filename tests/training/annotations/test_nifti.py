import nibabel
import numpy as np
import pytest

from dcis_node.errors import TrainingError
from tests.training.annotations.pictures import COLUMNS, IMAGE, ROWS, SPACING, l_shape
from training.annotations.annotation import ImageFacts
from training.annotations.nifti import read_nifti

ITK = np.diag([-SPACING, -SPACING, 1.0, 1.0])  # the identity of LPS in the RAS of NIfTI


def saved(tmp_path, voxels, affine, name="m.nii.gz"):
    nibabel.save(nibabel.Nifti1Image(voxels, affine), tmp_path / name)
    return tmp_path / name


def flipped(axis):
    """ITK's affine of a picture stored backwards along an axis."""
    affine = ITK.copy()
    affine[:3, 3] = affine[:3, axis] * ((COLUMNS, ROWS)[axis] - 1)
    affine[:3, axis] *= -1
    return affine


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("voxels", [l_shape().T, l_shape().T[:, :, None], l_shape().T[:, :, None, None]])
def test_one_slice_of_any_type_and_number_of_axes_is_read(tmp_path, voxels, dtype):
    read = read_nifti(saved(tmp_path, voxels.astype(dtype), ITK), IMAGE)
    np.testing.assert_array_equal(read.labels, l_shape())
    assert (read.kind, read.references) == ("nifti", ())


def test_the_signs_of_the_affine_turn_the_picture_back(tmp_path):
    rows = read_nifti(saved(tmp_path, l_shape()[::-1].T[:, :, None], flipped(1)), IMAGE)
    np.testing.assert_array_equal(rows.labels, l_shape())
    columns = read_nifti(saved(tmp_path, l_shape()[:, ::-1].T[:, :, None], flipped(0)), IMAGE)
    np.testing.assert_array_equal(columns.labels, l_shape())


def test_an_affine_that_puts_the_mask_beside_the_image_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="beside the image"):
        read_nifti(saved(tmp_path, l_shape().T[:, :, None], np.diag([SPACING, SPACING, 1.0, 1.0])), IMAGE)


@pytest.mark.parametrize("voxels", [l_shape(), l_shape().T])
def test_the_identity_says_nothing_so_the_size_tells_the_axes(tmp_path, voxels):
    np.testing.assert_array_equal(read_nifti(saved(tmp_path, voxels, np.eye(4)), IMAGE).labels, l_shape())


def test_a_header_without_codes_says_nothing_either(tmp_path):
    picture = nibabel.Nifti1Image(l_shape().T[:, :, None], None)
    nibabel.save(picture, tmp_path / "m.nii")
    np.testing.assert_array_equal(read_nifti(tmp_path / "m.nii", IMAGE).labels, l_shape())


def test_without_a_geometry_a_square_image_is_refused(tmp_path):
    square = np.zeros((16, 16), np.uint8)
    square[2, 3:6] = 1
    with pytest.raises(TrainingError, match="square"):
        read_nifti(saved(tmp_path, square, np.eye(4)), ImageFacts("1", 16, 16))


def test_an_array_in_numpys_order_under_a_geometry_is_swapped(tmp_path):
    with pytest.raises(TrainingError, match="rows and columns are swapped"):
        read_nifti(saved(tmp_path, l_shape()[:, :, None], ITK), IMAGE)


def test_a_crop_several_slices_and_several_volumes_are_refused(tmp_path):
    with pytest.raises(TrainingError, match="the mask is 28 x 18"):
        read_nifti(saved(tmp_path, l_shape()[5:, 3:].T[:, :, None], ITK), IMAGE)
    with pytest.raises(TrainingError, match="holds 2 slices"):
        read_nifti(saved(tmp_path, np.stack([l_shape().T] * 2, axis=2), ITK), IMAGE)
    with pytest.raises(TrainingError, match="several volumes"):
        read_nifti(saved(tmp_path, np.stack([l_shape().T[:, :, None]] * 2, axis=3), ITK), IMAGE)


def test_other_label_values_and_an_empty_mask_are_refused(tmp_path):
    with pytest.raises(TrainingError, match="unknown label values 4"):
        read_nifti(saved(tmp_path, (l_shape() * 2).T[:, :, None], ITK), IMAGE)
    with pytest.raises(TrainingError, match="the mask is empty"):
        read_nifti(saved(tmp_path, (l_shape() * 0).T[:, :, None], ITK), IMAGE)


def test_a_truncated_file_is_refused(tmp_path):
    path = saved(tmp_path, l_shape().T[:, :, None], ITK, name="m.nii")
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(TrainingError, match="cannot be read as NIfTI"):
        read_nifti(path, IMAGE)


def test_another_format_that_nibabel_knows_is_refused(tmp_path):
    nibabel.save(nibabel.MGHImage(l_shape().T[:, :, None], ITK), tmp_path / "m.mgz")
    with pytest.raises(TrainingError, match="is no NIfTI"):
        read_nifti(tmp_path / "m.mgz", IMAGE)
