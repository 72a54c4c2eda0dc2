"""What is written, read by the libraries alone."""

import nibabel
import nrrd
import numpy as np
from PIL import Image

from tests.training.annotations.pictures import SPACING, l_shape
from training.annotations.writing import write_nifti, write_nrrd, write_png, write_seg_nrrd

L = l_shape()
SPACED = (SPACING, SPACING)


def test_a_cropped_segmentation_of_layers_is_as_slicer_documents_it(tmp_path):
    write_seg_nrrd(tmp_path / "m.seg.nrrd", L, (0.07, 0.05), cropped=True, layers=True, names={1: "A", 2: "B"})
    voxels, header = nrrd.read(str(tmp_path / "m.seg.nrrd"))
    np.testing.assert_array_equal(voxels[:, :, :, 0], [(L[5:16, 3:12] > 0).T, (L[5:16, 3:12] == 2).T])
    np.testing.assert_array_equal(header["space directions"][0], [np.nan] * 3)
    np.testing.assert_allclose(header["space directions"][1:], np.diag([0.05, 0.07, 1.0]))
    np.testing.assert_allclose(header["space origin"], [3 * 0.05, 5 * 0.07, 0])
    assert header["Segmentation_ReferenceImageExtentOffset"] == "3 5 0"
    assert [header[f"Segment{n}_{key}"] for n in (0, 1) for key in ("Name", "Layer", "LabelValue", "Extent")] == [
        *("A", "0", "1", "0 8 0 10 0 0"),
        *("B", "1", "1", "1 6 1 9 0 0"),
    ]


def test_a_segmentation_of_nothing_is_a_single_voxel(tmp_path):
    write_seg_nrrd(tmp_path / "m.seg.nrrd", L * 0, None)
    assert nrrd.read(str(tmp_path / "m.seg.nrrd"))[0].tolist() == [[[0]]]


def test_label_maps_run_along_the_columns_first(tmp_path):
    write_nrrd(tmp_path / "m.nrrd", L, None)
    voxels, header = nrrd.read(str(tmp_path / "m.nrrd"))
    np.testing.assert_array_equal(voxels[:, :, 0].T, L)
    assert header["space"] == "left-posterior-superior"
    write_nifti(tmp_path / "m.nii.gz", L, SPACED)
    picture = nibabel.load(tmp_path / "m.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(picture.dataobj)[:, :, 0].T, L)
    assert nibabel.aff2axcodes(picture.affine) == ("L", "P", "S")


def test_a_png_is_white_where_there_is_no_calcification_to_tell_apart(tmp_path):
    write_png(tmp_path / "m.png", L)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "m.png")), L)
    write_png(tmp_path / "m.png", l_shape(calcified=False))
    assert sorted(set(np.asarray(Image.open(tmp_path / "m.png")).ravel().tolist())) == [0, 255]
