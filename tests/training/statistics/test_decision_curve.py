import numpy as np
import pytest

from training.statistics.decision_curve import decision_curve, net_benefit


def test_net_benefit_is_as_worked_out_by_hand():
    # 2 true and 1 false positive of 5 at a risk of 0.2: 2/5 - 1/5 * 0.2/0.8.
    assert net_benefit([1, 1, 0, 0, 1], [True, True, True, False, False], threshold=0.2) == pytest.approx(0.35)


def test_treating_all_is_worth_nothing_at_the_prevalence_and_the_prevalence_at_no_risk():
    labels = [1] * 30 + [0] * 70
    row = {r["threshold"]: r for r in decision_curve(labels, np.linspace(0, 1, 100))}
    assert row[0.3]["all"] == pytest.approx(0.0, abs=1e-9)
    assert row[0.01]["all"] == pytest.approx(0.3 - 0.7 / 99, abs=1e-4)
    assert {r["none"] for r in row.values()} == {0.0}


def test_a_perfect_model_is_worth_the_prevalence_at_every_risk():
    labels = [1] * 30 + [0] * 70
    assert {row["model"] for row in decision_curve(labels, labels)} == {0.3}
