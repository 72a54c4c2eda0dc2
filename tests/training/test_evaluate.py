import numpy as np
import pytest

from dcis_node.model.localise import Localisation
from dcis_node.model.predict import outline_marked
from training.evaluate import THRESHOLDS, FoundView, GivenView, by_patient, is_hit, summarise_found
from training.figures import found_figures, given_figures


@pytest.fixture
def true():
    mask = np.zeros((100, 100), np.bool_)
    mask[40:60, 40:60] = True
    return mask


@pytest.mark.parametrize(
    ("place", "hit"), [((50.0, 50.0), True), ((50.0, 80.0), True), ((50.0, 81.0), False), ((0.0, 0.0), False)]
)
def test_a_mark_is_right_on_the_lesion_or_within_3_mm_of_it(true, place, hit):
    # The last column of the lesion is 59; 21 pixels of 0.14 mm are 2.94 mm.
    assert is_hit(place, true, spacing_mm=(0.14, 0.14)) is hit


def test_no_mark_is_right_where_there_is_no_lesion(true):
    assert not is_hit((50.0, 50.0), np.zeros_like(true), spacing_mm=(0.14, 0.14))


def given(patient, label, *probabilities, dices=(0.5, 0.5, 0.5, 0.5, 0.5)):
    return GivenView(patient, "CC", label, probabilities, dices)


def test_views_are_grouped_by_patient_and_unlabelled_ones_left_out():
    views = [given("b", 1, 0.8, 0.6), given("a", 0, 0.1, 0.2), given("b", 1, 0.9, 0.7), given("c", -1, 0.5, 0.5)]
    patients, raw, labels = by_patient(views)
    assert patients == ["a", "b"]
    assert labels == [0, 1]
    np.testing.assert_array_equal(raw[1], [[0.8, 0.6], [0.9, 0.7]])


def test_given_figures_are_of_patients_and_the_overlap_is_that_of_the_chosen_threshold():
    dices = tuple(threshold + 0.1 for threshold in THRESHOLDS)
    views = [given(f"p{i}", i % 2, 0.3 + 0.4 * (i % 2), 0.5, dices=dices) for i in range(8)]
    figures = given_figures(views, threshold=0.5, outline_from=0.6, seed=0)
    assert figures["patients"] == 8
    assert figures["high_risk"] == 4
    assert figures["patient_auc"]["value"] == 1.0
    assert figures["patient_auc_by_fold"] == [1.0, 0.5]
    assert figures["dice_mean"] == pytest.approx(0.7)
    assert figures["operating_point"]["npv"] == 1.0


def found(patient, side, label, *, lesion, hit=False, false_marks=0, probability=None):
    marked = hit or false_marks > 0
    return FoundView(patient, side, "CC", label, lesion, marked, hit, hit, false_marks, 0.5 * hit, probability)


def test_found_figures_count_hits_on_lesions_and_false_marks_on_all_views():
    views = [
        found("a", "L", 1, lesion=True, hit=True, probability=0.8),
        found("a", "R", -1, lesion=False, false_marks=2, probability=0.9),
        found("b", "L", 0, lesion=True),
        found("b", "R", -1, lesion=False),
    ]
    summary = summarise_found(views)
    assert summary["hit_rate_first"] == 0.5
    assert summary["false_marks_per_view"] == 0.5
    assert summary["false_marks_per_normal_view"] == 1.0
    assert summary["normal_views_marked"] == 0.5
    figures = found_figures(views, threshold=0.5, seed=0)
    assert figures["patients"] == 2
    assert figures["patients_without_a_mark"] == 1
    assert figures["patient_auc"]["value"] == 1.0


def test_the_overlap_is_of_what_the_node_outlines_at_the_mark_not_of_marks_elsewhere(true):
    foreground = np.zeros((2, 100, 100), np.float32)
    foreground[0][true] = 0.9
    foreground[0, :10, :60] = 0.9
    localisation = Localisation(threshold=0.5, min_area_mm2=0.0)
    spacing = (0.5, 0.5)
    labels, components = outline_marked(foreground, localisation, mark=(49.5, 49.5), spacing_mm=spacing)
    assert len(components) == 1
    np.testing.assert_array_equal(labels == components[0].label, true)
    _, nothing = outline_marked(foreground, localisation, mark=(95.0, 95.0), spacing_mm=spacing)
    assert nothing == ()
