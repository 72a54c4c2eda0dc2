import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from training.statistics import auroc, brier, confusion, dice, expected_calibration_error, operating_point


def test_auroc_is_the_share_of_pairs_in_order():
    # 3 high, 2 low: of 6 pairs 4 are in order and one is tied.
    interval = auroc([1, 1, 1, 0, 0], [0.9, 0.4, 0.2, 0.4, 0.1], seed=0)
    assert interval.value == pytest.approx((4 + 0.5) / 6)
    assert interval.low <= interval.value <= interval.high


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=2, max_size=40))
def test_auroc_is_that_of_scikit_learn(rows):
    labels, scores = zip(*rows, strict=True)
    if len(set(labels)) == 2:
        found = auroc(labels, [s / 7 for s in scores], seed=0, samples=40).value
        assert found == pytest.approx(roc_auc_score(labels, scores))


def test_auroc_needs_both_classes():
    assert np.isnan(auroc([1, 1], [0.2, 0.3], seed=0).value)


def test_chance_lies_in_the_interval_of_labels_that_say_nothing():
    rng = np.random.default_rng(0)
    interval = auroc(rng.integers(0, 2, 200).tolist(), rng.random(200).tolist(), seed=1)
    assert interval.low < 0.5 < interval.high


def test_dice_is_as_worked_out_by_hand():
    one, two = np.zeros((4, 4), np.bool_), np.zeros((4, 4), np.bool_)
    assert dice(one, two) == 1.0
    one[0, :3] = two[0, 1:4] = True
    assert dice(one, two) == pytest.approx(2 * 2 / 6)
    assert dice(one, ~one) == 0.0


def test_the_papers_predictive_values_come_from_its_kind_of_table():
    # PPV 40.3 % and NPV 90.9 % as in the scenario `grade`: 25 of 62 called high are, 10 of 110 called low are not.
    labels = [1] * 25 + [0] * 37 + [0] * 100 + [1] * 10
    table = confusion(labels, [0.9] * 62 + [0.1] * 110, threshold=0.5)
    assert round(100 * table.ppv, 1) == 40.3
    assert round(100 * table.npv, 1) == 90.9
    assert table.sensitivity == pytest.approx(25 / 35)
    assert table.specificity == pytest.approx(100 / 137)


def test_at_the_threshold_it_is_called_high():
    assert confusion([1], [0.5], threshold=0.5).true_positive == 1


def test_a_ratio_over_nothing_is_null_in_json():
    assert confusion([0, 0], [0.1, 0.2], threshold=0.5).to_json()["ppv"] is None


def test_brier_is_the_mean_squared_gap():
    assert brier([1, 0], [0.8, 0.4]) == pytest.approx((0.04 + 0.16) / 2)


def test_calibration_error_is_as_worked_out_by_hand():
    # Two bins of two: |0 - 0.15| and |1 - 0.85|.
    assert expected_calibration_error([0, 1, 0, 1], [0.1, 0.8, 0.2, 0.9], bins=2) == pytest.approx(0.15)


def test_right_probabilities_have_a_small_calibration_error():
    rng = np.random.default_rng(0)
    p = rng.random(20000)
    assert expected_calibration_error((rng.random(20000) < p).astype(int).tolist(), p.tolist()) < 0.02


def test_the_operating_point_is_the_highest_that_keeps_the_npv():
    labels = [0] * 10 + [1] + [0] * 2 + [1] * 7
    probabilities = np.linspace(0.05, 0.95, 20).tolist()
    threshold = operating_point(labels, probabilities, npv=0.9)
    assert confusion(labels, probabilities, threshold=threshold).npv >= 0.9
    higher = [p for p in probabilities if p > threshold]
    assert all(confusion(labels, probabilities, threshold=p + 0.01).npv < 0.9 for p in higher)


def test_without_a_safe_threshold_the_safest_is_taken():
    labels, probabilities = [1, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    threshold = operating_point(labels, probabilities, npv=0.99)
    assert confusion(labels, probabilities, threshold=threshold).npv == pytest.approx(0.5)


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0.001, 0.999)), min_size=2, max_size=60))
def test_an_operating_point_is_a_threshold(rows):
    labels, probabilities = zip(*rows, strict=True)
    assert 0.0 < operating_point(labels, probabilities) < 1.0
