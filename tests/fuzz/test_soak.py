"""The soak, shortly; the whole one is `python -m benchmarks.soak`."""

import pytest

from benchmarks.soak import EVERY, EXPECTED, MIX, measure, objections, slope_mib_per_1000
from tests.fuzz.receivers import Receivers
from tests.fuzz.watch import Figures


def test_every_kind_of_association_ends_as_it_should_and_leaves_neither_thread_nor_descriptor(
    receivers: Receivers,
) -> None:
    figures = measure(receivers, 2 * EVERY, at_once=4)
    assert set(figures["outcomes"]) == EXPECTED
    assert sum(figures["outcomes"].values()) == 2 * EVERY
    # Five hundred are too few for a slope.
    assert objections(figures | {"slope_mib_per_1000": [0.0]}) == []


def test_the_mix_has_every_kind() -> None:
    assert {entry.partition(":")[0] for entry in EXPECTED} == set(MIX)


def test_a_process_that_grows_has_its_slope() -> None:
    grown = [Figures(memory_bytes=100 * 2**20 + 2048 * number) for number in range(0, 5000, 250)]
    assert slope_mib_per_1000(list(range(0, 5000, 250)), grown) == pytest.approx(1000 * 2048 / 2**20, rel=1e-3)


def test_each_figure_that_is_missed_is_an_objection() -> None:
    good = {
        "outcomes": dict.fromkeys(EXPECTED, 1),
        "slope_mib_per_1000": [0.1, 0.9],
        "threads": [(5, 5)],
        "descriptors": [(11, 12)],
        "died": 0,
        "log_faults": [],
    }
    bad = {
        "outcomes": {"store: 0xA700": 1},
        "slope_mib_per_1000": [0.1, 1.1],
        "threads": [(5, 6)],
        "descriptors": [(11, 20)],
        "died": 1,
        "log_faults": ["Traceback"],
    }
    assert objections(good) == []
    for name, value in bad.items():
        assert len(objections(good | {name: value})) == 1
