import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dcis_node.errors import ResultError
from dcis_node.results import exam_results
from dcis_node.results.exam_results import build_results
from dcis_node.results.kinds import ResultKind
from tests.results.builders import BASIC, NOTHING, answer, four_view_results, four_views, image, results_of


def test_building_twice_gives_equal_bytes():
    random.seed(1)
    first = build_results(answer(), BASIC)
    random.seed(2)
    assert [r.data for r in first] == [r.data for r in build_results(answer(), BASIC)]


def test_the_order_of_the_images_does_not_matter():
    assert [r.data for r in results_of(four_views()[::-1])] == [r.data for r in four_view_results()]


def test_the_readable_report_comes_first_then_the_measurements_then_the_segmentations():
    assert [r.modality for r in four_view_results()] == ["SR", "SR", "SEG", "SEG"]


def test_the_answer_is_not_altered():
    given_answer = answer()
    before = [str(one.attributes) for one in given_answer.images]
    build_results(given_answer, BASIC)
    assert [str(one.attributes) for one in given_answer.images] == before


def test_a_lesion_in_one_view_only_has_one_segmentation():
    images = (image("R", "CC", number=1), image("R", "MLO", number=2, box=None))
    assert [r.modality for r in results_of(images)] == ["SR", "SR", "SEG"]


def test_an_exam_without_a_lesion_is_a_result_of_one_object():
    assert [r.modality for r in results_of([image(box=None)], NOTHING)] == ["SR"]


@given(st.integers(0, 2**30), st.floats(0.001, 0.4))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_mask_builds_and_passes_its_own_check(seed, share):
    mask = np.random.default_rng(seed).random((120, 90)) < share
    mask[60, 45] = True
    assert len(build_results(answer([image(mask=mask)]), BASIC)) == 3


def test_nothing_leaves_without_its_check(monkeypatch):
    whole = exam_results.build_segmentation

    def shifted(answer, image, *args, **kwargs):
        moved = replace(image, prediction=replace(image.prediction, mask=np.roll(image.prediction.mask, 1, axis=1)))
        return whole(answer, moved, *args, **kwargs)

    monkeypatch.setattr(exam_results, "build_segmentation", shifted)
    with pytest.raises(ResultError, match="another mask"):
        build_results(answer(), BASIC)


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")  # they are; the exam has to be answered all the same
def test_an_exam_whose_uids_have_leading_zeros_gets_its_results():
    images = [
        image("R", "CC", number=1, study="1.2.03"),
        image("L", "CC", number=2, box=None, study="1.2.03"),
        image("R", "MLO", number=3, box=(60, 40, 90, 52), study="1.2.03"),
        image("L", "MLO", number=4, box=None, study="1.2.03"),
    ]
    results = build_results(answer(images), frozenset(ResultKind))
    assert {result.study_instance_uid for result in results} == {"1.2.03"}
