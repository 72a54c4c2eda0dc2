import pytest

from training.statistics.spread import spread


def test_spread_is_as_worked_out_by_hand():
    assert spread([0.7, 0.8, 0.9, float("nan")]) == {"mean": 0.8, "sd": 0.1, "lowest": 0.7, "highest": 0.9}


@pytest.mark.parametrize(("values", "expected"), [([], None), ([float("nan")], None)])
def test_without_a_value_there_is_no_spread(values, expected):
    assert spread(values) is expected


def test_one_fold_has_no_deviation():
    assert spread([0.7])["sd"] is None
