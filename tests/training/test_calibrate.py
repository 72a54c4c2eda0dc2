import numpy as np
import pytest

from dcis_node.model.calibration import Calibration
from training.calibrate import calibrated_means, fit_calibration


def patients(count, seed, slope, intercept, folds=3):
    """Patients whose one true probability every fold sees squeezed: logit(seen) = (logit(true) - intercept) / slope."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1.0, 1.5, count)
    labels = (rng.random(count) < 1 / (1 + np.exp(-logits))).astype(int).tolist()
    seen = 1 / (1 + np.exp(-(logits - intercept) / slope))
    return [np.full((2, folds), p) for p in seen], labels


def test_a_squeezed_probability_is_stretched_back():
    raw, labels = patients(1500, 0, slope=3.0, intercept=-1.0)
    found = fit_calibration(raw, labels)
    assert found.slope == pytest.approx(3.0, rel=0.2)
    assert found.intercept == pytest.approx(-1.0, abs=0.3)


def test_the_mean_of_calibrated_patients_is_the_prevalence():
    raw, labels = patients(1000, 1, slope=2.0, intercept=0.5)
    means = calibrated_means(raw, fit_calibration(raw, labels))
    assert np.mean(means) == pytest.approx(np.mean(labels), abs=0.01)


def test_a_patients_figure_is_the_mean_over_calibrated_folds_and_views():
    calibration = Calibration(slope=2.0, intercept=-0.5)
    raw = np.array([[0.2, 0.4], [0.6, 0.7]])
    expected = np.mean([calibration.apply(p) for p in raw.ravel().tolist()])
    assert calibrated_means([raw], calibration) == pytest.approx([expected])


def test_labels_that_say_nothing_do_not_turn_the_order_round():
    rng = np.random.default_rng(2)
    raw = [np.full((1, 1), p) for p in rng.random(60)]
    assert fit_calibration(raw, rng.integers(0, 2, 60).tolist()).slope > 0
