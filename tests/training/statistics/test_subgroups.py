import pytest

from training.statistics.subgroups import UNKNOWN, has_both, size_group, too_few


@pytest.mark.parametrize(
    ("size", "group"),
    [(None, UNKNOWN), (0.0, "< 15 mm"), (14.9, "< 15 mm"), (15.0, "15-30 mm"), (30.0, "15-30 mm"), (30.1, "> 30 mm")],
)
def test_size_groups(size, group):
    assert size_group(size) == group


def test_small_groups_are_withheld():
    assert too_few(9)
    assert not too_few(10)


def test_an_area_needs_some_of_both_classes():
    assert has_both([1] * 5 + [0] * 5)
    assert not has_both([1] * 4 + [0] * 50)
