from dataclasses import replace

import pytest
import torch

from dcis_node.errors import TrainingError
from dcis_node.model.network import UNet
from tests.training.fitted import JOINT, SEGMENTATION, tiny_recipe
from training.batches import Batch
from training.step import (
    Counts,
    Place,
    Sums,
    micro_loss,
    micro_seed,
    parts_of,
    refuse_not_finite,
    trained_parameters,
)

RECIPE = tiny_recipe(norm="instance", dropout=0.0)


def whole_batch() -> Batch:
    """Eight crops; five are segmented, six have a label."""
    generator = torch.Generator().manual_seed(0)
    return Batch(
        images=torch.rand(8, 1, 32, 32, generator=generator),
        pixel_labels=torch.randint(0, 3, (5, 32, 32), generator=generator),
        labels=torch.tensor([-1, 0, 1, 1, -1, 0, 1, 0]),
    )


def cut(batch: Batch, part: slice) -> Batch:
    return Batch(batch.images[part], batch.pixel_labels[part], batch.labels[part])


def gradients(parts: list[slice], *, stage=JOINT) -> list[torch.Tensor]:
    torch.manual_seed(1)
    network = UNet(RECIPE.network)
    for part in parts:
        batch = cut(whole_batch(), part)
        loss, _, _ = micro_loss(
            parts_of(network, RECIPE), batch, counts=Counts(segmented=5, labelled=6), stage=stage, recipe=RECIPE
        )
        loss.backward()
    return [torch.zeros(1) if p.grad is None else p.grad for p in network.parameters()]


@pytest.mark.parametrize("size", [1, 3, 4])
def test_micro_batches_add_up_to_the_batch_however_it_is_cut(size: int):
    whole = gradients([slice(0, 8)])
    accumulated = gradients([slice(start, start + size) for start in range(0, 8, size)])
    for one, other in zip(whole, accumulated, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_loss_is_the_weighted_sum_of_both():
    network = UNet(RECIPE.network)
    counts = Counts(segmented=5, labelled=6)
    loss, pixel, image = micro_loss(parts_of(network, RECIPE), whole_batch(), counts=counts, stage=JOINT, recipe=RECIPE)
    assert pixel > 0
    assert image > 0
    assert loss.item() == pytest.approx((pixel + JOINT.classification_weight * image).item())


def test_a_segmentation_stage_trains_all_but_the_branch():
    network = UNet(RECIPE.network)
    _, _, image = micro_loss(
        parts_of(network, RECIPE), whole_batch(), counts=Counts(5, 6), stage=SEGMENTATION, recipe=RECIPE
    )
    assert image == 0
    branch = {id(parameter) for parameter in network.branch.parameters()}
    assert {id(p) for p in network.parameters()} - {id(p) for p in trained_parameters(network, SEGMENTATION)} == branch
    assert len(trained_parameters(network, JOINT)) == len(list(network.parameters()))


def test_two_classes_take_a_calcification_for_lesion():
    recipe = replace(RECIPE, network=replace(RECIPE.network, segmentation_classes=2))
    network = UNet(recipe.network)
    batch = whole_batch()
    merged = Batch(batch.images, batch.pixel_labels.clamp_max(1), batch.labels)
    told = [
        micro_loss(parts_of(network, recipe), b, counts=Counts(5, 6), stage=SEGMENTATION, recipe=recipe)[0].item()
        for b in (batch, merged)
    ]
    assert told[0] == told[1]


def test_the_seed_of_a_micro_batch_depends_on_all_that_it_should():
    seeds = {
        micro_seed(1, 2, 3, 4, stage="joint"),
        micro_seed(1, 2, 3, 5, stage="joint"),
        micro_seed(1, 2, 4, 4, stage="joint"),
        micro_seed(1, 3, 3, 4, stage="joint"),
        micro_seed(2, 2, 3, 4, stage="joint"),
        micro_seed(1, 2, 3, 4, stage="other"),
    }
    assert len(seeds) == 6
    assert micro_seed(1, 2, 3, 4, stage="joint") == micro_seed(1, 2, 3, 4, stage="joint")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_and_names_the_place(bad: float):
    place = Place("joint", 4, 2, ["image-00007", "image-00012"])
    with pytest.raises(TrainingError, match=r"loss.*stage joint, epoch 5, step 3.*image-00007, image-00012"):
        refuse_not_finite(torch.tensor([bad, 1.0, 1.0]), [], place)


def test_a_gradient_that_is_no_number_stops_too():
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.grad = torch.tensor([1.0, float("inf")])
    with pytest.raises(TrainingError, match="gradient"):
        refuse_not_finite(torch.ones(3), [parameter], Place("joint", 0, 0))
    parameter.grad = torch.ones(2)
    refuse_not_finite(torch.ones(3), [parameter], Place("joint", 0, 0))


def test_sums_give_the_mean_of_the_steps():
    sums = Sums()
    sums.add(3.0, 1.0, 2.0, images=8)
    sums.add(1.0, 1.0, 0.0, images=6)
    assert sums.means() == (2.0, 1.0, 1.0)
    assert sums.images == 14
