import io
import subprocess

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from dcis_node.mammogram.display import transforms
from dcis_node.mammogram.eligibility import judge
from dcis_node.mammogram.facts import Reason
from dcis_node.mammogram.header import read_header
from dcis_node.mammogram.pixels import stored_pixels
from dcis_node.phantom import variants
from dcis_node.phantom.dicom import COMMENT, exam_datasets
from dcis_node.phantom.encode import COMPRESSED, UNCOMPRESSED, compress
from dcis_node.phantom.exam import generate_exam
from dcis_node.phantom.vendor import LUT_KINDS, VENDORS
from tests.peer_tools import require

WHEN = {"patient_id": "PHANTOM-1", "study_date": "20260105", "study_time": "101500"}
TINY = (256, 200)


def _bytes(ds):
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def datasets(exam):
    return exam_datasets(exam, **WHEN)


@pytest.fixture(scope="module")
def tiny():
    return exam_datasets(generate_exam(3, size=TINY), **WHEN)[3]


def test_equal_arguments_give_equal_bytes_and_another_date_another_study(exam, datasets):
    assert [_bytes(ds) for ds in exam_datasets(exam, **WHEN)] == [_bytes(ds) for ds in datasets]
    other = exam_datasets(exam, **{**WHEN, "study_date": "20260106"})
    assert {ds.StudyInstanceUID for ds in other}.isdisjoint(ds.StudyInstanceUID for ds in datasets)


def test_one_study_holds_four_instances_of_the_same_patient(datasets):
    assert len({ds.StudyInstanceUID for ds in datasets}) == 1
    assert len({ds.SOPInstanceUID for ds in datasets}) == 4
    assert {ds.PatientID for ds in datasets} == {"PHANTOM-1"}


def test_nobody_can_take_it_for_a_patients(datasets):
    for ds in datasets:
        assert ds.PatientName == "SYNTHETIC^PHANTOM"
        assert ds.ImageComments == COMMENT
        assert "SYNTHETIC" in ds.Manufacturer


def test_a_file_gives_back_pixels_facts_and_grey_scale(exam, datasets):
    for view, ds in zip(exam.views, datasets, strict=True):
        read = dcmread(io.BytesIO(_bytes(ds)))
        assert np.array_equal(stored_pixels(read), view.stored)
        header = read_header(read)
        assert (header.laterality, header.view) == (view.laterality, view.view)
        assert header.patient_orientation == view.patient_orientation
        assert header.spacing_mm == pytest.approx(view.spacing_mm)
        assert judge(header).eligible
        assert header.notes == ()
        assert [t.name for t in transforms(read)] == [t.name for t in view.transforms]


@pytest.mark.parametrize("syntax", [*UNCOMPRESSED, *COMPRESSED], ids=lambda uid: uid.name[:40])
def test_a_copy_in_another_syntax_has_the_same_uid_and_pixels(tiny, syntax):
    copy = dcmread(io.BytesIO(_bytes(compress(tiny, syntax))))
    assert copy.file_meta.TransferSyntaxUID == syntax
    assert copy.SOPInstanceUID == tiny.SOPInstanceUID
    assert np.array_equal(stored_pixels(copy), tiny.pixel_array)


def test_a_lossy_syntax_is_refused(tiny):
    with pytest.raises(ValueError):
        compress(tiny, JPEGBaseline8Bit)


VARIANTS = {
    Reason.MAGNIFICATION_VIEW: variants.magnification_view,
    Reason.SPOT_COMPRESSION_VIEW: variants.spot_compression_view,
    Reason.IMPLANT_NOT_DISPLACED: lambda ds: variants.implant_view(ds, displaced=False),
    Reason.FOR_PROCESSING: variants.for_processing,
    Reason.SYNTHETIC_2D: variants.synthetic_2d,
    Reason.UNDER_AGE: lambda ds: variants.of_age(ds, years=17),
    Reason.TOMOSYNTHESIS: variants.tomosynthesis,
    Reason.NOT_MAMMOGRAPHY: variants.ct_slice,
}


@pytest.mark.parametrize("reason", list(VARIANTS))
def test_each_odd_object_is_named_by_its_reason(tiny, reason):
    before = _bytes(tiny)
    odd = dcmread(io.BytesIO(_bytes(VARIANTS[reason](tiny))))
    assert judge(read_header(odd)).reason is reason
    assert odd.SOPInstanceUID != tiny.SOPInstanceUID
    assert odd.StudyInstanceUID == tiny.StudyInstanceUID
    assert _bytes(tiny) == before


def test_a_displaced_implant_and_a_repeated_exposure_stay_eligible(tiny):
    assert judge(read_header(variants.implant_view(tiny, displaced=True))).eligible
    again = variants.repeated(tiny)
    assert judge(read_header(again)).eligible
    assert read_header(again).acquired > read_header(tiny).acquired


def test_an_object_without_pixels_has_none(tiny):
    assert "PixelData" not in variants.without_pixels(tiny)


def _errors(ds, folder):
    path = folder / "object.dcm"
    path.write_bytes(_bytes(ds))
    told = subprocess.run([require("dciodvfy"), path], capture_output=True, text=True, check=False)
    return [line for line in (told.stdout + told.stderr).splitlines() if line.startswith("Error")]


@pytest.mark.peer
@pytest.mark.parametrize("vendor", list(VENDORS))
def test_dciodvfy_finds_no_error_in_any_vendors_views(vendor, tmp_path):
    for ds in exam_datasets(generate_exam(3, vendor=vendor, size=TINY), **WHEN):
        assert _errors(ds, tmp_path) == []


@pytest.mark.peer
@pytest.mark.parametrize("lut", [kind for kind in LUT_KINDS if kind != "none"])
def test_dciodvfy_finds_no_error_in_any_grey_scale(lut, tmp_path):
    ds = exam_datasets(generate_exam(3, vendor="hologic", lut=lut, size=TINY), **WHEN)[0]
    assert _errors(ds, tmp_path) == []


@pytest.mark.peer
@pytest.mark.parametrize("syntax", COMPRESSED, ids=lambda uid: uid.name[:40])
def test_dciodvfy_finds_no_error_in_a_compressed_copy(tiny, syntax, tmp_path):
    assert tiny.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert _errors(compress(tiny, syntax), tmp_path) == []


@pytest.mark.peer
@pytest.mark.parametrize("reason", [r for r in VARIANTS if r is not Reason.TOMOSYNTHESIS])
def test_dciodvfy_finds_no_error_in_the_odd_objects(tiny, reason, tmp_path):
    assert _errors(VARIANTS[reason](tiny), tmp_path) == []
