"""Every format, dispatched by content: the same L gives the same picture."""

import gzip

import numpy as np
import pytest
from pydicom import dcmread

from dcis_node.errors import TrainingError
from tests.training.annotations.pictures import COLUMNS, IMAGE, ROWS, SPACING, UID, l_shape, mammogram
from training.annotations import read_annotation
from training.annotations.annotation import ImageFacts
from training.annotations.writing import write_dicom_seg, write_nifti, write_nrrd, write_png, write_seg_nrrd

SPACED = (SPACING, SPACING)


def seg_nrrd(*, spacing, cropped, layers):
    return lambda path, labels: write_seg_nrrd(path, labels, spacing, cropped=cropped, layers=layers)


def seg(kind):
    return lambda path, labels: write_dicom_seg(path, mammogram(), labels, segmentation_type=kind)


WRITERS = {
    **{
        f"slicer {spacing} {cropped} {layers}.seg.nrrd": (
            "slicer",
            seg_nrrd(spacing=spacing, cropped=cropped, layers=layers),
        )
        for spacing in (SPACED, None)
        for cropped in (True, False)
        for layers in (True, False)
    },
    "nrrd.nrrd": ("nrrd", lambda path, labels: write_nrrd(path, labels, SPACED)),
    "nrrd-unit.nrrd": ("nrrd", lambda path, labels: write_nrrd(path, labels, None)),
    "nifti.nii": ("nifti", lambda path, labels: write_nifti(path, labels, SPACED)),
    "nifti.nii.gz": ("nifti", lambda path, labels: write_nifti(path, labels, SPACED)),
    "nifti-unit.nii.gz": ("nifti", lambda path, labels: write_nifti(path, labels, None)),
    "png.png": ("png", write_png),
    "binary.dcm": ("dicom_seg", seg("BINARY")),
    "labelmap.dcm": ("dicom_seg", seg("LABELMAP")),
    "fractional.dcm": ("dicom_seg", seg("FRACTIONAL")),
}


@pytest.mark.parametrize("calcified", [True, False])
@pytest.mark.parametrize("name", WRITERS)
def test_the_same_l_in_any_format_gives_the_same_picture(tmp_path, name, calcified):
    kind, write = WRITERS[name]
    labels = l_shape(calcified=calcified)
    write(tmp_path / name, labels)

    read = read_annotation(tmp_path / name, IMAGE)

    np.testing.assert_array_equal(read.labels, labels)
    assert (read.labels.dtype, read.labels.flags.c_contiguous) == (np.uint8, True)
    assert (read.kind, read.weak, read.parts, read.biopsied) == (kind, False, 1, None)
    assert read.references == ((UID,) if kind == "dicom_seg" else ())
