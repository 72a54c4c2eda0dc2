"""The objects of an exam hold each other to one place for a lesion."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dcis_node.errors import ResultError
from dcis_node.results.check.agreement import Drawn, check_agreement, drawn_in, pieces_of, segment_of
from dcis_node.results.kinds import EVERY_KIND, ResultKind
from dcis_node.results.lesion import lesion_of
from tests.results.builders import MODEL, STUDY, answer, four_view_results, image, mask_of
from tests.results.check.altering import the_exam
from tests.results.reading import read

FIRST, SECOND = f"{STUDY}.1", f"{STUDY}.3"
OUTLINING = {
    ResultKind.MEASUREMENT_REPORT,
    ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE,
    ResultKind.VIEW_MEASUREMENT_REPORT,
    ResultKind.CAD_REPORT,
    ResultKind.PRESENTATION_STATE,
}


def outlines(kinds=OUTLINING):
    return [d for r in four_view_results(EVERY_KIND) if r.kind in kinds for d in drawn_in(read(r))]


def segments():
    return [segment_of(read(r)) for r in four_view_results(EVERY_KIND) if r.kind is ResultKind.SEGMENTATION]


def test_every_kind_that_outlines_draws_both_views_and_all_agree():
    for kind in OUTLINING:
        assert {drawn.image_uid for drawn in outlines({kind})} == {FIRST, SECOND}, kind
    assert len({drawn.tracking_uid for drawn in outlines()}) == 2
    check_agreement(outlines(), segments(), the_exam())


@pytest.mark.parametrize("place", range(10))
def test_one_object_that_draws_elsewhere_is_caught(place):
    drawn = outlines()
    # One pixel aside is on the mask still, for all corners but one.
    drawn[place] = replace(drawn[place], points=drawn[place].points + np.array([1.0, 0.0]))
    with pytest.raises(ResultError, match="another place"):
        check_agreement(drawn, segments(), the_exam())


def test_one_uid_on_two_images_is_caught():
    first, *_ = outlines()
    with pytest.raises(ResultError, match="another place"):
        check_agreement([first, replace(first, image_uid=SECOND)], [], the_exam())


def test_an_outline_of_half_a_piece_is_caught():
    half = np.array([(20, 30), (45, 30), (45, 40), (20, 40), (20, 30)], dtype=float)
    with pytest.raises(ResultError, match="holds no piece"):
        check_agreement([Drawn(FIRST, "2.25.5", half)], [], the_exam())


def test_a_segment_that_no_object_draws_is_caught():
    with pytest.raises(ResultError, match="drawn nowhere"):
        check_agreement(outlines(), [(FIRST, "2.25.404")], the_exam())


def test_a_segment_that_bears_the_identifier_of_another_view_or_piece_is_caught():
    (_, of_second) = next(segment for segment in segments() if segment[0] == SECOND)
    with pytest.raises(ResultError, match="of another piece"):
        check_agreement(outlines(), [(FIRST, of_second)], the_exam())
    view = image(mask=mask_of((10, 10, 30, 30), (60, 50, 75, 65)))
    drawn = drawn_of(view)
    check_agreement(drawn, [(FIRST, drawn[0].tracking_uid)], answer([view]))
    with pytest.raises(ResultError, match="of another piece"):
        check_agreement(drawn, [(FIRST, drawn[1].tracking_uid)], answer([view]))


def test_segmentations_without_any_outline_beside_them_pass():
    check_agreement([], segments(), the_exam())


def drawn_of(view):
    lesion = lesion_of(view, MODEL, label="R CC")
    uid = view.header.sop_instance_uid
    return [Drawn(uid, o.tracking_uid, o.points.astype(float)) for o in lesion.outlines]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), grain=st.sampled_from([0.0, 0.7, 2.0, 6.0]), share=st.floats(0.2, 0.7))
def test_however_ragged_a_mask_its_outlines_are_found_again_in_it(seed, grain, share):
    """The thinner an outline the farther its edges move; none may be taken for an error."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(240, 240)), grain)
    view = image(mask=noise > np.quantile(noise, share), rows=240, columns=240)
    drawn = drawn_of(view)
    check_agreement(drawn, [(FIRST, drawn[0].tracking_uid)], answer([view]))


def test_the_pieces_of_a_mask_are_told_by_their_boxes_the_largest_first():
    view = image(mask=mask_of((5, 5, 8, 8), (40, 50, 60, 80), (60, 80, 61, 81)))
    assert [box.tolist() for box in pieces_of(view)] == [[50, 40, 81, 61], [5, 5, 8, 8]]
    assert pieces_of(replace(view, prediction=None)) == []
