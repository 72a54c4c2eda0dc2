import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.canonical import digest
from dcis_node.errors import TrainingError
from dcis_node.phantom.patient import generate_patient
from dcis_node.phantom.vendor import VENDORS
from training.images_phantom import (
    PhantomWord,
    is_phantom,
    load_phantom_region,
    load_phantom_view,
    phantom_rows,
    phantom_word,
    read_word,
)

SIZE = (640, 512)
SEED = 5_000_003


@pytest.fixture(scope="module")
def rows():
    return phantom_rows(SEED, patient="p00003", vendor="hologic", size=SIZE, first_image=12)


@given(
    st.integers(0, 10**17),
    st.sampled_from("RL"),
    st.sampled_from(("CC", "MLO")),
    st.sampled_from(("", *VENDORS)),
)
def test_a_word_says_what_was_written(seed, side, view, vendor):
    word = phantom_word(seed, side, view, vendor=vendor)
    assert is_phantom(word)
    assert read_word(word) == PhantomWord(seed, side, view, vendor)


def test_a_word_may_fix_the_frame_too():
    assert read_word(phantom_word(7, "L", "MLO", vendor="ge", size=SIZE)) == PhantomWord(7, "L", "MLO", "ge", SIZE)
    assert phantom_word(7, "L", "MLO") == "phantom:7/L/MLO"


@pytest.mark.parametrize(
    "word",
    ["7/L/MLO", "phantom:", "phantom:-1/L/CC", "phantom:7/X/CC", "phantom:7/L/ML", "phantom:07/L/CC",
     "phantom:7/L/CC/kodak", "phantom:7/L/CC/640x512", "phantom:7/L/CC\n"],
)  # fmt: skip
def test_what_is_no_word_is_refused(word):
    with pytest.raises(TrainingError, match="not a phantom"):
        read_word(word)


def test_a_patient_has_four_rows_and_one_breast_with_the_lesion(rows):
    patient = generate_patient(SEED, vendor="hologic", size=SIZE)
    assert [(row.laterality, row.view) for row in rows] == [("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO")]
    assert [row.image for row in rows] == ["image-00012", "image-00013", "image-00014", "image-00015"]
    for row in rows:
        assert row.sha256 == row.pixels_sha256 == digest(row.file)
        assert (row.rows, row.columns, row.spacing_mm) == (*SIZE, (0.07, 0.07))
        ill = row.laterality == patient.lesion_laterality
        assert row.lesion is ill
        assert (row.grade, row.upstaged) == ((patient.lesion.grade, patient.lesion.upstaged) if ill else (0, False))
        assert (row.mask, row.annotation) == (("phantom:", "phantom") if ill else ("", ""))
        assert row.size_mm == (pytest.approx(patient.lesion.extent_mm, abs=0.05) if ill else None)


def test_a_view_holds_its_lesion_and_a_healthy_one_none(rows):
    for row in rows[:2]:
        view = load_phantom_view(row)
        assert view.stored.shape == view.labels.shape == SIZE
        assert (view.stored.dtype, view.labels.dtype) == (np.uint16, np.uint8)
        assert set(np.unique(view.labels)) == ({0, 1, 2} if row.lesion else {0})
        assert view.spacing_mm == row.spacing_mm
        assert view.mirrored is False


def test_a_region_is_the_same_place_of_the_whole_view(rows):
    for row in rows[:2]:
        region = load_phantom_region(row, side_mm=21.0, rng=np.random.default_rng(1))
        whole = load_phantom_view(row)
        assert region.stored.shape == (300, 300)
        place = tuple(slice(start, start + 300) for start in region.origin)
        assert np.array_equal(region.stored, whole.stored[place])
        assert np.array_equal(region.labels, whole.labels[place])


def test_the_centre_is_the_middle_of_the_lesions_box(rows):
    row = next(row for row in rows if row.lesion)
    region = load_phantom_region(row, side_mm=100.0, rng=np.random.default_rng(1))
    for axis in (0, 1):
        seen = np.flatnonzero((region.labels > 0).any(axis=1 - axis))
        assert region.centre[axis] == (seen[0] + seen[-1]) / 2


def test_a_region_longer_than_the_frame_is_the_frame(rows):
    assert load_phantom_region(rows[0], side_mm=1000.0, rng=np.random.default_rng(1)).stored.shape == SIZE


def test_equal_words_give_equal_pixels_and_other_vendors_others(rows):
    again = phantom_rows(SEED, patient="q", vendor="hologic", size=SIZE)
    assert np.array_equal(load_phantom_view(rows[0]).stored, load_phantom_view(again[0]).stored)
    other = phantom_rows(SEED, patient="q", vendor="siemens", size=SIZE)
    assert {row.pixels_sha256 for row in other}.isdisjoint(row.pixels_sha256 for row in rows)
