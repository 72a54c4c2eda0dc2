import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.model.decide import decide
from dcis_node.model.evidence import Risk, ViewEvidence


def view(side, name, probability, folds=()):
    return ViewEvidence(f"{side}{name}{probability}", side, name, probability, folds)


def test_mlo_and_cc_of_one_breast_are_averaged():
    (breast,) = decide([view("L", "CC", 0.2), view("L", "MLO", 0.4)], threshold=0.5).breasts
    assert breast.probability == pytest.approx(0.3)
    assert breast.views == ("CC", "MLO")
    assert breast.risk is Risk.LOW
    assert breast.flags == ()


def test_the_patient_is_the_higher_of_two_breasts_and_never_their_mean():
    decision = decide(
        [view("L", "CC", 0.2), view("L", "MLO", 0.2), view("R", "CC", 0.8), view("R", "MLO", 0.9)], threshold=0.5
    )
    assert [b.laterality for b in decision.breasts] == ["R", "L"]
    assert decision.probability == pytest.approx(0.85)
    assert decision.risk is Risk.HIGH


def test_other_views_do_not_count_beside_a_standard_one():
    (breast,) = decide([view("R", "CC", 0.2), view("R", "ML", 0.9)], threshold=0.5).breasts
    assert breast.probability == pytest.approx(0.2)
    assert breast.views == ("CC",)
    assert breast.flags == ("single_view",)


def test_other_views_count_where_the_breast_has_no_standard_one():
    (breast,) = decide([view("R", "ML", 0.2), view("R", "XCCL", 0.3)], threshold=0.5).breasts
    assert breast.probability == pytest.approx(0.25)
    assert breast.flags == ("no_standard_view",)


def test_a_view_taken_twice_counts_once():
    (breast,) = decide([view("R", "CC", 0.2), view("R", "CC", 0.4), view("R", "MLO", 0.6)], threshold=0.9).breasts
    assert breast.probability == pytest.approx(0.45)


def test_at_the_threshold_it_is_high_risk():
    assert decide([view("R", "CC", 0.5)], threshold=0.5).risk is Risk.HIGH


def test_no_view_is_not_analysed_and_no_candidate_is_no_lesion():
    assert decide([], threshold=0.5).risk is Risk.NOT_ANALYSED
    decision = decide([view("R", "CC", None), view("R", "MLO", None), view("L", "CC", None)], threshold=0.5)
    assert decision.risk is Risk.NO_LESION
    assert decision.probability is None
    assert [b.risk for b in decision.breasts] == [Risk.NO_LESION] * 2


def test_a_breast_without_a_lesion_does_not_lower_the_patient():
    decision = decide([view("R", "CC", None), view("L", "CC", 0.4), view("L", "MLO", 0.4)], threshold=0.5)
    assert decision.probability == pytest.approx(0.4)
    assert decision.risk is Risk.LOW


def test_a_lesion_in_one_view_only_is_flagged_and_its_figure_stands():
    (breast,) = decide([view("L", "CC", 0.7), view("L", "MLO", None)], threshold=0.5).breasts
    assert breast.probability == pytest.approx(0.7)
    assert breast.flags == ("views_disagree",)


@pytest.mark.parametrize(("cc", "mlo", "flagged"), [(0.45, 0.65, True), (0.45, 0.55, False), (0.6, 0.95, False)])
def test_views_disagree_if_they_are_far_apart_across_the_threshold(cc, mlo, flagged):
    (breast,) = decide([view("L", "CC", cc), view("L", "MLO", mlo)], threshold=0.5).breasts
    assert ("views_disagree" in breast.flags) is flagged


@pytest.mark.parametrize(("dissenting", "flagged"), [(0, False), (1, False), (2, True)])
def test_folds_disagree_if_more_than_one_in_five_says_otherwise(dissenting, flagged):
    folds = (0.9,) * (5 - dissenting) + (0.1,) * dissenting
    (breast,) = decide([view("L", "CC", 0.8, folds), view("L", "MLO", 0.8)], threshold=0.5).breasts
    assert ("folds_disagree" in breast.flags) is flagged


probabilities = st.none() | st.floats(0, 1)
evidence = st.lists(
    st.builds(view, st.sampled_from("LR"), st.sampled_from(["CC", "MLO", "ML", "XCCL"]), probabilities), max_size=8
)


@given(evidence, st.floats(0.05, 0.95))
def test_a_decision_lies_within_its_views_and_does_not_depend_on_their_order(views, threshold):
    decision = decide(views, threshold=threshold)
    backwards = decide(views[::-1], threshold=threshold)
    assert backwards.risk is decision.risk
    assert [b.views for b in backwards.breasts] == [b.views for b in decision.breasts]
    for breast in decision.breasts:
        mine = [v.probability for v in views if v.laterality == breast.laterality and v.probability is not None]
        if breast.probability is not None:
            assert min(mine) - 1e-9 <= breast.probability <= max(mine) + 1e-9
    if decision.probability is not None:
        assert decision.probability == max(b.probability for b in decision.breasts if b.probability is not None)
        assert (decision.risk is Risk.HIGH) == (decision.probability >= threshold)
