import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.analyse.completeness import CompletenessName
from dcis_node.analyse.judged import image_to_json, without_superseded
from dcis_node.analyse.sentences import completeness_sentence, moments, superseded_sentence
from tests.analyse.values import judged


@pytest.mark.parametrize("name", list(CompletenessName))
def test_every_rule_has_a_sentence_in_ascii(name):
    assert completeness_sentence(name.value).isascii()
    assert completeness_sentence(name.value).endswith(".")


def test_an_unknown_rule_has_none():
    assert completeness_sentence("") == ""


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("20261123104200", "20261123101200", ("at 10:42", "at 10:12")),
        ("20261123104230", "20261123104205", ("at 10:42:30", "at 10:42:05")),
        ("20261123104200", "20261122104200", ("on 2026-11-23 at 10:42", "on 2026-11-22 at 10:42")),
        ("20261123104200", "20261123000000", ("at 10:42", "on 2026-11-23")),
        ("20261123104200", "", ("at 10:42", "")),
        ("", "", ("", "")),
    ],
)
def test_two_moments_are_said_so_that_they_differ(first, second, words):
    assert moments(first, second) == words


CLOCK = st.datetimes().map(lambda moment: moment.strftime("%Y%m%d%H%M%S").rjust(14, "0"))


@given(CLOCK, CLOCK)
def test_different_moments_never_read_alike(first, second):
    said = moments(first, second)
    assert (said[0] == said[1]) == (first == second)


PROCESSED_AGAIN = (
    "The same exposure of R CC was processed again; the image made at 10:50 is used instead of this one, made at 10:12."
)


@pytest.mark.parametrize(
    ("left", "used", "sentence"),
    [
        (
            {"acquired": "20261123101200"},
            {"acquired": "20261123104200"},
            "The R CC taken at 10:42 is used instead of this one, taken at 10:12.",
        ),
        (
            {"acquired": ""},
            {"acquired": "20261123104200"},
            "The R CC taken at 10:42 is used instead of this one, whose header does not say when it was taken.",
        ),
        (
            {"acquired": "20261123101200", "created": "20261123101205"},
            {"acquired": "20261123101200", "created": "20261123105000"},
            PROCESSED_AGAIN,
        ),
        ({}, {}, "Another R CC of the same time, received later, is used instead."),
    ],
)
def test_of_a_repeat_it_is_said_which_image_is_used_and_of_which_time(left, used, sentence):
    first, second = without_superseded([judged(1, **left), judged(2, **used)])
    assert superseded_sentence(image_to_json(first), image_to_json(second)) == sentence
