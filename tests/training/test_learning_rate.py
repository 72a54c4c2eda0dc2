from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.learning_rate import learning_rate, peak_rate
from training.recipe import Stage

PAPER = Stage("paper", epochs=500)


def test_the_papers_rate_halves_each_150_epochs():
    rates = [learning_rate(PAPER, epoch * 34, steps_per_epoch=34) for epoch in (1, 149, 150, 299, 300, 450, 499)]
    assert rates == pytest.approx([2.5e-4, 2.5e-4, 1.25e-4, 1.25e-4, 6.25e-5, 3.125e-5, 3.125e-5])


def test_the_rate_rises_over_half_an_epoch():
    rates = [learning_rate(PAPER, step, steps_per_epoch=8) for step in range(6)]
    assert rates == pytest.approx([0.625e-4, 1.25e-4, 1.875e-4, 2.5e-4, 2.5e-4, 2.5e-4])


def test_halving_is_torchs_step_scheduler():
    stage = replace(PAPER, epochs=20, halve_every=6, warm_up_epochs=0.0)
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], stage.learning_rate)
    scheduler = torch.optim.lr_scheduler.StepLR(optimiser, 6, 0.5)
    for epoch in range(20):
        assert learning_rate(stage, epoch, steps_per_epoch=1) == pytest.approx(scheduler.get_last_lr()[0])
        optimiser.step()
        scheduler.step()


def test_warm_up_and_cosine_are_torchs_schedulers_one_after_the_other():
    stage = replace(PAPER, epochs=10, schedule="cosine", warm_up_epochs=2.0, learning_rate=1e-2)
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1e-2)
    # Torch's cosine may not be stepped past its end, ours begins after the warm-up.
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 40, eta_min=1e-4)
    for step in range(10, 50):
        assert learning_rate(stage, step, steps_per_epoch=5) == pytest.approx(scheduler.get_last_lr()[0])
        optimiser.step()
        scheduler.step()
    assert learning_rate(stage, 4, steps_per_epoch=5) == pytest.approx(5e-3)


def test_another_batch_scales_the_rate_linearly():
    assert peak_rate(replace(PAPER, batch=64)) == pytest.approx(1e-3)
    assert peak_rate(replace(PAPER, batch=4)) == pytest.approx(6.25e-5)


@given(st.sampled_from(["halving", "cosine"]), st.integers(1, 50), st.integers(1, 9), st.floats(0.0, 4.0))
def test_a_rate_is_never_zero_nor_above_the_peak(schedule: str, epochs: int, steps: int, warm_up: float):
    stage = Stage("a", epochs=epochs, schedule=schedule, warm_up_epochs=warm_up)
    rates = [learning_rate(stage, step, steps_per_epoch=steps) for step in range(epochs * steps)]
    assert all(0.0 < rate <= 2.5e-4 for rate in rates)
