"""The sentence on what was asked for elsewhere."""

from datetime import UTC, datetime, timedelta

import pytest

from dcis_node.results.answer import AskedFor
from dcis_node.results.wording import asked_sentence
from tests.results.builders import HIGH, MADE_AT, answer, four_views, image, results_of
from tests.results.reading import readable, whole_text

AT = MADE_AT.replace(hour=9, minute=20)


def sentence(*, zone=None, **values):
    one = image(TimezoneOffsetFromUTC=zone) if zone else four_views()[0]
    asked = AskedFor(**{"source": "pacs", "missing": ("L MLO",), "asked_at": AT, **values})
    return asked_sentence(asked, answer(four_views(), HIGH), one)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"found": 1, "came": 1}, "L MLO was missing: pacs was asked for it at 09:20; 1 image was found, 1 came."),
        ({"found": 3, "came": 2}, "L MLO was missing: pacs was asked for it at 09:20; 3 images were found, 2 came."),
        (
            {"found": 2, "came": 0, "answered": False},
            "L MLO was missing: pacs was asked for it at 09:20; 2 images were found, none came.",
        ),
        ({}, "L MLO was missing: pacs was asked for it at 09:20; none was found."),
        (
            {"answered": False},
            "L MLO was missing: pacs was asked for it at 09:20; it gave no answer that could be used.",
        ),
        ({"reached": False, "answered": False}, "L MLO was missing: pacs could not be asked for it in time."),
        (
            {"missing": ("R CC", "R MLO", "L MLO")},
            "R CC, R MLO and L MLO were missing: pacs was asked for them at 09:20; none was found.",
        ),
        (
            {"asked_at": AT - timedelta(days=2)},
            "L MLO was missing: pacs was asked for it on 2026-11-21 at 09:20; none was found.",
        ),
    ],
)
def test_it_says_what_was_missing_when_it_was_asked_for_and_what_came(values, said):
    assert sentence(**values) == said


def test_its_time_is_in_the_zone_of_the_images():
    assert "at 11:20" in sentence(zone="+0200")


def test_it_stands_in_the_report_behind_the_completeness():
    asked = AskedFor("pacs", ("L MLO",), datetime(2026, 11, 23, 9, 20, tzinfo=UTC))
    text = whole_text(readable(results_of(completeness="No further image came.", asked_for=(asked,))))
    behind = text.partition("No further image came.")[2]
    assert "L MLO was missing: pacs was asked for it at 09:20; none was found." in behind
