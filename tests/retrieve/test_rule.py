import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.config import ExamSettings
from dcis_node.mammogram.standard_views import ImagePresent, missing_views
from dcis_node.retrieve.rule import is_waited_for, longest_seconds, views_to_ask_for
from tests.retrieve.helpers import settings

EXAM = ExamSettings(settle_seconds=5.0, quiet_seconds=120.0, deadline_seconds=900.0)
SETTINGS = settings("pacs", before_deadline_seconds=300.0, wait_seconds=200.0)


def present(*names, usable=True, partial=False):
    return [ImagePresent(*name.split(" "), usable, partial) for name in names]


def asked(images, now, *, ends=False):
    return views_to_ask_for(images, EXAM, SETTINGS, now=now, opened_at=0.0, ends=ends)


@pytest.mark.parametrize(
    ("images", "missing"),
    [
        (present("R CC", "L CC", "R MLO", "L MLO"), ()),
        (present("R CC", "R MLO"), ()),
        (present("R CC", "L CC", "R MLO"), ("L MLO",)),
        (present("R CC", "L ML"), ("L CC", "R MLO", "L MLO")),
        (present("R CC"), ("R MLO",)),
        (present("R MLO") + present("R CC", usable=False), ("R CC",)),
        (present("R CC", "R MLO") + present("L CC", usable=False), ("L CC", "L MLO")),
        (present("R MLO") + present("R CC", partial=True), ("R CC",)),
        (present("R MLO") + 2 * present("R CC", partial=True), ()),
        ([ImagePresent("", "CC", usable=True)], ()),
        ([], ()),
    ],
)
def test_a_view_is_missing_if_its_breast_has_an_image(images, missing):
    assert missing_views(images) == missing


def test_views_are_asked_for_when_the_deadline_nears_and_not_before():
    assert asked(present("R CC"), 599.9) == ()
    assert asked(present("R CC"), 600.0) == ("R MLO",)


def test_views_are_asked_for_when_the_exam_would_be_decided_without_them():
    assert asked(present("R CC"), 120.0, ends=True) == ("R MLO",)


def test_a_complete_exam_is_never_asked_for():
    assert asked(present("R CC", "R MLO"), 1e9, ends=True) == ()


def test_an_exam_waits_for_an_answer_and_no_longer_than_set():
    assert is_waited_for(100.0, SETTINGS, now=299.9)
    assert not is_waited_for(100.0, SETTINGS, now=300.0)


def test_a_clock_that_was_set_back_ends_the_waiting():
    assert not is_waited_for(100.0, SETTINGS, now=99.0)


IMAGES = st.lists(
    st.builds(
        ImagePresent,
        laterality=st.sampled_from(["L", "R", ""]),
        view=st.sampled_from(["CC", "MLO", "ML", ""]),
        usable=st.booleans(),
        partial=st.booleans(),
    ),
    max_size=7,
)


@given(IMAGES, st.booleans(), st.integers(0, 2000).map(float), st.integers(0, 2000).map(float))
def test_what_is_asked_for_stays_asked_for_as_time_passes(images, ends, now, later):
    first, second = sorted((now, later))
    if asked(images, first, ends=ends):
        assert asked(images, second, ends=ends) == asked(images, first, ends=ends)


@given(IMAGES, st.integers(0, 2000).map(float))
def test_no_view_that_is_there_is_asked_for(images, now):
    names = {f"{image.laterality} {image.view}" for image in images if image.usable and not image.partial}
    assert not names & set(asked(images, now, ends=True))


@given(IMAGES)
def test_the_views_that_were_missing_complete_the_exam(images):
    missing = missing_views(images)
    assert missing_views([*images, *present(*missing)]) == ()


def test_a_question_takes_no_longer_than_its_exam_waits_and_the_association_takes_to_end():
    chosen = settings("pacs", wait_seconds=200.0, move_timeout_seconds=7.0, timeout_seconds=3.0)
    assert longest_seconds(chosen) == 200.0 + 7.0 + 4 * 3.0
