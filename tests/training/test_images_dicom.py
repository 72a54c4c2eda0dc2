import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from dcis_node.errors import PixelError, TrainingError
from dcis_node.mammogram.curves import FullRange, Rescale, Table, Window
from dcis_node.mammogram.display import DisplayTransform, transforms
from dcis_node.mammogram.pixels import stored_pixels
from dcis_node.model.preprocess import Preprocessing, prepare_view
from dcis_node.phantom.dicom import exam_datasets
from dcis_node.phantom.exam import generate_exam
from training.cohort import Cohort, CohortView
from training.images import load_region, load_view
from training.images_dicom import decode, from_zero, pixels_digest

IDENTITY = {"patient_id": "1", "study_date": "20200101", "study_time": "101500"}


@pytest.fixture(scope="module")
def exam():
    return generate_exam(3, vendor="hologic", size=(256, 192), laterality="R", grade=2, lut="none")


@pytest.fixture
def cohort(tmp_path: Path, made: Cohort) -> Cohort:
    """R CC annotated, L CC healthy, and R CC stored mirrored."""
    shutil.copytree(made.folder, tmp_path, dirs_exist_ok=True)
    return replace(made, folder=tmp_path, images=tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory, exam) -> Cohort:
    tmp_path = tmp_path_factory.mktemp("made")
    mirrored = generate_exam(
        3, vendor="hologic", size=(256, 192), laterality="R", grade=2, lut="none", storage="mirrored"
    )
    rows = []
    for name, seen, ds in (
        ("a", exam.views[0], exam_datasets(exam, **IDENTITY)[0]),
        ("b", exam.views[1], exam_datasets(exam, **IDENTITY)[1]),
        ("c", mirrored.views[0], exam_datasets(mirrored, **IDENTITY)[0]),
    ):
        ds.save_as(tmp_path / f"{name}.dcm", enforce_file_format=True)
        mask = tmp_path / f"{name}.png"
        Image.fromarray(seen.lesion_mask.astype(np.uint8)).save(mask)
        lesion = bool(seen.lesion_mask.any())
        rows.append(
            CohortView(
                "p", seen.laterality, "CC", 2 if lesion else 0, upstaged=False, image=name, file=f"{name}.dcm",
                sha256=digest_of(tmp_path / f"{name}.dcm"), spacing_mm=(0.07, 0.07),
                mask=mask.name if lesion else "", mask_sha256=digest_of(mask) if lesion else "",
            )
        )  # fmt: skip
    return Cohort(tmp_path, tmp_path, True, tuple(rows), (), (), {}, "")


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_view_is_loaded_as_the_node_reads_it(cohort, exam):
    loaded = load_view(cohort, cohort.views[0])

    assert loaded.stored.dtype == np.uint16
    assert np.array_equal(loaded.stored, exam.views[0].stored)
    assert np.array_equal(loaded.labels, exam.views[0].lesion_mask)
    assert loaded.spacing_mm == (0.07, 0.07)
    node = prepare_view(exam.views[0].stored, exam.views[0].transforms, Preprocessing())
    assert np.array_equal(prepare_view(loaded.stored, loaded.transforms, Preprocessing()), node)


def test_only_an_image_that_lies_against_its_side_is_mirrored(cohort):
    assert [load_view(cohort, row).mirrored for row in cohort.views] == [False, False, True]


def test_without_a_mask_all_labels_are_zero(cohort):
    assert not load_view(cohort, cohort.views[1]).labels.any()


@pytest.mark.parametrize("file", ["a.dcm", "a.png"])
def test_an_altered_file_is_refused(cohort, file):
    data = bytearray((cohort.folder / file).read_bytes())
    data[-1] ^= 1
    (cohort.folder / file).write_bytes(data)

    with pytest.raises(TrainingError, match=r"a: the (image file|mask) was altered since the cohort was made"):
        load_view(cohort, cohort.views[0])


@pytest.mark.parametrize("file", ["a.dcm", "a.png"])
def test_a_missing_file_is_refused(cohort, file):
    (cohort.folder / file).unlink()

    with pytest.raises(TrainingError, match=r"a: the (image file|mask) cannot be read \(No such file"):
        load_view(cohort, cohort.views[0])


@pytest.mark.parametrize("file", ["../a.dcm", "/etc/passwd", ""])
def test_a_row_cannot_lead_out_of_the_folder(cohort, file):
    with pytest.raises(TrainingError, match="must lie in the cohort's folder"):
        load_view(cohort, replace(cohort.views[0], file=file))


@pytest.mark.parametrize("picture", [np.zeros((9, 9), np.uint8), np.full((256, 192), 3, np.uint8)])
def test_a_mask_of_another_size_or_with_other_labels_is_refused(cohort, picture):
    Image.fromarray(picture).save(cohort.folder / "a.png")

    with pytest.raises(TrainingError, match="not a picture of labels 0, 1 and 2 of the image's size"):
        load_view(cohort, replace(cohort.views[0], mask_sha256=digest_of(cohort.folder / "a.png")))


def test_what_is_no_dicom_file_is_refused_without_quoting_it(cohort):
    (cohort.folder / "a.dcm").write_bytes(b"Jansen")

    with pytest.raises(TrainingError, match=r"a: cannot be read as DICOM \(InvalidDicomError\)$"):
        load_view(cohort, cohort.views[0])


def test_a_file_without_a_breast_is_refused(cohort, exam):
    ds = exam_datasets(exam, **IDENTITY)[0]
    ds.PixelData = bytes(len(ds.PixelData))
    ds.save_as(cohort.folder / "a.dcm", enforce_file_format=True)

    with pytest.raises(TrainingError, match="a: the image is flat"):
        load_view(cohort, replace(cohort.views[0], sha256=digest_of(cohort.folder / "a.dcm")))


def test_a_region_is_a_square_round_the_middle_of_the_lesions_box(cohort, exam):
    mask = exam.views[0].lesion_mask
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    middle = (rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2

    region = load_region(cohort, cohort.views[0], side_mm=2.1, rng=np.random.default_rng(0))

    assert region.stored.shape == region.labels.shape == (30, 30)
    assert (region.origin[0] + region.centre[0], region.origin[1] + region.centre[1]) == middle
    assert all(abs(place - 14.5) <= 1 for place in region.centre)
    top, left = region.origin
    assert np.array_equal(region.stored, exam.views[0].stored[top : top + 30, left : left + 30])
    assert np.array_equal(region.labels, mask[top : top + 30, left : left + 30])


@pytest.mark.parametrize("side_mm", [10.0, 100.0])
def test_a_region_stays_inside_the_image_however_large(cohort, side_mm):
    region = load_region(cohort, cohort.views[0], side_mm=side_mm, rng=np.random.default_rng(0))

    side = round(side_mm / 0.07)
    assert region.stored.shape == (min(side, 256), min(side, 192))
    assert region.origin[0] + region.stored.shape[0] <= 256
    assert region.origin[1] + region.stored.shape[1] <= 192


def test_without_a_lesion_the_place_is_drawn_over_the_breast_and_only_there(cohort, exam):
    row, breast = cohort.views[1], decode(exam_datasets(exam, **IDENTITY)[1]).breast.mask

    places = [load_region(cohort, row, side_mm=2.1, rng=np.random.default_rng(seed)) for seed in range(25)]

    drawn = [(r.origin[0] + int(r.centre[0]), r.origin[1] + int(r.centre[1])) for r in places]
    assert len(set(drawn)) > 20
    assert all(breast[place] for place in drawn)
    again = load_region(cohort, row, side_mm=2.1, rng=np.random.default_rng(3))
    assert again.origin == places[3].origin


def test_a_region_shows_the_range_of_the_whole_view(cohort):
    """This detector offers neither window nor table: the view's own range is shown, and a region has another one."""
    view = load_view(cohort, cohort.views[0])
    region = load_region(cohort, cohort.views[0], side_mm=2.1, rng=np.random.default_rng(0))
    assert isinstance(view.transforms[0].voi, FullRange)
    top, left = region.origin

    whole = prepare_view(view.stored, view.transforms, Preprocessing())[top : top + 30, left : left + 30]

    np.testing.assert_allclose(prepare_view(region.stored, region.transforms, Preprocessing()), whole, atol=1e-7)
    assert np.ptp(region.stored) < np.ptp(view.stored)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_pixels_have_one_digest_in_every_lossless_syntax(exam, syntax):
    plain = exam_datasets(exam, **IDENTITY, transfer_syntax=ExplicitVRLittleEndian)[0]
    packed = exam_datasets(exam, **IDENTITY, transfer_syntax=syntax)[0]

    digests = {decode(ds, with_digest=True).pixels_sha256 for ds in (plain, packed)}
    assert digests == {pixels_digest(stored_pixels(plain))}


def test_the_digest_depends_on_shape_and_every_value_but_not_on_the_integer_type():
    values = np.arange(12, dtype=np.uint16).reshape(3, 4)

    assert pixels_digest(values) == pixels_digest(values.astype(">i4")) == pixels_digest(np.asfortranarray(values))
    assert pixels_digest(values) != pixels_digest(values.reshape(4, 3))
    assert pixels_digest(values) != pixels_digest(values + 1)


CURVES = (
    Window(10.0, 400.0),
    Window(10.0, 400.0, "SIGMOID"),
    FullRange(),
    Table(-100, np.arange(0, 4000, 4, dtype=np.int64), 4095),
)
MODALITIES = (Rescale(), Rescale(2.0, -30.0), Table(-50, np.arange(500, dtype=np.int64), 511))


@given(
    st.sampled_from(CURVES),
    st.sampled_from(MODALITIES),
    st.sampled_from([None, (-90, -80), (-2048, -2000)]),
    st.booleans(),
    st.integers(-2048, 2000),
)
def test_signed_values_are_moved_and_the_picture_stays_the_same(voi, modality, padding, inverted, least):
    values = np.linspace(least, 2047, 48, dtype=np.int16).reshape(6, 8)
    choice = DisplayTransform("x", voi, modality=modality, padding=padding, inverted=inverted)

    stored, (moved,) = from_zero(values, (choice,), lowest=-2048)

    assert stored.dtype == np.uint16
    np.testing.assert_allclose(moved.apply(stored), choice.apply(values), atol=1e-6)


def test_values_that_are_from_zero_already_are_not_touched():
    choices = (DisplayTransform("x", FullRange()),)

    assert from_zero(np.array([[0, 65_535]], np.int32), choices, lowest=-(1 << 31))[1] is choices


def test_wide_values_move_by_their_own_least_if_that_makes_them_fit():
    stored, _ = from_zero(np.array([[-40_000, 20_000]], np.int32), (), lowest=-(1 << 31))

    assert stored.tolist() == [[0, 60_000]]


def test_values_wider_than_16_bits_are_refused():
    with pytest.raises(PixelError, match="more than 16 bits"):
        from_zero(np.array([[0, 70_000]], np.int32), (), lowest=0)


def test_a_signed_file_is_loaded_as_it_is_shown(cohort, exam):
    ds = exam_datasets(exam, **IDENTITY)[0]
    signed = exam.views[0].stored.astype(np.int32) - 2000
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 15, 1
    ds.PixelData = signed.astype("<i2").tobytes()
    ds.save_as(cohort.folder / "a.dcm", enforce_file_format=True)
    row = replace(cohort.views[0], sha256=digest_of(cohort.folder / "a.dcm"))

    loaded = load_view(cohort, row)

    expected = transforms(ds)[0].apply(signed)
    np.testing.assert_allclose(loaded.transforms[0].apply(loaded.stored), expected, atol=1e-6)
    assert np.array_equal(loaded.stored.astype(np.int64) - loaded.stored.min(), signed - signed.min())
