import numpy as np
import pytest
from scipy import stats

from training.statistics.bootstrap import bootstrap, paired_difference, ratio
from training.statistics.roc import area


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(3.0, 1.0, 200)


def test_the_interval_is_that_of_scipy(values):
    ours = bootstrap(lambda drawn: float(values[drawn].mean()), len(values), seed=0, samples=4000)
    scipys = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=4000, rng=1).confidence_interval
    assert ours.value == values.mean()
    assert (ours.low, ours.high) == pytest.approx((scipys.low, scipys.high), abs=0.015)


def test_a_ratio_of_sums_is_the_same_as_the_function_of_the_drawn(values):
    wholes = np.random.default_rng(1).integers(1, 4, 200).astype(float)
    one = ratio(values, wholes, seed=5)
    two = bootstrap(lambda drawn: float(values[drawn].sum() / wholes[drawn].sum()), 200, seed=5)
    assert (one.value, one.low, one.high) == pytest.approx((two.value, two.low, two.high))


def test_nobody_and_nothing_below_the_line_give_no_figure():
    assert np.isnan(bootstrap(lambda _: 1.0, 0, seed=0).value)
    assert np.isnan(ratio(np.zeros(3), np.zeros(3), seed=0).value)
    assert np.isnan(bootstrap(lambda _: float("nan"), 3, seed=0).low)


def test_a_paired_difference_knows_that_both_saw_the_same_patients():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 150)
    first = labels + rng.standard_normal(150)
    second = first + 0.05 * rng.standard_normal(150)

    def of(judge):
        return lambda drawn: area(labels[drawn], judge[drawn])

    paired = paired_difference(of(first), of(second), 150, seed=0)
    alone = bootstrap(of(first), 150, seed=0)
    assert paired.value == area(labels, first) - area(labels, second)
    assert paired.low <= paired.value <= paired.high
    assert paired.high - paired.low < 0.3 * (alone.high - alone.low)
    assert 0.0 <= paired.not_above <= 1.0


def test_a_model_against_itself_differs_by_nothing(values):
    def figure(drawn):
        return float(values[drawn].mean())

    same = paired_difference(figure, figure, 200, seed=0)
    assert (same.value, same.low, same.high, same.not_above) == (0.0, 0.0, 0.0, 1.0)
