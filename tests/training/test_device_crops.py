"""Each transform on the device against the plain formula, crop by crop."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.model.preprocess import average, highest
from training.augment import Augmentation, Drawn, draw
from training.device_crops import (
    Slices,
    average_crops,
    display,
    flip_labels,
    highest_labels,
    vary_crops,
)
from training.placing import Placed

STILL = Drawn((0.0, 0.0), flip=False, gamma=1.0, noise=0.0, noise_seed=0, display=None)


def placed(ratio: float, size: int, *, start: float = 0.0, available: int = 10_000) -> tuple[Placed, Placed]:
    axis = Placed(start, ratio, size, available)
    return axis, axis


def test_each_crop_is_looked_up_in_its_own_table():
    rng = np.random.default_rng(0)
    stored = rng.integers(0, 65536, (3, 5, 7)).astype(np.uint16)
    tables = rng.random((3, 65536), np.float32)
    slices = Slices((0, 1, 2), (), torch.from_numpy(stored.view(np.int16)), torch.zeros(0), torch.from_numpy(tables))
    expected = np.stack([table[values] for table, values in zip(tables, stored, strict=True)])
    np.testing.assert_array_equal(display(slices).numpy(), expected)


@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_a_whole_ratio_is_the_mean_of_blocks(ratio):
    images = np.random.default_rng(0).random((2, 6 * ratio, 6 * ratio), np.float32)
    blocks = images.reshape(2, 6, ratio, 6, ratio).mean((2, 4))
    seen = average_crops(torch.from_numpy(images), [placed(ratio, 6)] * 2)
    np.testing.assert_allclose(seen.numpy(), blocks, rtol=1e-6)


@given(st.floats(0.6, 4.7), st.integers(2, 12), st.floats(0, 0.999), st.integers(0, 2**32))
def test_any_ratio_and_phase_is_the_mean_over_areas(ratio, size, phase, seed):
    """Against a picture of twenty samples a pixel: each input pixel is the mean of those inside it."""
    rows, columns = placed(ratio, size, start=phase)
    length = rows.length
    image = np.random.default_rng(seed).random((length, length)).astype(np.float32)
    seen = average_crops(torch.from_numpy(image)[None], [(rows, columns)])[0].numpy()
    exact = np.zeros((size, size))
    weights = np.zeros((size, length))
    for i in range(size):
        for j in range(length):
            overlap = min(j + 1, phase + (i + 1) * ratio) - max(j, phase + i * ratio)
            weights[i, j] = max(0.0, overlap) / ratio
    exact = weights @ image @ weights.T
    np.testing.assert_allclose(seen, exact, atol=2e-5)


@pytest.mark.parametrize(("stored", "size"), [(28, 10), (20, 10), (10, 10), (27, 20)])
def test_average_and_labels_are_the_nodes(stored, size):
    rng = np.random.default_rng(0)
    image, labels = rng.random((stored, stored), np.float32), (rng.random((stored, stored)) > 0.9).astype(np.uint8) * 2
    axis = placed(stored / size, size)
    room = np.zeros((axis[0].length, axis[1].length), np.float32)
    padded, padded_labels = room.copy(), room.astype(np.uint8)
    padded[:stored, :stored] = image
    padded_labels[:stored, :stored] = labels
    seen = average_crops(torch.from_numpy(padded)[None], [axis])[0]
    np.testing.assert_allclose(seen.numpy(), average(image, (size, size)), atol=1e-6)
    seen = highest_labels(torch.from_numpy(padded_labels)[None], [axis])[0]
    np.testing.assert_array_equal(seen.numpy(), highest(labels, (size, size)))


def test_what_lies_beyond_a_small_view_is_black_whatever_the_table_says():
    images = torch.ones(1, 8, 8)
    seen = average_crops(images.clone(), [placed(1, 8, available=5)])[0]
    assert seen[:5, :5].min() == 1.0
    assert seen[5:].max() == seen[:, 5:].max() == 0.0


@given(st.integers(0, 2**32))
def test_flip_and_gamma_are_those_of_the_formula(seed):
    rng = np.random.default_rng(seed)
    images = rng.random((3, 6, 6)).astype(np.float32)
    drawn = [replace(draw(Augmentation(), rng, displays=1), noise=0.0) for _ in images]
    seen = vary_crops(torch.from_numpy(images), drawn, [1.0] * 3).numpy()
    for image, crop, varied in zip(images, drawn, seen, strict=True):
        flipped = image[:, ::-1] if crop.flip else image
        np.testing.assert_allclose(varied, flipped.astype(np.float64) ** crop.gamma, atol=1e-6)


def test_labels_are_flipped_with_their_image():
    labels = torch.arange(8).reshape(2, 2, 2)
    drawn = [replace(STILL, flip=True), STILL]
    assert flip_labels(labels, drawn).tolist() == [[[1, 0], [3, 2]], [[4, 5], [6, 7]]]


def test_noise_is_a_share_of_the_pixel_and_smaller_where_pixels_were_averaged():
    grey = torch.full((2, 400, 400), 0.5)
    drawn = [replace(STILL, noise=0.04, noise_seed=seed) for seed in (1, 2)]
    varied = vary_crops(grey, drawn, [1.0, 2.0])
    assert varied[0].std().item() == pytest.approx(0.02, rel=0.02)
    assert varied[1].std().item() == pytest.approx(0.01, rel=0.02)
    assert varied.mean().item() == pytest.approx(0.5, abs=1e-3)
    both = torch.stack([varied[0] - 0.5, varied[1] - 0.5]).flatten(1)
    assert abs(torch.corrcoef(both)[0, 1].item()) < 0.02
    assert vary_crops(torch.zeros(2, 8, 8), drawn, [1.0, 1.0]).max() == 0.0


def test_a_crops_noise_is_its_own_whatever_stands_beside_it():
    images = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    drawn = [replace(STILL, noise=0.05, noise_seed=seed) for seed in (5, 6, 7)]
    together = vary_crops(images, drawn, [1.0] * 3)
    alone = vary_crops(images[1:2], drawn[1:2], [1.0])
    torch.testing.assert_close(together[1], alone[0], rtol=0, atol=0)


def test_nothing_leaves_the_display_range():
    drawn = [replace(STILL, noise=0.5, gamma=0.9)]
    varied = vary_crops(torch.ones(1, 50, 50), drawn, [1.0])
    assert varied.max() == 1.0
    assert varied.min() >= 0.0
