import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.analyse.judged import evidence_of, image_to_json, without_superseded
from dcis_node.mammogram.facts import Reason
from tests.analyse.values import judged


def reasons(images) -> list[str]:
    return [image.reason.value for image in without_superseded(images)]


def test_of_a_view_taken_twice_the_later_acquisition_counts():
    later = judged(1, acquired="20261123101500")
    earlier = judged(2, acquired="20261123101000")
    assert reasons([later, earlier]) == ["eligible", "superseded_by_later_image"]
    assert reasons([earlier, later]) == ["superseded_by_later_image", "eligible"]
    assert without_superseded([earlier, later])[0].record is None


def test_without_times_of_acquisition_the_one_received_later_counts():
    assert reasons([judged(2), judged(1)]) == ["eligible", "superseded_by_later_image"]


def test_of_one_exposure_processed_twice_the_later_processing_counts():
    first = judged(2, acquired="20261123101000", created="20261123101010")
    again = judged(1, acquired="20261123101000", created="20261123105000")
    assert reasons([first, again]) == reasons([again, first])[::-1] == ["superseded_by_later_image", "eligible"]


def test_a_later_acquisition_counts_more_than_a_later_processing():
    taken_later = judged(1, acquired="20261123104200", created="20261123104200")
    processed_later = judged(2, acquired="20261123101200", created="20261123110000")
    assert reasons([taken_later, processed_later]) == ["eligible", "superseded_by_later_image"]


@pytest.mark.parametrize("known_less", ["", "20261123000000"])
def test_what_a_header_does_not_tell_counts_as_earlier(known_less):
    timed, untimed = judged(1, acquired="20261123101200"), judged(2, acquired=known_less)
    assert reasons([timed, untimed]) == ["eligible", "superseded_by_later_image"]


def test_the_image_that_is_used_instead_is_named():
    images = [judged(1, acquired="1"), judged(2, acquired="3"), judged(3, acquired="2"), judged(4, "L CC")]
    assert [image.replaced_by for image in without_superseded(images)] == ["1.2.3.2", "", "1.2.3.2", ""]


def test_a_displaced_view_of_an_implant_and_one_that_is_not_are_no_repeats():
    images = [
        judged(1, modifiers=("implant_displaced",), acquired="1"),
        judged(2, acquired="2", reason=Reason.IMPLANT_NOT_DISPLACED, record=None),
        judged(3, modifiers=("implant_displaced",), acquired="3"),
    ]
    assert reasons(images) == ["superseded_by_later_image", "implant_not_displaced", "eligible"]


def test_a_whole_image_and_the_tiles_of_its_view_all_stay():
    images = [judged(1, acquired="2"), *(judged(n, acquired="1", partial_view=True) for n in (2, 3))]
    assert reasons(images) == ["eligible"] * 3


SOME = st.lists(
    st.tuples(st.sampled_from(["", "1", "2"]), st.sampled_from(["", "1", "2"]), st.booleans()), min_size=1, max_size=6
)


@given(SOME, st.randoms(use_true_random=False))
def test_one_image_of_a_view_counts_and_always_the_same(times, random):
    images = [
        judged(
            n,
            acquired=acquired,
            created=created,
            **({} if works else {"record": None, "reason": Reason.NO_BREAST_FOUND}),
        )
        for n, (acquired, created, works) in enumerate(times)
    ]
    used = [image for image in without_superseded(images) if image.record]
    assert len(used) == any(works for _, _, works in times)
    random.shuffle(images)
    again = [image for image in without_superseded(images) if image.record]
    assert [i.instance_id for i in again] == [i.instance_id for i in used]


def test_other_sides_views_and_modifiers_are_no_repeats():
    images = [judged(1), judged(2, "L CC"), judged(3, "R MLO"), judged(4, modifiers=("rolled_lateral",))]
    assert reasons(images) == ["eligible"] * 4


def test_a_repeat_that_was_not_analysed_does_not_cost_the_first_exposure():
    first = judged(1, acquired="1")
    broken = judged(2, acquired="2", reason=Reason.PIXELS_TRUNCATED, record=None)
    assert reasons([first, broken]) == ["eligible", "pixels_truncated"]


def test_tiles_of_a_large_breast_all_stay_and_the_highest_speaks():
    tiles = [judged(n, partial_view=True, probability=p) for n, p in ((1, None), (2, 0.7), (3, 0.3))]
    images = without_superseded([*tiles, judged(4, "R MLO", 0.1)])
    assert [image.reason for image in images] == [Reason.ELIGIBLE] * 4
    assert {(view.sop_instance_uid, view.probability) for view in evidence_of(images)} == {
        ("1.2.3.2", 0.7),
        ("1.2.3.4", 0.1),
    }


def test_only_analysed_images_speak():
    images = [judged(1), judged(2, "L CC", reason=Reason.TOMOSYNTHESIS, record=None), judged(3, "L MLO", None)]
    (first, second) = evidence_of(images)
    assert (first.laterality, first.view, first.probability, first.fold_probabilities) == ("R", "CC", 0.5, (0.5, 0.25))
    assert (second.laterality, second.probability) == ("L", None)


def test_the_index_keeps_what_each_image_gave():
    found = image_to_json(judged(1))
    assert (found["laterality"], found["view"], found["lesion"], found["probability"]) == ("R", "CC", "found", 0.5)
    assert found["eligible"]
    assert found["outlined"]
    refused = image_to_json(judged(2, "", reason=Reason.TOMOSYNTHESIS, record=None))
    assert (refused["laterality"], refused["lesion"], refused["reason"]) == (None, None, "tomosynthesis")
    assert not refused["eligible"]
    assert json.loads(json.dumps(found)) == found
