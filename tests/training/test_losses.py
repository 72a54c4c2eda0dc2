import math

import pytest
import torch
from torch.nn import functional

from training.losses import focal_loss, topk_cross_entropy


def test_focal_loss_is_as_worked_out_by_hand():
    # p(true) = 0.8 and 0.3: -(0.2^2 ln 0.8 + 0.7^2 ln 0.3) / 2
    logits = torch.log(torch.tensor([[0.2, 0.8], [0.3, 0.7]]))
    expected = -(0.04 * math.log(0.8) + 0.49 * math.log(0.3)) / 2
    assert focal_loss(logits, torch.tensor([1, 0])).item() == pytest.approx(expected, rel=1e-5)


def test_focal_loss_without_gamma_is_cross_entropy():
    logits, labels = torch.randn(6, 2), torch.tensor([0, 1, 1, 0, 1, 0])
    torch.testing.assert_close(focal_loss(logits, labels, gamma=0.0), functional.cross_entropy(logits, labels))


def test_an_image_without_a_label_does_not_count():
    logits = torch.randn(3, 2)
    with_one = focal_loss(logits, torch.tensor([1, -1, 0]))
    torch.testing.assert_close(with_one, focal_loss(logits[[0, 2]], torch.tensor([1, 0])))


def test_a_batch_without_labels_gives_no_loss_and_no_gradient():
    logits = torch.randn(3, 2, requires_grad=True)
    loss = focal_loss(logits, torch.tensor([-1, -1, -1]))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad.abs().sum() == 0


def pixels(*probabilities: float) -> torch.Tensor:
    """Logits (1, 2, 1, n) whose second class has these probabilities."""
    p = torch.tensor(probabilities)
    return torch.log(torch.stack([1 - p, p]))[None, :, None, :]


def test_topk_takes_the_mean_over_the_worst_pixels_only():
    logits = pixels(0.9, 0.5, 0.2, 0.99)
    labels = torch.ones(1, 1, 4, dtype=torch.long)
    loss = topk_cross_entropy(logits, labels, fraction=0.5)
    assert loss.item() == pytest.approx(-(math.log(0.2) + math.log(0.5)) / 2, rel=1e-5)


def test_all_pixels_are_plain_cross_entropy():
    logits, labels = torch.randn(2, 3, 5, 7), torch.randint(0, 3, (2, 5, 7))
    torch.testing.assert_close(
        topk_cross_entropy(logits, labels, fraction=1.0), functional.cross_entropy(logits, labels)
    )


def test_the_worst_pixels_are_taken_image_by_image():
    logits = torch.cat([pixels(0.9, 0.8), pixels(0.1, 0.2)])
    labels = torch.ones(2, 1, 2, dtype=torch.long)
    loss = topk_cross_entropy(logits, labels, fraction=0.5)
    assert loss.item() == pytest.approx(-(math.log(0.8) + math.log(0.1)) / 2, rel=1e-5)


def test_at_least_one_pixel_counts():
    loss = topk_cross_entropy(pixels(0.9, 0.5), torch.ones(1, 1, 2, dtype=torch.long), fraction=0.0001)
    assert loss.item() == pytest.approx(-math.log(0.5), rel=1e-5)


def test_a_class_weight_multiplies_the_pixels_of_its_class():
    logits, labels = pixels(0.6, 0.6), torch.tensor([[[0, 1]]])
    weights = torch.tensor([1.0, 3.0])
    loss = topk_cross_entropy(logits, labels, fraction=1.0, class_weights=weights)
    assert loss.item() == pytest.approx(-(math.log(0.4) + 3 * math.log(0.6)) / 2, rel=1e-5)


def test_only_the_worst_pixels_get_a_gradient():
    logits = pixels(0.9, 0.5, 0.2, 0.99).requires_grad_()
    topk_cross_entropy(logits, torch.ones(1, 1, 4, dtype=torch.long), fraction=0.25).backward()
    assert (logits.grad.abs().sum(dim=(0, 1, 2)) > 0).tolist() == [False, False, True, False]
