import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from torchmetrics.functional.classification import binary_calibration_error

from training.statistics.calibration_figures import brier, error_by_chance, expected_calibration_error, reliability


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    p = rng.random(20000)
    return (rng.random(20000) < p).astype(int), p


def test_brier_is_the_mean_squared_gap(drawn):
    assert brier([1, 0], [0.8, 0.4]) == pytest.approx((0.04 + 0.16) / 2)
    assert brier(*drawn) == pytest.approx(brier_score_loss(*drawn))


def test_calibration_error_is_as_worked_out_by_hand():
    # Two bins of two: |0 - 0.15| and |1 - 0.85|.
    assert expected_calibration_error([0, 1, 0, 1], [0.1, 0.8, 0.2, 0.9], bins=2) == pytest.approx(0.15)


def test_with_equal_widths_it_is_that_of_torchmetrics():
    # torchmetrics takes the probability itself as confidence of the positive class.
    rng = np.random.default_rng(1)
    p = rng.random(400).astype(np.float32)
    labels = (rng.random(400) < 0.5).astype(int)
    expected = float(binary_calibration_error(torch.from_numpy(p), torch.from_numpy(labels), n_bins=10, norm="l1"))
    assert expected_calibration_error(labels, p, bins=10, equal_widths=True) == pytest.approx(expected, abs=1e-5)


def test_right_probabilities_have_a_small_calibration_error(drawn):
    assert expected_calibration_error(*drawn) < 0.02


def test_few_patients_have_an_error_by_chance_and_many_hardly_any():
    few, many = np.full(50, 0.4), np.full(20000, 0.4)
    assert error_by_chance(few, seed=0) > 0.08
    assert error_by_chance(many, seed=0) < 0.01


def test_the_reliability_curve_is_that_of_scikit_learn(drawn):
    labels, p = drawn
    rows = reliability(labels, p, bins=5)
    frequencies, means = calibration_curve(labels, p, n_bins=5, strategy="quantile")
    assert [row["probability"] for row in rows] == pytest.approx(means, abs=1e-3)
    assert [row["frequency"] for row in rows] == pytest.approx(frequencies, abs=1e-3)
    assert sum(row["patients"] for row in rows) == 20000
    assert all(row["low"] < row["frequency"] < row["high"] for row in rows)
