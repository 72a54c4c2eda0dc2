import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_f1_score

from training.statistics.overlap import dice


def test_dice_is_as_worked_out_by_hand():
    one, two = np.zeros((4, 4), np.bool_), np.zeros((4, 4), np.bool_)
    assert dice(one, two) == 1.0
    one[0, :3] = two[0, 1:4] = True
    assert dice(one, two) == pytest.approx(2 * 2 / 6)
    assert dice(one, ~one) == 0.0


def test_dice_is_the_f1_score_of_torchmetrics():
    rng = np.random.default_rng(0)
    one, two = rng.random((30, 20)) < 0.3, rng.random((30, 20)) < 0.4
    expected = float(binary_f1_score(torch.from_numpy(one).int(), torch.from_numpy(two).int()))
    assert dice(one, two) == pytest.approx(expected, abs=1e-6)
