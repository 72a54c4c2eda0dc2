import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.augment import NONE, Augmentation, draw


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


def test_without_augmentation_nothing_varies():
    drawn = draw(NONE, np.random.default_rng(5), displays=3)
    assert (drawn.display, drawn.shift_mm, drawn.flip) == (None, (0.0, 0.0), False)
    assert (drawn.gamma, drawn.noise) == (1.0, 0.0)
