import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.analyse.completeness import CompletenessName, judge_completeness
from dcis_node.config import ExamSettings
from dcis_node.mammogram.standard_views import ImagePresent

SETTINGS = ExamSettings(settle_seconds=5.0, quiet_seconds=120.0, deadline_seconds=900.0)


def image(name: str, *, usable: bool = True, partial: bool = False) -> ImagePresent:
    laterality, _, view = name.partition(" ")
    return ImagePresent(laterality, view, usable, partial)


FOUR = [image(name) for name in ("R CC", "L CC", "R MLO", "L MLO")]
PAIR = [image("R CC"), image("R MLO")]


def judge(images, now, *, opened_at=0.0, last_image_at=0.0, open_associations=0, last_closed_at=None):
    return judge_completeness(
        images,
        SETTINGS,
        now=now,
        opened_at=opened_at,
        last_image_at=last_image_at,
        open_associations=open_associations,
        last_closed_at=last_closed_at,
    )


def test_four_standard_views_are_complete_after_the_settle_and_not_before():
    assert judge(FOUR, 4.9) == judge(FOUR, 0.0)
    assert judge(FOUR, 4.9).state == "wait"
    assert judge(FOUR, 4.9).next_look_at == 5.0
    assert judge(FOUR, 5.0).name is CompletenessName.FOUR_STANDARD_VIEWS
    assert judge(FOUR, 5.0).state == "complete"


def test_an_open_association_holds_four_views_back_but_not_beyond_the_quiet_time():
    assert judge(FOUR, 60.0, open_associations=1).state == "wait"
    assert judge(FOUR, 60.0, open_associations=1).next_look_at == 120.0
    assert judge(FOUR, 120.0, open_associations=1).name is CompletenessName.QUIET


def test_the_settle_counts_from_the_end_of_the_association():
    assert judge(FOUR, 12.0, last_closed_at=10.0).state == "wait"
    assert judge(FOUR, 15.0, last_closed_at=10.0).name is CompletenessName.FOUR_STANDARD_VIEWS


def test_an_association_that_closed_before_the_last_image_does_not_shorten_the_settle():
    assert judge(FOUR, 12.0, last_image_at=10.0, last_closed_at=3.0).state == "wait"


@pytest.mark.parametrize(
    ("images", "name"),
    [
        (PAIR, CompletenessName.ONE_SIDED_PAIR),
        ([*PAIR, image("R CC"), image("R ML")], CompletenessName.ONE_SIDED_PAIR),
        ([*PAIR, image("R XCCL", usable=False)], CompletenessName.ONE_SIDED_PAIR),
        ([*PAIR, image("")], CompletenessName.ONE_SIDED_PAIR),
        ([*PAIR, image("L CC")], None),
        ([*PAIR, image("L CC", usable=False)], None),
        (FOUR[:3], None),
        ([image("R CC"), image("R CC")], None),
        ([image("R CC"), image("R ML")], None),
        ([image("R CC"), image("R MLO", usable=False)], None),
        ([*FOUR, image("R TAN")], CompletenessName.FOUR_STANDARD_VIEWS),
        ([image("R CC", partial=True), image("R MLO")], None),
        ([image("R CC", partial=True), image("R CC", partial=True), image("R MLO")], CompletenessName.ONE_SIDED_PAIR),
        ([image("R CC", partial=True), image("R CC"), image("R MLO")], CompletenessName.ONE_SIDED_PAIR),
        ([image("R CC", partial=True), image("R MLO", partial=True)], None),
    ],
)
def test_the_set_of_views_is_counted_by_what_each_image_shows(images, name):
    assert judge(images, 5.0).name is name


def test_what_is_there_is_enough_after_the_quiet_time():
    assert judge([image("R CC")], 119.9).state == "wait"
    assert judge([image("R CC")], 120.0).name is CompletenessName.QUIET


def test_the_deadline_ends_a_stream_of_images():
    assert judge([image("R CC")], 899.0, last_image_at=890.0).next_look_at == 900.0
    assert judge([image("R CC")], 900.0, last_image_at=890.0, open_associations=2).name is CompletenessName.DEADLINE


def test_an_exam_without_images_never_becomes_complete():
    verdict = judge([], 1e12)
    assert verdict.state == "wait"
    assert math.isinf(verdict.next_look_at)


IMAGES = st.builds(
    ImagePresent,
    laterality=st.sampled_from(["L", "R", ""]),
    view=st.sampled_from(["CC", "MLO", "ML", ""]),
    usable=st.booleans(),
    partial=st.booleans(),
)
SEVERAL = st.lists(IMAGES, min_size=1, max_size=7)
SECONDS = st.integers(0, 2000).map(float)
SITUATION = st.fixed_dictionaries(
    {
        "last_image_at": st.integers(0, 1000).map(float),
        "open_associations": st.integers(0, 2),
        "last_closed_at": st.none() | st.integers(0, 1000).map(float),
    }
)


@given(SEVERAL, SITUATION, SECONDS, SECONDS)
def test_what_is_complete_stays_complete_as_time_passes(images, situation, now, later):
    first, second = sorted((now, later))
    if judge(images, first, **situation).state == "complete":
        assert judge(images, second, **situation).state == "complete"


@given(SEVERAL, SITUATION, SECONDS)
def test_the_next_look_is_the_first_moment_at_which_the_answer_changes(images, situation, now):
    verdict = judge(images, now, **situation)
    if verdict.state == "wait":
        assert verdict.next_look_at > now
        assert judge(images, verdict.next_look_at, **situation).state == "complete"
        assert judge(images, verdict.next_look_at - 0.5, **situation).state == "wait"


@given(SEVERAL, SITUATION)
def test_the_deadline_always_ends_the_waiting(images, situation):
    assert judge(images, SETTINGS.deadline_seconds, **situation).state == "complete"


@given(SEVERAL, SITUATION, SECONDS, IMAGES)
def test_one_more_image_of_a_side_already_seen_never_delays(images, situation, now, more):
    more = replace(more, laterality=images[0].laterality)
    if judge(images, now, **situation).state == "complete":
        assert judge([*images, more], now, **situation).state == "complete"


@given(SEVERAL, SITUATION, SECONDS)
def test_nothing_delays_four_standard_views(more, situation, now):
    if judge(FOUR, now, **situation).state == "complete":
        assert judge([*FOUR, *more], now, **situation).name is judge(FOUR, now, **situation).name


@given(st.permutations(FOUR), SECONDS)
def test_the_order_of_arrival_does_not_matter(images, now):
    assert judge(images, now) == judge(FOUR, now)
