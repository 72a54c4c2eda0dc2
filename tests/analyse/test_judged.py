import json

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
