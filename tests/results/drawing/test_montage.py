"""Which view hangs where: standard views in their four places, others below, each on its breast's side."""

import pytest

from dcis_node.mammogram.facts import Reason
from dcis_node.results.drawing.montage import Box, further_places, hang_places, hung_images, standard_places
from tests.results.builders import answer, four_views, image, refused

AREA = Box(0, 80, 940, 1160)


def labels(places):
    return [place.label for place in places]


def seats(images):
    found, without = hang_places(answer(images), AREA)
    return {place.label: box for place, box in found}, labels(without)


def test_the_four_views_hang_right_beside_left_and_cc_above_mlo_whatever_came_first():
    boxes, without = seats(reversed(four_views()))
    assert without == []
    assert list(boxes) == ["R CC", "L CC", "R MLO", "L MLO"]
    assert boxes["R CC"].left < boxes["L CC"].left
    assert boxes["R CC"].top == boxes["L CC"].top < boxes["R MLO"].top


def test_a_view_that_the_exam_lacks_keeps_its_place_empty():
    places = standard_places(answer([image("R", "CC")]))
    assert labels(places) == ["R CC", "L CC", "R MLO", "L MLO"]
    assert [place.image is None for place in places] == [False, True, True, True]


def test_an_analysed_view_takes_the_place_before_one_that_was_left_out():
    left_out = refused("R", "CC", number=1)
    analysed = image("R", "CC", number=2)
    assert standard_places(answer([left_out, analysed]))[0].image is analysed
    assert further_places(answer([left_out, analysed])) == []


def test_a_view_left_out_has_a_place_where_no_other_of_its_name_hangs():
    of_that_name = refused("L", "CC", number=8)
    of_no_other = [refused("L", "ML", number=n) for n in (9, 10)]
    assert labels(further_places(answer([*four_views(), of_that_name, *of_no_other]))) == ["L ML"]


def test_what_is_no_image_or_has_no_name_has_no_place():
    nameless = refused(None, None, number=8, reason=Reason.VIEW_UNKNOWN)
    document = refused("R", "ML", number=9, reason=Reason.NOT_AN_IMAGE)
    assert len(hung_images(answer([*four_views(), nameless, document]))) == 4


def test_further_views_hang_below_on_their_side_from_the_middle_outwards():
    further = [image("R", "ML", number=5), image("R", "XCCL", number=6), image("L", "XCCL", number=7)]
    boxes, without = seats([*four_views(), *further])
    assert without == []
    assert boxes["R XCCL"].left < boxes["R ML"].left < boxes["L XCCL"].left
    assert boxes["R ML"].top >= boxes["R MLO"].top + boxes["R MLO"].height
    # Chest walls meet where those of the standard views meet.
    assert boxes["L XCCL"].left == boxes["L CC"].left


def test_a_second_exposure_hangs_below_the_first():
    boxes, _ = seats([*four_views(), image("R", "CC", number=5)])
    assert boxes["R CC 2"].top > boxes["R MLO"].top


def test_views_without_room_are_named():
    further = [image("R", "ML", number=n) for n in range(5, 11)]
    boxes, without = seats([*four_views(), *further])
    assert len(boxes) == 8
    assert without == ["R ML 5", "R ML 6"]


@pytest.mark.parametrize("count", range(12))
def test_places_never_overlap_and_stay_in_their_area(count):
    sides = [("R", "ML"), ("L", "ML"), ("L", "XCCL")]
    further = [image(*sides[n % 3], number=5 + n) for n in range(count)]
    boxes = list(seats([*four_views(), *further])[0].values())
    for number, box in enumerate(boxes):
        assert AREA.left <= box.left
        assert box.left + box.width <= AREA.left + AREA.width
        assert AREA.top <= box.top
        assert box.top + box.height <= AREA.top + AREA.height
        for other in boxes[:number]:
            apart = box.left >= other.left + other.width or other.left >= box.left + box.width
            assert apart or box.top >= other.top + other.height or other.top >= box.top + box.height
