import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torchmetrics.functional.classification import binary_auroc

from training.statistics.roc import area, auroc, roc_points


def test_auroc_is_the_share_of_pairs_in_order():
    # 3 high, 2 low: of 6 pairs 4 are in order and one is tied.
    interval = auroc([1, 1, 1, 0, 0], [0.9, 0.4, 0.2, 0.4, 0.1], seed=0)
    assert interval.value == pytest.approx((4 + 0.5) / 6)
    assert interval.low <= interval.value <= interval.high


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=2, max_size=40))
def test_auroc_is_that_of_scikit_learn_and_of_torchmetrics(rows):
    labels, scores = zip(*rows, strict=True)
    if len(set(labels)) == 2:
        probabilities = [s / 7 for s in scores]
        found = auroc(labels, probabilities, seed=0, samples=40).value
        assert found == pytest.approx(roc_auc_score(labels, probabilities))
        assert found == pytest.approx(float(binary_auroc(torch.tensor(probabilities), torch.tensor(labels))), abs=1e-6)


def test_auroc_needs_both_classes():
    assert np.isnan(auroc([1, 1], [0.2, 0.3], seed=0).value)


@pytest.mark.parametrize("seed", range(3))
def test_chance_lies_in_the_interval_of_shuffled_labels(seed):
    rng = np.random.default_rng(seed)
    labels = (rng.random(300) < 0.4).astype(int)
    probabilities = np.clip(0.3 + 0.3 * labels + 0.1 * rng.standard_normal(300), 0, 1)
    assert auroc(labels.tolist(), probabilities.tolist(), seed=1).low > 0.9
    shuffled = auroc(rng.permutation(labels).tolist(), probabilities.tolist(), seed=1)
    assert shuffled.low < 0.5 < shuffled.high


def test_equal_seeds_give_equal_intervals():
    rng = np.random.default_rng(0)
    labels, probabilities = rng.integers(0, 2, 50).tolist(), rng.random(50).tolist()
    assert auroc(labels, probabilities, seed=3) == auroc(labels, probabilities, seed=3)
    assert auroc(labels, probabilities, seed=3) != auroc(labels, probabilities, seed=4)


def test_the_curve_is_as_worked_out_by_hand():
    # At 0.8 one of two high; at 0.4 the other and one of two low; at 0.1 all.
    points = roc_points([1, 1, 0, 0], [0.8, 0.4, 0.4, 0.1])
    assert points == [[0.0, 0.0, None], [0.0, 0.5, 0.8], [0.5, 1.0, 0.4], [1.0, 1.0, 0.1]]
    assert roc_points([1, 1], [0.2, 0.3]) == []


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9)), min_size=4, max_size=60))
def test_the_area_lies_under_the_curve(rows):
    labels, scores = zip(*rows, strict=True)
    if len(set(labels)) == 2:
        x, y, _ = zip(*roc_points(labels, [s / 10 for s in scores]), strict=True)
        assert np.trapezoid(y, x) == pytest.approx(area(labels, scores), abs=1e-3)
