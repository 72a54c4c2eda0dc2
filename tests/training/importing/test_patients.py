import pytest

from training.importing.clinical import ClinicalRow
from training.importing.patients import affected_sides, reason_to_leave_out


def row(**values) -> ClinicalRow:
    return ClinicalRow(**{"row": 2, "patient_id": "A", "grade_surgery": 2, "invasive": False, **values})


def test_nothing_said_leaves_nobody_out():
    assert reason_to_leave_out([row()]) == ""


def test_the_first_reason_in_the_papers_order_counts():
    assert reason_to_leave_out([row(mass_or_distortion=True, lcis=True)]) == "lcis"


def test_what_one_sides_row_says_of_the_patient_counts_for_her():
    assert reason_to_leave_out([row(laterality="R"), row(laterality="L", invasive_at_biopsy=True)]) == (
        "invasive_at_biopsy"
    )


def test_eighteen_is_adult():
    assert reason_to_leave_out([row(age=18)]) == ""
    assert reason_to_leave_out([row(age=17)]) == "under_age"


def test_a_missing_label_on_one_side_leaves_that_side_out_only():
    rows = [row(laterality="R"), row(laterality="L", grade_surgery=None)]

    sides = affected_sides(rows, frozenset("RL"))

    assert reason_to_leave_out(rows) == ""
    assert (set(sides.affected), sides.left_out) == ({"R"}, {"L": "no_label"})


@pytest.mark.parametrize(
    ("left", "right", "affected"),
    [
        ((1, False), (2, False), {"L", "R"}),  # low risk in both scenarios
        ((3, False), (3, True), {"L", "R"}),  # `grade` leaves the upstaged one out, `upstage` calls both high
        ((1, False), (3, False), {"R"}),
        ((1, True), (2, False), {"L"}),  # invasive counts for more than the grade
        ((1, True), (3, False), {"L", "R"}),
    ],
)
def test_two_affected_breasts_stay_only_if_no_scenario_gives_them_two_labels(left, right, affected):
    rows = [
        row(laterality=side, grade_surgery=grade, invasive=invasive)
        for side, (grade, invasive) in (("L", left), ("R", right))
    ]

    sides = affected_sides(rows, frozenset("RL"))

    assert set(sides.affected) == affected
    assert set(sides.left_out) == {"L", "R"} - affected
