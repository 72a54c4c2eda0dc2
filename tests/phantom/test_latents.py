import numpy as np
import pytest

from dcis_node.phantom.latents import (
    EXTENT_RANGE_MM,
    GRADE_SHARES,
    MORPHOLOGIES,
    morphology_probabilities,
    sample_breasts,
    sample_lesion,
)

N = 6000


@pytest.fixture(scope="module")
def lesions():
    rng = np.random.default_rng(20260105)
    return [sample_lesion(rng) for _ in range(N)]


def test_grades_come_with_the_shares_of_the_cohort(lesions):
    shares = [np.mean([lesion.grade == grade for lesion in lesions]) for grade in (1, 2, 3)]
    assert shares == pytest.approx(GRADE_SHARES, abs=0.02)


def test_one_in_seven_is_upstaged(lesions):
    assert np.mean([lesion.upstaged for lesion in lesions]) == pytest.approx(0.147, abs=0.015)


def test_morphology_follows_the_table_of_its_grade(lesions):
    for grade in (1, 2, 3):
        group = [lesion for lesion in lesions if lesion.grade == grade]
        expected = np.mean([morphology_probabilities(grade, lesion.extent_mm) for lesion in group], axis=0)
        seen = [np.mean([lesion.morphology == name for lesion in group]) for name in MORPHOLOGIES]
        assert seen == pytest.approx(expected, abs=0.035)


def test_grades_overlap_in_every_morphology():
    for grade in (1, 2, 3):
        assert morphology_probabilities(grade, 20.0).min() > 0.005


def test_fine_linear_grows_with_grade_and_with_size():
    linear = [morphology_probabilities(grade, 20.0)[0] for grade in (1, 2, 3)]
    assert linear == sorted(linear)
    assert morphology_probabilities(2, 60.0)[0] > morphology_probabilities(2, 10.0)[0]


def test_extent_and_calcification_size_are_larger_in_grade_three_but_overlap(lesions):
    low = [lesion for lesion in lesions if lesion.grade < 3]
    high = [lesion for lesion in lesions if lesion.grade == 3]
    for name in ("extent_mm", "size_scale"):
        a, b = (np.array([getattr(lesion, name) for lesion in group]) for group in (low, high))
        auc = (b[:, None] > a[None, :]).mean()
        assert 0.62 < auc < 0.86


def test_contrast_says_nothing_of_the_grade(lesions):
    a, b = (np.array([x.contrast_scale for x in lesions if (x.grade == 3) is high]) for high in (False, True))
    assert (b[:, None] > a[None, :]).mean() == pytest.approx(0.5, abs=0.025)


def test_extents_and_counts_keep_to_their_ranges(lesions):
    extents = np.array([lesion.extent_mm for lesion in lesions])
    assert extents.min() >= EXTENT_RANGE_MM[0]
    assert extents.max() <= EXTENT_RANGE_MM[1]
    assert extents.mean() == pytest.approx(24.6, abs=1.2)
    assert {5 <= lesion.count <= 250 for lesion in lesions} == {True}


def test_a_given_grade_is_kept_and_leaves_the_other_draws_free():
    grades = {sample_lesion(np.random.default_rng(seed), grade=2).grade for seed in range(20)}
    assert grades == {2}


def test_the_breasts_of_one_woman_are_alike_and_not_equal():
    right, left = sample_breasts(np.random.default_rng(4))
    assert right != left
    assert right.depth_mm == pytest.approx(left.depth_mm, rel=0.15)
    assert right.density == pytest.approx(left.density, abs=0.25)
