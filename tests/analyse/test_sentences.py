import pytest

from dcis_node.analyse.completeness import CompletenessName
from dcis_node.analyse.judged import image_to_json
from dcis_node.analyse.sentences import change_sentence, completeness_sentence
from dcis_node.mammogram.facts import Reason
from tests.analyse.values import judged

FIRST = [image_to_json(judged(1)), image_to_json(judged(2, "R MLO"))]


def change(after, before_probability=0.5, after_probability=0.5, **options) -> str:
    options = {"same_model": True, **options}
    return change_sentence(
        FIRST, after, probability_before=before_probability, probability_after=after_probability, **options
    )


@pytest.mark.parametrize("name", list(CompletenessName))
def test_every_rule_has_a_sentence_in_ascii(name):
    assert completeness_sentence(name.value).isascii()
    assert completeness_sentence(name.value).endswith(".")


def test_an_unknown_rule_has_none():
    assert completeness_sentence("") == ""


def test_a_late_view_is_named_with_the_figure_it_changed():
    text = change([*FIRST, image_to_json(judged(3, "L CC")), image_to_json(judged(4, "L MLO"))], 0.5, 0.75)
    assert (
        text == "Changed since then: 2 images new (L CC, L MLO); probability of the patient 50.0 % before, 75.0 % now."
    )


def test_a_view_that_is_judged_otherwise_is_named():
    superseded = image_to_json(judged(1, reason=Reason.SUPERSEDED, record=None))
    assert "1 image judged otherwise (R CC)" in change([superseded, FIRST[1]], 0.5, None)
    assert "50.0 % before, none now" in change([superseded, FIRST[1]], 0.5, None)


def test_an_image_without_side_and_view_is_named_other():
    assert "(other)" in change([*FIRST, image_to_json(judged(3, ""))])


def test_the_same_outcome_is_said_to_be_the_same():
    assert change(FIRST) == "The analysis was repeated and says the same."


def test_another_model_is_named():
    assert change(FIRST, same_model=False) == "Changed since then: another model."
