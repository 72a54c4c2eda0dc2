import hashlib
from dataclasses import fields

import numpy as np
import pytest

from dcis_node.mammogram.anatomy import find_breast
from dcis_node.mammogram.display import choose
from dcis_node.phantom.exam import STANDARD_VIEWS, generate_exam
from tests.phantom.conftest import SMALL


def _digest(exam):
    arrays = (a for v in exam.views for a in (v.stored, v.calcification_mask, v.lesion_mask))
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


def test_equal_seeds_give_equal_bytes_and_equal_truth(exam):
    again = generate_exam(7, vendor="hologic", grade=3, laterality="L", lut="windows", size=SMALL)
    assert _digest(again) == _digest(exam)
    assert again.truth == exam.truth


def test_another_seed_gives_another_exam(exam):
    other = generate_exam(9, vendor="hologic", grade=3, laterality="L", lut="windows", size=SMALL)
    assert _digest(other) != _digest(exam)


def test_an_exam_has_the_four_standard_views_and_its_lesion_in_both_views_of_one_breast(exam):
    assert tuple((v.laterality, v.view) for v in exam.views) == STANDARD_VIEWS
    assert [bool(v.lesion_mask.any()) for v in exam.views] == [False, True, False, True]
    assert [bool(v.calcifications) for v in exam.views] == [False, True, False, True]
    assert (exam.truth.laterality, exam.truth.grade) == ("L", 3)


def test_an_exam_without_a_lesion_has_no_truth_of_one():
    exam = generate_exam(7, lesion=False, size=(256, 200))
    assert not any(v.calcification_mask.any() for v in exam.views)
    nones = {f.name for f in fields(exam.truth) if getattr(exam.truth, f.name) is None}
    assert nones == {"laterality", "grade", "upstaged", "extent_mm", "morphology", "distribution", "lesion"}


@pytest.mark.parametrize("which", ["exam", "right_exam"])
def test_the_table_of_calcifications_points_into_the_mask(which, request):
    exam = request.getfixturevalue(which)
    for view in exam.views:
        for row in view.calcifications:
            assert row.area_px > 0
            r, c = round(row.row), round(row.column)
            assert view.calcification_mask[r - 1 : r + 2, c - 1 : c + 2].any()


@pytest.mark.parametrize("which", ["exam", "right_exam"])
def test_the_chest_wall_lies_where_the_orientation_says(which, request):
    exam = request.getfixturevalue(which)
    for view in exam.views:
        breast = find_breast(choose(view.transforms).apply(view.stored))
        assert breast.chest_wall == ("right" if view.laterality == "R" else "left")
        assert view.patient_orientation[0] == ("P" if view.laterality == "R" else "A")


def test_the_lesion_lies_on_the_breast_that_the_node_finds(exam):
    for view in exam.views:
        breast = find_breast(choose(view.transforms).apply(view.stored))
        assert not (view.calcification_mask & ~breast.mask).any()


@pytest.mark.parametrize(("storage", "turn"), [("mirrored", np.s_[:, ::-1]), ("rotated", np.s_[::-1, ::-1])])
def test_another_storage_turns_pixels_masks_table_and_orientation_alike(exam, storage, turn):
    other = generate_exam(7, vendor="hologic", grade=3, laterality="L", lut="windows", size=SMALL, storage=storage)
    for one, two in zip(exam.views, other.views, strict=True):
        assert np.array_equal(one.stored[turn], two.stored)
        assert np.array_equal(one.calcification_mask[turn], two.calcification_mask)
        assert one.patient_orientation[0] != two.patient_orientation[0]
        assert (one.patient_orientation[1] != two.patient_orientation[1]) is (storage == "rotated")
        for row in two.calcifications:
            r, c = round(row.row), round(row.column)
            assert two.calcification_mask[r - 1 : r + 2, c - 1 : c + 2].any()


def test_an_unknown_storage_is_refused():
    with pytest.raises(ValueError):
        generate_exam(1, storage="sideways", size=(256, 200))


def test_a_view_is_found_by_its_name(exam):
    assert exam.view("L", "MLO") is exam.views[3]
    with pytest.raises(KeyError):
        exam.view("L", "ML")
