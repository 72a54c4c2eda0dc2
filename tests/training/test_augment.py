import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.augment import NONE, Augmentation, Drawn, draw, vary, vary_labels

PLAIN = Drawn((0.0, 0.0), flip=False, gamma=1.0, noise=0.0, noise_seed=0, display=None)


@pytest.fixture
def image():
    return np.random.default_rng(1).random((12, 10)).astype(np.float32)


def test_the_defaults_are_the_papers():
    paper = Augmentation()
    assert paper.shift_mm == pytest.approx(150 * 0.07)
    assert (paper.flip, paper.gamma, paper.noise, paper.draw_display) == (0.5, (0.95, 1.05), 0.05, True)


@given(st.integers(0, 2**32), st.integers(1, 5))
def test_what_is_drawn_lies_in_its_range(seed, displays):
    paper = Augmentation()
    drawn = draw(paper, np.random.default_rng(seed), displays=displays)
    assert all(abs(shift) <= paper.shift_mm for shift in drawn.shift_mm)
    assert 0.95 <= drawn.gamma <= 1.05
    assert 0.0 <= drawn.noise <= 0.05
    assert 0 <= drawn.display < displays


def test_every_display_transform_and_both_sides_are_drawn():
    rng = np.random.default_rng(0)
    drawn = [draw(Augmentation(), rng, displays=3) for _ in range(100)]
    assert {d.display for d in drawn} == {0, 1, 2}
    assert {d.flip for d in drawn} == {False, True}


def test_without_augmentation_nothing_varies(image):
    drawn = draw(NONE, np.random.default_rng(5), displays=3)
    assert drawn.display is None
    assert drawn.shift_mm == (0.0, 0.0)
    np.testing.assert_array_equal(vary(image, drawn), image)


def test_applying_twice_gives_the_same_crop(image):
    drawn = draw(Augmentation(), np.random.default_rng(5), displays=1)
    np.testing.assert_array_equal(vary(image, drawn), vary(image, drawn))


def test_image_and_labels_are_flipped_together(image):
    drawn = Drawn((0.0, 0.0), flip=True, gamma=1.0, noise=0.0, noise_seed=0, display=None)
    np.testing.assert_array_equal(vary(image, drawn), image[:, ::-1])
    np.testing.assert_array_equal(vary_labels(image, drawn), image[:, ::-1])


def test_noise_is_a_share_of_the_pixel_and_averages_out_over_larger_pixels():
    grey = np.full((400, 400), 0.5, np.float32)
    drawn = Drawn((0.0, 0.0), flip=False, gamma=1.0, noise=0.04, noise_seed=3, display=None)
    assert vary(grey, drawn).std() == pytest.approx(0.02, rel=0.02)
    assert vary(grey, drawn, averaged=2.0).std() == pytest.approx(0.01, rel=0.02)
    assert vary(np.zeros_like(grey), drawn).max() == 0.0


@given(st.integers(0, 10**6))
def test_a_varied_crop_stays_in_the_display_range(seed):
    image = np.random.default_rng(seed).random((6, 6)).astype(np.float32)
    varied = vary(image, draw(Augmentation(), np.random.default_rng(seed), displays=1))
    assert varied.dtype == np.float32
    assert varied.min() >= 0.0
    assert varied.max() <= 1.0
