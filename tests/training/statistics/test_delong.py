import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.statistics.delong import areas_and_covariance, delong_interval, delong_test
from training.statistics.roc import area, auroc

# DeLong, DeLong, Clarke-Pearson 1988: ovarian cancer with bowel obstruction, 1 = benefits from surgery. Albumin, total
# protein, Krebs-Goplerud score; the 43 complete rows as listed in SAS/STAT, example "Comparing Receiver Operating
# Characteristic Curves" of PROC LOGISTIC.
PUBLISHED = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1
3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0
2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1
3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0
3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1  2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1
3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""


@pytest.fixture
def published():
    rows = np.array(PUBLISHED.split(), float).reshape(-1, 4)
    albumin, protein, score, benefits = rows.T
    return benefits.astype(int).tolist(), {"albumin": albumin, "protein": protein, "score": 10 - score}


@pytest.mark.parametrize(
    ("test", "value", "low", "high"),
    [("albumin", 0.7366, 0.5549, 0.9182), ("protein", 0.6478, 0.4518, 0.8439), ("score", 0.7258, 0.5243, 0.9273)],
)
def test_the_published_areas_and_intervals(published, test, value, low, high):
    labels, tests = published
    found = delong_interval(labels, tests[test].tolist())
    assert (found.value, found.low, found.high) == pytest.approx((value, low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("test", "difference", "chi_square"), [("albumin", 0.0108, 0.0127), ("protein", -0.0780, 0.5554)]
)
def test_the_published_comparisons_with_the_score(published, test, difference, chi_square):
    labels, tests = published
    found = delong_test(labels, tests[test].tolist(), tests["score"].tolist())
    assert found.difference == pytest.approx(difference, abs=5e-5)
    assert found.z**2 == pytest.approx(chi_square, abs=5e-5)
    assert found.low < found.difference < found.high


def test_the_published_comparison_of_all_three(published):
    labels, tests = published
    areas, covariance = areas_and_covariance(labels, list(tests.values()))
    contrast = np.array([[1.0, 0.0, -1.0], [0.0, 1.0, -1.0]])
    difference = contrast @ areas
    chi_square = difference @ np.linalg.solve(contrast @ covariance @ contrast.T, difference)
    assert chi_square == pytest.approx(2.5340, abs=5e-5)


def _by_definition(labels, judges):
    """Every pair of a high and a low patient, one by one."""
    of_high, of_low = [], []
    for judge in judges:
        high = [p for p, y in zip(judge, labels, strict=True) if y == 1]
        low = [p for p, y in zip(judge, labels, strict=True) if y == 0]
        pairs = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in low] for a in high])
        of_high.append(pairs.mean(axis=1))
        of_low.append(pairs.mean(axis=0))
    covariance = np.cov(of_high) / len(of_high[0]) + np.cov(of_low) / len(of_low[0])
    return [values.mean() for values in of_high], covariance


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5), st.integers(0, 5)), min_size=6, max_size=30))
def test_midranks_give_what_the_definition_gives(rows):
    labels, one, two = zip(*rows, strict=True)
    if min(labels.count(0), labels.count(1)) >= 2:
        areas, covariance = areas_and_covariance(labels, [one, two])
        expected, expected_covariance = _by_definition(labels, [one, two])
        np.testing.assert_allclose(areas, expected, atol=1e-12)
        np.testing.assert_allclose(covariance, expected_covariance, atol=1e-12)
        np.testing.assert_allclose(areas, [area(labels, one), area(labels, two)], atol=1e-12)


def test_judges_of_one_order_do_not_differ():
    labels, one = [0, 0, 1, 1, 0, 1], [0.1, 0.4, 0.35, 0.8, 0.2, 0.9]
    found = delong_test(labels, one, [p**2 for p in one])
    assert (found.difference, found.z, found.p_value) == (0.0, 0.0, 1.0)


def test_a_class_of_one_has_no_variance():
    assert np.isnan(delong_interval([1, 0, 0], [0.3, 0.2, 0.1]).value)
    with pytest.raises(ValueError, match="two patients of each class"):
        delong_test([1, 0, 0], [0.3, 0.2, 0.1], [0.3, 0.2, 0.1])


def test_delong_and_bootstrap_agree_on_many_patients():
    rng = np.random.default_rng(0)
    labels = (rng.random(400) < 0.3).astype(int)
    p = (labels + rng.standard_normal(400)).tolist()
    one, two = delong_interval(labels.tolist(), p), auroc(labels.tolist(), p, seed=0)
    assert (one.low, one.high) == pytest.approx((two.low, two.high), abs=0.01)
