from copy import deepcopy
from datetime import UTC, datetime

import pytest

from training.promotion.comparison import Origin, compare
from training.promotion.gates import gates_text, parse_gates
from training.promotion.verdict import verdicts

ORIGIN = Origin("9" * 64, datetime(2026, 11, 23, tzinfo=UTC))
GATES = parse_gates(gates_text("default"))
ABSOLUTE = GATES.model_copy(update={"absolute": GATES.absolute.model_copy(update={"allowed": True})})


@pytest.fixture(scope="module")
def passing(good, middling):
    return compare(good, middling, ORIGIN)


def failed(comparison, gates=GATES, *, smoke_deviation=0.0):
    return [v.gate for v in verdicts(comparison, gates, smoke_deviation=smoke_deviation) if not v.passed]


def changed(comparison, *path, to):
    copy = deepcopy(comparison)
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return copy


def test_a_better_bundle_passes_every_gate(passing):
    found = verdicts(passing, GATES, smoke_deviation=0.0)
    assert failed(passing) == []
    assert len(found) == 10
    assert all(verdict.value and verdict.bound for verdict in found)


@pytest.mark.parametrize(
    ("path", "just", "over", "gate"),
    [
        (("given", "auc", "difference", "low"), -0.0499, -0.05, "AUC, lesion given: lower bound of the difference"),
        (("found", "auc", "difference", "low"), -0.0499, -0.05, "AUC, lesion found: lower bound of the difference"),
        (("given", "npv", "candidate"), 0.80, 0.7999, "NPV at the threshold"),
        (("given", "npv", "candidate"), 0.80, None, "NPV at the threshold"),
        (("given", "ece", "candidate"), 0.10, 0.1001, "calibration error (ECE)"),
        (("localisation", "hit_rate_first", "difference"), -0.05, -0.0501, "first mark right: difference"),
        (("localisation", "false_marks_per_view", "candidate"), 0.5, 0.51, "false marks per view"),
        (("candidate", "leak_check"), "passed", "not possible: no record", "leak check"),
    ],
)
def test_each_gate_alone_decides_at_its_bound(passing, path, just, over, gate):
    assert failed(changed(passing, *path, to=just)) == []
    assert failed(changed(passing, *path, to=over)) == [gate]


def test_what_was_not_swept_does_not_pass(passing):
    unswept = changed(changed(passing, "found", to=None), "localisation", to=None)
    assert failed(unswept) == [
        "AUC, lesion found: lower bound of the difference",
        "first mark right: difference",
        "false marks per view",
    ]


def test_a_smoke_exam_beyond_its_tolerance_does_not_pass(passing):
    assert failed(passing, smoke_deviation=0.01) == []
    assert failed(passing, smoke_deviation=0.0101) == failed(passing, smoke_deviation=float("inf"))
    assert failed(passing, smoke_deviation=float("inf")) == ["smoke exam, largest deviation"]


def test_one_subgroup_that_collapses_is_enough_if_it_is_large(passing):
    group = {"by": "density", "group": "d", "high_risk": 5, "candidate": 0.6, "champion": 0.71, "difference": -0.11}
    large = changed(passing, "subgroups", to=[*passing["subgroups"], {**group, "patients": 20}])
    small = changed(passing, "subgroups", to=[*passing["subgroups"], {**group, "patients": 19}])
    assert failed(large) == ["AUC of subgroups of 20 patients or more: difference"]
    assert failed(small) == []
    (verdict,) = (v for v in verdicts(large, GATES, smoke_deviation=0.0) if "subgroups" in v.gate)
    assert verdict.value.startswith("-0.11 (density d, 20 patients, worst of ")
    assert failed(changed(passing, "subgroups", to=[])) == []


def test_a_bundle_of_phantoms_never_replaces_one_of_patients(passing):
    assert failed(changed(passing, "champion", "synthetic", to=False)) == ["trained on"]
    both = changed(changed(passing, "champion", "synthetic", to=False), "candidate", "synthetic", to=False)
    assert failed(both) == []


def test_a_first_promotion_is_held_to_absolute_bounds_where_they_are_allowed(good, bad):
    alone = compare(good, None, ORIGIN)
    assert failed(alone, ABSOLUTE) == []
    assert failed(alone, GATES) == ["promotion without a champion"]
    assert "AUC, lesion given: lower bound" in failed(changed(alone, "given", "auc", "low", to=0.59), ABSOLUTE)
    assert "first mark right" in failed(compare(bad, None, ORIGIN), ABSOLUTE)
    assert "AUC, lesion found: lower bound" in failed(changed(alone, "found", to=None), ABSOLUTE)
