from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.errors import TrainingError
from training.cohort import CohortView
from training.crops import CropStore, Region
from training.recipe import Recipe, Stage
from training.recipes import load_recipe
from training.samplers import make_sampler

PASS = Stage(name="segmentation", epochs=2, batch=4)
JOINT = replace(PASS, name="joint", sampler="balanced", classification_weight=1.0)


def store_of(*views: CohortView) -> CropStore:
    """A store whose pixels nobody looks at."""
    regions = tuple(Region(view, (0.0, 0.0), 0.07, 1, 1, 0, (0, 1), 0) for view in views)
    return CropStore(regions, np.zeros((1, 1), np.float32), (), ())


def lesion(number: int, grade: int, *, upstaged: bool = False, weak: bool = False) -> CohortView:
    return CohortView(f"p{number}", "L", "CC", grade, upstaged, mask="m.png", weak=weak)


def healthy(number: int) -> CohortView:
    return CohortView(f"p{number}", "R", "CC", 0, upstaged=False)


MIXED = store_of(*(lesion(i, 1 + i % 3) for i in range(11)), *(healthy(i) for i in range(5)))
HIGH = {i for i in range(11) if 1 + i % 3 == 3}


def sampler(store: CropStore = MIXED, stage: Stage = PASS, *, steps: int | None = None, seed: int = 1, **more):
    recipe: Recipe = replace(load_recipe("quick"), steps_per_epoch=steps)
    return make_sampler(store, recipe, stage, **{"patients": None, "scenario": "grade", "seed": seed, **more})


def epoch_of(drawn, epoch: int) -> list[tuple[int, ...]]:
    return [drawn.indices(epoch, step) for step in range(drawn.steps_per_epoch)]


@given(st.integers(1, 9), st.integers(0, 3), st.integers(0, 2**32))
def test_a_pass_shows_each_lesion_once_an_epoch_in_batches_of_even_size(batch, epoch, seed):
    drawn = sampler(stage=replace(PASS, batch=batch), seed=seed)
    steps = epoch_of(drawn, epoch)
    assert sorted(index for step in steps for index in step) == list(range(11))
    sizes = [len(step) for step in steps]
    assert max(sizes) <= batch
    assert max(sizes) - min(sizes) <= 1


def test_every_epoch_has_an_order_of_its_own():
    drawn = sampler()
    orders = {tuple(index for step in epoch_of(drawn, epoch) for index in step) for epoch in range(5)}
    assert len(orders) == 5


def test_a_step_is_a_pure_function_of_seed_stage_epoch_and_step():
    stage = replace(PASS, negative_share=0.4)
    before = [sampler(stage=stage).indices(1, step) for step in range(3)]
    late = sampler(stage=stage)
    assert [late.indices(1, step) for step in (2, 0, 1)] == [before[2], before[0], before[1]]
    assert sampler(stage=stage, seed=2).indices(1, 0) != before[0]
    assert sampler(stage=replace(stage, name="other")).indices(1, 0) != before[0]
    assert sampler(stage=stage).indices(0, 0) != before[0]


@given(st.integers(1, 8), st.integers(1, 7))
def test_a_recipe_that_counts_steps_shows_no_view_twice_before_all_were_seen(batch, steps):
    drawn = sampler(stage=replace(PASS, batch=batch), steps=steps)
    stream = [index for epoch in range(9) for step in epoch_of(drawn, epoch) for index in step]
    assert len(stream) == 9 * steps * batch
    for lap in range(len(stream) // 11):
        assert sorted(stream[11 * lap : 11 * lap + 11]) == list(range(11))


@given(st.integers(2, 9), st.integers(0, 2**32))
def test_balanced_steps_hold_both_classes_equally_often(batch, seed):
    drawn = sampler(stage=replace(JOINT, batch=batch), steps=10, seed=seed)
    steps = epoch_of(drawn, 0)
    assert all(abs(2 * sum(index in HIGH for index in step) - len(step)) <= 1 for step in steps)
    seen = Counter(index for step in steps for index in step)
    high, low = ({seen[i] for i in range(11) if (i in HIGH) == wanted} for wanted in (True, False))
    assert max(high) - min(high) <= 1
    assert max(low) - min(low) <= 1


def test_a_segmentation_stage_takes_unlabelled_lesions_and_a_joint_one_does_not():
    store = store_of(lesion(0, 1), lesion(1, 3), lesion(2, 2, upstaged=True), lesion(3, 0))
    assert {i for step in epoch_of(sampler(store), 0) for i in step} == {0, 1, 2, 3}
    for stage in (JOINT, replace(JOINT, sampler="pass")):
        assert {i for step in epoch_of(sampler(store, stage), 0) for i in step} == {0, 1}
        upstage = sampler(store, stage, scenario="upstage", steps=6)
        assert {i for step in epoch_of(upstage, 0) for i in step} == {0, 1, 2}


def test_coarse_marks_are_taken_only_where_the_stage_allows_it():
    store = store_of(lesion(0, 1), lesion(1, 3, weak=True))
    assert {i for step in epoch_of(sampler(store), 0) for i in step} == {0}
    assert {i for step in epoch_of(sampler(store, replace(PASS, weak_masks=True)), 0) for i in step} == {0, 1}


@pytest.mark.parametrize("steps", [200, None])
def test_negatives_come_first_and_have_their_share(steps):
    drawn = sampler(stage=replace(PASS, batch=6, negative_share=0.25), steps=steps)
    steps = [step for epoch in range(1 if steps else 60) for step in epoch_of(drawn, epoch)]
    share = sum(index >= 11 for step in steps for index in step) / sum(map(len, steps))
    assert share == pytest.approx(0.25, abs=0.03)
    assert {index for step in steps for index in step} == set(range(16))
    assert all(list(step) == sorted(step, key=lambda index: index < 11) for step in steps)
    assert max(map(len, steps)) <= 6


def test_without_negatives_in_the_store_batches_are_full_of_lesions():
    drawn = sampler(store_of(*(lesion(i, 1) for i in range(20))), replace(PASS, negative_share=0.5), steps=5)
    assert [len(step) for step in epoch_of(drawn, 0)] == [4] * 5


def test_only_the_wanted_patients_are_drawn():
    stage = replace(PASS, negative_share=0.5)
    drawn = sampler(stage=stage, patients=["p1", "p2"], steps=30)
    assert {index for step in epoch_of(drawn, 0) for index in step} == {1, 2, 12, 13}


@pytest.mark.parametrize(
    ("store", "stage", "text"),
    [
        (store_of(healthy(0)), PASS, "no region with a lesion"),
        (store_of(lesion(0, 0)), JOINT, "no region with a lesion"),
        (store_of(lesion(0, 1)), JOINT, "both classes"),
        (MIXED, replace(PASS, negative_share=1.0), "below 1"),
    ],
)
def test_a_stage_that_cannot_be_filled_is_refused(store, stage, text):
    with pytest.raises(TrainingError, match=text):
        sampler(store, stage)
