from dataclasses import replace

import numpy as np
import pytest

from dcis_node.errors import TrainingError
from dcis_node.model.preprocess import average, prepare_view
from tests.training.conftest import SIDE, TRANSFORMS
from training.augment import Drawn
from training.sampling import cut_crop, draw_batch, plain_crop, pools

STILL = Drawn((0.0, 0.0), flip=False, gamma=1.0, noise=0.0, noise_seed=0, display=None)


def test_regions_are_sorted_by_what_they_are_drawn_for(store):
    chosen = pools(store, None, "grade")
    assert len(chosen.lesions) == 16
    assert len(chosen.low) == len(chosen.high) == 8
    assert len(chosen.negatives) == 3


def test_only_the_wanted_patients_are_drawn(store):
    chosen = pools(store, ["p0", "p1", "n1"], "grade")
    drawn = {store.regions[i].view.patient for i in (*chosen.lesions, *chosen.negatives)}
    assert drawn == {"p0", "p1", "n1"}


def test_patients_without_a_lesion_region_are_refused(store):
    with pytest.raises(TrainingError, match="no region with a lesion"):
        pools(store, ["n0"], "grade")


def test_the_joint_stage_draws_both_classes_equally_often(store, plan):
    stage = replace(plan.joint, negative_share=0.0, batch=10)
    batch = draw_batch(
        store, pools(store, None, "grade"), stage, plan=plan, scenario="grade", rng=np.random.default_rng(0)
    )
    assert batch.images.shape == (10, 1, 32, 32)
    assert (batch.labels == 0).sum() == (batch.labels == 1).sum() == 5


def test_a_quarter_of_the_crops_is_negative_on_average(store, plan):
    stage = replace(plan.pretraining[0], batch=6, negative_share=0.25)
    rng, chosen = np.random.default_rng(0), pools(store, None, "grade")
    batches = [draw_batch(store, chosen, stage, plan=plan, scenario="grade", rng=rng) for _ in range(60)]
    empty = sum(int((batch.pixel_labels.flatten(1).amax(1) == 0).sum()) for batch in batches)
    assert empty / 360 == pytest.approx(0.25, abs=0.05)


def test_only_the_segmented_share_brings_pixel_labels(store, plan):
    stage = replace(plan.joint, segmented_share=0.25)
    batch = draw_batch(
        store, pools(store, None, "grade"), stage, plan=plan, scenario="grade", rng=np.random.default_rng(0)
    )
    assert batch.pixel_labels.shape == (2, 32, 32)
    assert len(batch.images) == 8


def test_equal_seeds_draw_equal_batches(store, plan):
    chosen = pools(store, None, "grade")
    one, two = (
        draw_batch(store, chosen, plan.joint, plan=plan, scenario="grade", rng=np.random.default_rng(7)) for _ in "ab"
    )
    assert one.images.equal(two.images)
    assert one.pixel_labels.equal(two.pixel_labels)


def test_a_crop_for_evaluation_is_what_the_node_would_cut(store, plan):
    crop, labels = plain_crop(store, 2, plan=plan)
    start = SIDE // 2 - 32
    window = (slice(start, start + 64), slice(start, start + 64))
    shown = prepare_view(np.asarray(store.stored(2)), TRANSFORMS, plan.preprocessing)
    np.testing.assert_allclose(crop, average(np.ascontiguousarray(shown[window]), (32, 32)), rtol=1e-6)
    assert labels.shape == (32, 32)


def test_image_and_labels_shift_together(store, plan):
    """The labels are where the bright pixels are, wherever the crop lies."""
    for shift in ((0.0, 0.0), (0.9, -0.6), (-1.0, 1.0)):
        drawn = replace(STILL, shift_mm=shift)
        image, labels = cut_crop(store, 1, drawn, plan=plan)
        assert image[labels == 2].mean() > image[labels == 0].mean() + 0.3


def test_a_shift_of_one_input_pixel_moves_the_crop_by_one_pixel(store, plan):
    still = cut_crop(store, 0, STILL, plan=plan)[0]
    moved = cut_crop(store, 0, replace(STILL, shift_mm=(0.14, 0.0)), plan=plan)[0]
    np.testing.assert_allclose(moved[:-1], still[1:], rtol=1e-6)


def test_a_crop_larger_than_its_region_is_the_whole_region(store, plan):
    crop, labels = plain_crop(store, 0, plan=plan, size_px=64)
    assert crop.shape == labels.shape == (64, 64)
    assert (labels > 0).any()
