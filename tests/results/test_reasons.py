import pytest

from dcis_node.mammogram.facts import Reason
from dcis_node.results.reasons import PREDICATES, because, in_words

RAW, LARGE, SPOT = Reason.FOR_PROCESSING, Reason.MAGNIFICATION_VIEW, Reason.SPOT_COMPRESSION_VIEW


def test_every_reason_that_can_stand_in_a_report_has_its_words():
    assert set(PREDICATES) == set(Reason) - {Reason.ELIGIBLE, Reason.OWN_RESULT}
    assert all(words.isascii() for pair in PREDICATES.values() for words in pair)


@pytest.mark.parametrize(
    ("reasons", "clause"),
    [
        ([RAW], "the only image is raw (FOR PROCESSING)"),
        ([RAW] * 2, "both images are raw (FOR PROCESSING)"),
        ([RAW] * 4, "all four images are raw (FOR PROCESSING)"),
        ([RAW] * 40, "all 40 images are raw (FOR PROCESSING)"),
        ([Reason.NOT_AN_IMAGE], "the only object is no image"),
        ([SPOT, LARGE, LARGE], "two images are magnification views and one is a spot compression view"),
        (
            [RAW, SPOT, LARGE, Reason.SPECIMEN, Reason.UNDER_AGE],
            (
                "one image is raw (FOR PROCESSING), one is a magnification view, one is a spot compression view "
                "and two have other reasons"
            ),
        ),
    ],
)
def test_an_exam_without_a_used_image_says_why_the_most_frequent_reason_first(reasons, clause):
    assert because(reasons, whole=True) == clause
    assert because(reasons[::-1], whole=True) == clause


@pytest.mark.parametrize(
    ("reasons", "clause"),
    [([LARGE], "one image is a magnification view"), ([LARGE] * 2, "two images are magnification views")],
)
def test_of_a_part_of_an_exam_it_does_not_say_all(reasons, clause):
    assert because(reasons, whole=False) == clause


def test_small_numbers_are_words():
    assert [in_words(n) for n in (0, 12, 13)] == ["no", "twelve", "13"]
