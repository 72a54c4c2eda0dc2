"""Cases hold what is worst, and nothing of a patient but the cohort's key."""

from dataclasses import replace

from training.evaluation import Evaluation, JudgedPatient, JudgedView
from training.report.cases import choose_cases, missed_lesions, worst_outlines, wrong_patients

EMPTY = Evaluation("", "", "", True, "grade", 0.4, "", "", "", "", "", (), (), {}, {})


def view(image, patient, **values):
    return JudgedView(image, patient, "L", "CC", 1, True, **{"given_probabilities": (0.5,), **values})


def evaluation(views=(), patients=()):
    return replace(EMPTY, views=tuple(views), patients=tuple(patients))


def test_wrong_patients_are_those_on_the_wrong_side_the_farthest_first():
    patients = [
        JudgedPatient("right-high", 1, 0.4, None),
        JudgedPatient("right-low", 0, 0.39, None),
        JudgedPatient("near", 1, 0.35, None),
        JudgedPatient("far", 0, 0.95, None),
        JudgedPatient("unknown", 1, None, None),
    ]
    views = [view("a", "far"), view("b", "far", given_probabilities=()), view("c", "near")]
    cases = list(wrong_patients(evaluation(views, patients)))
    assert [case.patient for case in cases] == ["far", "near"]
    # The view without a mark cannot be drawn round its lesion.
    assert cases[0].images == ("a",)
    assert cases[0].words == "far: low risk, called high at probability 0.950"
    assert cases[1].words == "near: high risk, called low at probability 0.350"


def test_missed_lesions_are_those_that_no_mark_hit_the_largest_first():
    views = [
        view("small", "p", swept=True, size_mm=4.0),
        view("large", "p", swept=True, size_mm=40.0, marks=2),
        view("unknown", "p", swept=True),
        view("second-mark", "p", swept=True, any_hit=True),
        view("not-swept", "p"),
        view("nobody-knows-where", "p", swept=True, given_probabilities=()),
    ]
    cases = list(missed_lesions(evaluation(views)))
    assert [case.images for case in cases] == [("large",), ("small",), ("unknown",)]
    assert cases[0].words == "p, L CC, lesion of 40 mm: not found, marks elsewhere: 2"


def test_outlines_come_by_their_dice_and_views_without_one_do_not_come():
    views = [view("good", "p", given_dice=0.9), view("bad", "p", given_dice=0.1), view("none", "p")]
    assert [case.images for case in worst_outlines(evaluation(views))] == [("bad",), ("good",)]


def test_the_three_kinds_take_turns_and_the_rest_fills_up():
    views = [view(str(i), "p", given_dice=i / 10) for i in range(4)] + [view("m", "q", swept=True)]
    patients = [JudgedPatient("p", 0, 0.9, None)]
    made = evaluation(views, patients)
    assert [case.kind for case in choose_cases(made, count=5)] == ["wrong", "missed", "outline", "outline", "outline"]
    assert choose_cases(made, count=0) == ()
