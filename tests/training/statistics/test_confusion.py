import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from training.statistics.confusion import confusion, point, rate, wilson


def table(true_positive, false_positive, true_negative, false_negative):
    labels = [1] * true_positive + [0] * false_positive + [0] * true_negative + [1] * false_negative
    high = true_positive + false_positive
    return labels, [0.9] * high + [0.1] * (len(labels) - high)


@pytest.mark.parametrize(
    ("counts", "ppv", "npv"),
    [
        # No table of whole patients adds up to the paper's 93 with either pair of figures; of its 173 test images
        # exactly one does for `grade`, and four for `upstage` (this one: 36 % positive).
        pytest.param((52, 77, 40, 4), 40.3, 90.9, id="grade"),
        pytest.param((44, 11, 99, 19), 80.0, 83.9, id="upstage"),
    ],
)
def test_the_papers_predictive_values_come_from_tables_of_its_173_test_images(counts, ppv, npv):
    labels, probabilities = table(*counts)
    found = confusion(labels, probabilities, threshold=0.5)
    assert len(labels) == 173
    assert (round(100 * found.ppv, 1), round(100 * found.npv, 1)) == (ppv, npv)


def test_counts_and_rates_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels, p = rng.integers(0, 2, 80).tolist(), rng.random(80).tolist()
    found = confusion(labels, p, threshold=0.4)
    called = [int(value >= 0.4) for value in p]
    expected = confusion_matrix(labels, called).ravel().tolist()
    assert [found.true_negative, found.false_positive, found.false_negative, found.true_positive] == expected
    assert found.ppv == pytest.approx(precision_score(labels, called))
    assert found.sensitivity == pytest.approx(recall_score(labels, called))
    assert found.specificity == pytest.approx(recall_score(labels, called, pos_label=0))
    assert found.npv == pytest.approx(precision_score(labels, called, pos_label=0))


def test_at_the_threshold_it_is_called_high():
    assert confusion([1], [0.5], threshold=0.5).true_positive == 1


def test_a_ratio_over_nothing_is_null_in_json():
    assert confusion([0, 0], [0.1, 0.2], threshold=0.5).to_json()["ppv"] is None


def test_wilsons_interval_is_as_worked_out_by_hand():
    # 8 of 10 with z = 1.96: centre (0.8 + 0.19207) / 1.38415, half (1.96 sqrt(0.016 + 0.0096)) / 1.38415.
    found = wilson(8, 10)
    assert (found.low, found.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert np.isnan(wilson(0, 0).value)


def test_a_rate_over_patients_is_wider_than_over_their_equal_views():
    # Twenty patients with four views each that are all hit or all missed: the bootstrap knows, Wilson does not.
    found = rate([4, 0] * 10, [4] * 20, seed=0)
    assert found["value"] == 0.5
    assert found["high"] - found["low"] > 1.5 * (found["wilson_high"] - found["wilson_low"])


def test_a_point_gives_counts_and_rates_with_both_intervals():
    labels, probabilities = table(52, 77, 40, 4)
    found = point(labels, probabilities, threshold=0.5, seed=0)
    assert (found["true_positive"], found["false_negative"], found["threshold"]) == (52, 4, 0.5)
    for name, value in {"ppv": 0.4031, "npv": 0.9091, "sensitivity": 0.9286, "specificity": 0.3419}.items():
        assert found[name]["value"] == pytest.approx(value, abs=1e-4)
        assert found[name]["low"] < value < found[name]["high"]
        assert found[name]["wilson_low"] == pytest.approx(found[name]["low"], abs=0.06)


def test_nobody_called_high_leaves_no_ppv():
    assert point([0, 1], [0.1, 0.2], threshold=0.5, seed=0)["ppv"]["value"] is None
