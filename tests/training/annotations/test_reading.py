"""Every format, dispatched by content: the same L gives the same picture."""

import gzip
import io

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from dcis_node.errors import TrainingError
from tests.training.annotations.pictures import IMAGE, OTHER_UID, SPACING, UID, l_shape, mammogram
from training.annotations import read_annotation
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


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_file_is_its_content_tells_and_not_its_name(tmp_path, name):
    kind, write = WRITERS[name]
    write(tmp_path / name, l_shape())
    ending = ".nii.gz" if name.endswith(".nii") else ".nii" if name.endswith(".nii.gz") else ".dat"
    other = (tmp_path / name).rename(tmp_path / f"other{ending}")
    if kind == "nifti":  # nibabel goes by the name: what it cannot make out is refused, never guessed
        with pytest.raises(TrainingError, match="cannot be read as NIfTI"):
            read_annotation(other, IMAGE)
    else:
        np.testing.assert_array_equal(read_annotation(other, IMAGE).labels, l_shape())


def jpeg():
    buffer = io.BytesIO()
    Image.fromarray(l_shape()).save(buffer, format="JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data", [b"", b"nothing", jpeg(), gzip.compress(b"x" * 400)], ids=["none", "text", "jpeg", "gzip"]
)
def test_a_file_of_no_known_kind_is_refused_with_what_is_accepted(tmp_path, data):
    (tmp_path / "m.png").write_bytes(data)
    with pytest.raises(TrainingError, match=r"m\.png: is no annotation .* accepted are \.seg\.nrrd"):
        read_annotation(tmp_path / "m.png", IMAGE)


def test_a_file_that_is_not_there_or_breaks_off_is_refused(tmp_path):
    with pytest.raises(TrainingError, match=r"m\.png: cannot be read \(FileNotFoundError\)"):
        read_annotation(tmp_path / "m.png", IMAGE)
    (tmp_path / "m.nii.gz").write_bytes(gzip.compress(b"x" * 400)[:15])
    with pytest.raises(TrainingError, match=r"cannot be read \(EOFError\)"):
        read_annotation(tmp_path / "m.nii.gz", IMAGE)


def as_other_object(tmp_path, sop_class):
    write_dicom_seg(tmp_path / "m.dcm", mammogram(), l_shape())
    ds = dcmread(tmp_path / "m.dcm")
    ds.SOPClassUID = sop_class
    ds.save_as(tmp_path / "m.dcm")
    return tmp_path / "m.dcm"


def test_an_image_and_a_cad_report_are_no_annotation(tmp_path):
    with pytest.raises(TrainingError, match="outlines nothing"):
        read_annotation(as_other_object(tmp_path, "1.2.840.10008.5.1.4.1.1.1.2"), IMAGE)
    with pytest.raises(TrainingError, match="CAD program"):
        read_annotation(as_other_object(tmp_path, "1.2.840.10008.5.1.4.1.1.88.50"), IMAGE)


@pytest.mark.parametrize("sop_class", ["1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.11.1"])
def test_reports_and_presentation_states_go_to_their_readers(tmp_path, sop_class):
    with pytest.raises(TrainingError, match="nothing is outlined in this image, the mask is empty"):
        read_annotation(as_other_object(tmp_path, sop_class), IMAGE)


def test_no_refusal_quotes_what_could_name_a_patient(tmp_path):
    write_dicom_seg(tmp_path / "m.dcm", mammogram(OTHER_UID), l_shape())
    with pytest.raises(TrainingError) as refused:
        read_annotation(tmp_path / "m.dcm", IMAGE)
    told = str(refused.value)
    assert not any(value in told for value in ("SYN-1", "PHANTOM", OTHER_UID, UID, str(tmp_path)))
