import pytest

from training.evaluation import JudgedView
from training.patients import judge_patients


def seen(patient="a", side="L", view="CC", label=1, given=(0.2, 0.4), found=(), **changes):
    swept = changes.pop("swept", True)
    return JudgedView(
        image=f"{patient}{side}{view}{changes.pop('again', '')}",
        patient=patient,
        laterality=side,
        view=view,
        label=label,
        lesion=label >= 0,
        given_probabilities=given,
        found_probabilities=found,
        swept=swept,
        **changes,
    )


def test_mlo_and_cc_are_averaged_within_the_breast_and_folds_too():
    (patient,) = judge_patients([seen(view="CC", given=(0.2, 0.4)), seen(view="MLO", given=(0.6, 0.8))])
    assert patient.given == pytest.approx(0.5)
    assert patient.given_by_fold == pytest.approx((0.4, 0.6))


def test_other_views_count_only_without_cc_and_mlo():
    views = [seen(view="CC", given=(0.2,)), seen(view="ML", given=(0.9,))]
    assert judge_patients(views)[0].given == pytest.approx(0.2)
    assert judge_patients(views[1:])[0].given == pytest.approx(0.9)


def test_the_healthy_breast_never_comes_in():
    views = [seen(found=(0.3,)), seen(side="R", label=-1, given=(), found=(0.9,))]
    assert judge_patients(views)[0].found == pytest.approx(0.3)


def test_of_two_breasts_with_a_lesion_the_higher_counts():
    assert judge_patients([seen(given=(0.2,)), seen(side="R", given=(0.7,))])[0].given == pytest.approx(0.7)


def test_a_view_of_the_breast_in_which_nothing_was_annotated_is_seen_by_the_node():
    views = [seen(view="CC", found=(0.2,)), seen(view="MLO", label=-1, given=(), found=(0.6,))]
    assert judge_patients(views)[0].found == pytest.approx(0.4)


def test_nothing_found_is_no_figure():
    (patient,) = judge_patients([seen(found=())])
    assert (patient.found, patient.found_by_fold) == (None, ())


def test_a_view_taken_twice_counts_once():
    views = [seen(given=(0.2,)), seen(given=(0.4,), again="2"), seen(view="MLO", given=(0.9,))]
    assert judge_patients(views)[0].given == pytest.approx((0.3 + 0.9) / 2)


def test_patients_outside_the_scenario_are_not_listed_and_the_rest_in_order():
    views = [seen("b"), seen("a", label=0), seen("c", label=-1)]
    assert [(p.patient, p.label) for p in judge_patients(views)] == [("a", 0), ("b", 1)]
