import pytest

from dcis_node.errors import TrainingError
from training.cohort import CohortView, label, patient_labels


def view(grade, *, upstaged=False, patient="p", name="CC"):
    return CohortView(patient, "L", name, grade, upstaged=upstaged)


@pytest.mark.parametrize(
    ("grade", "upstaged", "by_grade", "by_upstage"),
    [(1, False, 0, 0), (2, False, 0, 0), (3, False, 1, 1), (1, True, -1, 1), (3, True, -1, 1), (0, False, -1, -1)],
)
def test_labels_follow_the_papers_two_scenarios(grade, upstaged, by_grade, by_upstage):
    assert label(view(grade, upstaged=upstaged), "grade") == by_grade
    assert label(view(grade, upstaged=upstaged), "upstage") == by_upstage


def test_an_unknown_scenario_is_refused():
    with pytest.raises(TrainingError, match="'stage'"):
        label(view(1), "stage")


def test_a_patient_has_one_label_and_unlabelled_ones_none():
    views = [view(3, patient="a"), view(3, patient="a", name="MLO"), view(1, patient="b"), view(2, upstaged=True)]
    assert patient_labels(views, "grade") == {"a": 1, "b": 0}


def test_a_patient_with_two_labels_is_refused():
    with pytest.raises(TrainingError, match="patient a has two labels"):
        patient_labels([view(3, patient="a"), view(1, patient="a")], "grade")
