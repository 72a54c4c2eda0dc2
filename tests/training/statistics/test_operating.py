import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.statistics.confusion import confusion
from training.statistics.operating import operating_point


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
