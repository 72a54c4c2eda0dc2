from dataclasses import replace

import numpy as np
import pytest

from dcis_node.errors import TrainingError
from dcis_node.model.device import choose_device
from dcis_node.model.predict import Ensemble
from tests.training.judged import small_cohort, untrained_bundle
from training.images import load_view
from training.judging import is_hit, judge_view, middle_of, prepare
from training.loaded import LoadedView


@pytest.fixture
def true():
    mask = np.zeros((100, 100), np.bool_)
    mask[40:60, 40:60] = True
    return mask


@pytest.mark.parametrize(
    ("place", "hit"), [((50.0, 50.0), True), ((50.0, 80.0), True), ((50.0, 81.0), False), ((0.0, 0.0), False)]
)
def test_a_mark_is_right_on_the_lesion_or_within_3_mm_of_it(true, place, hit):
    # The last column of the lesion is 59; 21 pixels of 0.14 mm are 2.94 mm.
    assert is_hit(place, true, spacing_mm=(0.14, 0.14)) is hit


def test_a_hit_is_told_as_by_every_pixel_of_the_lesion():
    rng = np.random.default_rng(0)
    lesion = rng.random((60, 80)) < 0.002
    rows, columns = np.nonzero(lesion)
    for mark in rng.random((200, 2)) * (60, 80):
        gaps = np.hypot((rows - mark[0]) * 0.5, (columns - mark[1]) * 0.3)
        assert is_hit(tuple(mark), lesion, spacing_mm=(0.5, 0.3)) is bool(gaps.min() <= 3.0)


def test_the_middle_is_that_of_the_box(true):
    assert middle_of(true) == (49.5, 49.5)
    assert middle_of(np.zeros_like(true)) is None


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return small_cohort(tmp_path_factory.mktemp("cohort"), each=1)


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    return Ensemble(untrained_bundle(tmp_path_factory.mktemp("bundle") / "b"), choose_device("cpu"))


@pytest.fixture
def row(cohort):
    return next(row for row in cohort.views if row.lesion)


def judged(ensemble, cohort, row, *, sweep=True, loaded=None):
    prepared = prepare(loaded or load_view(cohort, row), row, ensemble.bundle.preprocessing)
    return judge_view(ensemble, prepared, row, sweep=sweep)


def test_both_answers_are_those_of_the_node(ensemble, cohort, row):
    prepared = prepare(load_view(cohort, row), row, ensemble.bundle.preprocessing)
    found = judge_view(ensemble, prepared, row, sweep=True)
    given = ensemble.predict_view(
        prepared.image, prepared.breast, given=prepared.middle, spacing_mm=prepared.spacing_mm
    )
    swept = ensemble.predict_view(prepared.image, prepared.breast, spacing_mm=prepared.spacing_mm)
    assert found.given_probabilities == given.fold_probabilities
    assert found.found_probabilities == swept.fold_probabilities
    assert found.marks == len(swept.candidates) > 0
    assert found.false_marks <= found.marks
    assert 0.0 <= found.given_dice <= 1.0
    assert (found.label, found.lesion, found.swept) == (int(row.grade == 3 or row.upstaged), True, True)


def test_a_healthy_view_has_nothing_given_and_its_marks_are_false(ensemble, cohort):
    healthy = next(row for row in cohort.views if not row.lesion)
    found = judged(ensemble, cohort, healthy)
    assert (found.label, found.lesion, found.given_probabilities, found.given_dice) == (-1, False, (), None)
    assert found.false_marks == found.marks > 0
    assert not found.hit


def test_without_a_sweep_nothing_is_found(ensemble, cohort, row):
    found = judged(ensemble, cohort, row, sweep=False)
    assert (found.swept, found.marks, found.found_probabilities, found.found_dice) == (False, 0, (), None)


def test_a_view_stored_mirrored_is_judged_as_if_it_were_not(ensemble, cohort, row):
    loaded = load_view(cohort, row)
    turned = LoadedView(
        np.ascontiguousarray(loaded.stored[:, ::-1]),
        np.ascontiguousarray(loaded.labels[:, ::-1]),
        loaded.transforms,
        loaded.spacing_mm,
        mirrored=True,
    )
    straight, mirrored = judged(ensemble, cohort, row, loaded=loaded), judged(ensemble, cohort, row, loaded=turned)
    assert mirrored.given_probabilities == pytest.approx(straight.given_probabilities, abs=1e-5)
    assert mirrored.given_dice == pytest.approx(straight.given_dice, abs=1e-2)
    assert (mirrored.hit, mirrored.marks) == (straight.hit, straight.marks)


def test_a_box_gives_the_crop_but_no_overlap(ensemble, cohort, row):
    found = judged(ensemble, cohort, replace(row, weak=True))
    assert found.given_probabilities
    assert found.given_dice is None
    assert found.found_dice is None


def test_a_view_without_a_breast_is_named(ensemble, cohort, row):
    loaded = load_view(cohort, row)
    empty = replace(loaded, stored=np.zeros_like(loaded.stored))
    with pytest.raises(TrainingError, match=row.image):
        judged(ensemble, cohort, row, loaded=empty)
