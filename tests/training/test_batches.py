import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.conftest import TRANSFORMS, crude_region
from training.augment import NONE, Augmentation
from training.batches import CropLoader
from training.cohort import CohortView, label
from training.crops import CropStore, CropWriter, open_store
from training.plain import plain_crop
from training.recipe import Recipe, Stage
from training.recipes import load_recipe

SEGMENTATION = Stage(name="segmentation", epochs=2, batch=6, negative_share=0.3)
JOINT = replace(SEGMENTATION, name="joint", sampler="balanced", classification_weight=1.0, segmented_share=0.5)
SPACINGS = (0.07, 0.05, 0.0940909)


@pytest.fixture
def mixed(tmp_path) -> CropStore:
    """Regions of three detectors, so that the slices of one batch differ in size."""
    rng = np.random.default_rng(0)
    with CropWriter(tmp_path / "mixed") as writer:
        for number in range(9):
            row = CohortView(f"p{number}", "L", "CC", (1, 3, 0)[number // 3], upstaged=False, vendor=str(number % 3))
            stored, labels = crude_region(rng, row.grade)
            place = {"whole": (400, 300), "origin": (101 + number, 57)}
            spacing = SPACINGS[number % 3]
            writer.add(row, stored, labels, transforms=TRANSFORMS, spacing_mm=spacing, **place)
    return open_store(tmp_path / "mixed")


def recipe_with(augmentation: Augmentation) -> Recipe:
    recipe = load_recipe("quick")
    preprocessing = replace(recipe.preprocessing, input_spacing_mm=0.14, crop_px=32, tile_px=32, overlap_px=8)
    return replace(recipe, preprocessing=preprocessing, augmentation=augmentation, train_crop_px=32, steps_per_epoch=4)


VARIED = recipe_with(Augmentation(shift_mm=0.4))


def loader(store: CropStore, stage: Stage = SEGMENTATION, *, recipe: Recipe = VARIED, seed: int = 1) -> CropLoader:
    cpu = torch.device("cpu")
    return CropLoader(store, recipe, stage, patients=None, scenario="grade", seed=seed, device=cpu)


def test_without_augmentation_a_batch_is_what_validation_sees(mixed):
    recipe = recipe_with(NONE)
    crops = loader(mixed, recipe=recipe)
    for step in range(4):
        plan = crops.plan_step(0, step)
        batch = crops.load(plan, slice(None))
        for place, index in enumerate(plan.indices):
            image, labels = plain_crop(mixed, index, recipe=recipe)
            np.testing.assert_allclose(batch.images[place, 0].numpy(), image, rtol=0, atol=1e-6)
            np.testing.assert_array_equal(batch.pixel_labels[place].numpy(), labels)


def test_a_batch_is_what_the_engine_expects(mixed):
    batch = loader(mixed, JOINT).load(loader(mixed, JOINT).plan_step(0, 0), slice(0, 6))
    assert batch.images.shape == (6, 1, 32, 32)
    assert batch.images.dtype == torch.float32
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert (batch.images.min() >= 0, batch.images.max() <= 1) == (True, True)
    assert batch.pixel_labels.shape == (3, 32, 32)
    assert (batch.pixel_labels.dtype, batch.labels.dtype) == (torch.int64, torch.int64)


def test_labels_are_those_of_the_planned_regions(mixed):
    crops = loader(mixed, JOINT)
    plan = crops.plan_step(1, 2)
    expected = [label(mixed.regions[index].view, "grade") for index in plan.indices]
    assert crops.load(plan, slice(None)).labels.tolist() == list(plan.labels) == expected


def test_a_crop_is_the_same_in_whatever_part_it_stands(mixed):
    crops = loader(mixed, JOINT)
    plan = crops.plan_step(0, 1)
    whole = crops.load(plan, slice(None))
    parts = [crops.load(plan, slice(start, start + 2)) for start in (0, 2, 4)]
    torch.testing.assert_close(torch.cat([part.images for part in parts]), whole.images, rtol=0, atol=0)
    assert [len(part.pixel_labels) for part in parts] == [2, 1, 0]
    assert torch.cat([part.pixel_labels for part in parts]).equal(whole.pixel_labels)
    assert torch.cat([part.labels for part in parts]).equal(whole.labels)


def test_image_and_labels_move_together(mixed):
    """Wherever a crop lies and however it is turned, calcifications are where it is bright."""
    crops = loader(mixed, recipe=recipe_with(Augmentation(shift_mm=0.9, noise=0.01)))
    batches = [crops.load(crops.plan_step(0, step), slice(None)) for step in range(4)]
    seen = 0
    for image, labels in ((i, m) for batch in batches for i, m in zip(batch.images, batch.pixel_labels, strict=True)):
        if (labels == 2).any():
            assert image[0][labels == 2].mean() > image[0][labels == 0].mean() + 0.25
            seen += 1
    assert seen > 8


def test_plans_depend_on_nothing_but_their_arguments(mixed):
    first, second = loader(mixed), loader(mixed)
    plans = [first.plan_step(0, step) for step in range(4)]
    assert [second.plan_step(0, step) for step in (3, 1)] == [plans[3], plans[1]]
    assert loader(mixed, seed=2).plan_step(0, 0) != plans[0]
    assert first.plan_step(1, 0) != plans[0]
    assert len({crop.noise_seed for plan in plans for crop in plan.drawn}) == sum(len(plan.drawn) for plan in plans)


def test_iterating_gives_the_planned_steps_and_can_begin_anywhere(mixed):
    crops = loader(mixed)
    parts = [slice(0, 4), slice(4, 8)]
    everything = list(crops.iterate(1, 0, parts))
    assert [plan for plan, _ in everything] == [crops.plan_step(1, step) for step in range(4)]
    for plan, batches in everything:
        expected = [crops.load(plan, part) for part in parts]
        assert all(one.images.equal(two.images) for one, two in zip(batches, expected, strict=True))
    late = list(crops.iterate(1, 2, parts))
    assert [plan for plan, _ in late] == [plan for plan, _ in everything[2:]]
    assert late[1][1][0].images.equal(everything[3][1][0].images)


def test_parts_that_a_step_does_not_fill_are_left_out(mixed):
    plan, batches = next(loader(mixed).iterate(0, 0, [slice(0, 6), slice(6, 12)]))
    assert len(plan.indices) == 6
    assert [len(batch.images) for batch in batches] == [6]


def test_closing_the_iterator_ends_its_thread(mixed):
    stream = loader(mixed).iterate(0, 0, [slice(None)])
    next(stream)
    assert any(thread.name.startswith("crops") for thread in threading.enumerate())
    stream.close()
    assert not any(thread.name.startswith("crops") for thread in threading.enumerate())


def test_an_error_while_reading_reaches_the_caller(mixed):
    crops = loader(replace(mixed, stored_files=(mixed.stored_files[0][:100],)))
    with pytest.raises(ValueError, match="reshape"):
        next(crops.iterate(0, 0, [slice(None)]))


def test_the_time_waited_is_counted(mixed):
    crops = loader(mixed)
    assert crops.waited_seconds == 0.0
    for _ in crops.iterate(0, 0, [slice(None)]):
        before = crops.waited_seconds
        assert before > 0.0
    assert crops.waited_seconds == before
