import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dcis_node.model.calibration import Calibration


def test_calibration_is_a_line_on_the_logit():
    p = Calibration(slope=2.0, intercept=1.0).apply(0.7)
    assert math.log(p / (1 - p)) == pytest.approx(2.0 * math.log(0.7 / 0.3) + 1.0)


@given(st.floats(0, 1))
def test_no_calibration_changes_nothing_but_the_very_edge(p):
    assert Calibration().apply(p) == pytest.approx(p, abs=2e-6)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.1, 20), st.floats(-10, 10))
def test_calibration_keeps_the_order(a, b, slope, intercept):
    calibration = Calibration(slope, intercept)
    low, high = sorted((a, b))
    assert 0.0 <= calibration.apply(low) <= calibration.apply(high) <= 1.0


def test_a_slope_that_turns_the_order_round_is_refused():
    with pytest.raises(ValidationError):
        Calibration(slope=0.0)
