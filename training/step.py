"""One optimiser step: micro-batches whose losses add up to that of the whole batch, and the guard against nan."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from dcis_node.errors import TrainingError
from dcis_node.model.network import UNet
from training.batches import Batch
from training.losses import focal_loss, topk_cross_entropy
from training.recipe import Recipe, Stage


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of a network that a stage runs; compiled or not.

    Parameters
    ----------
    encode, segment, classify
        As `UNet`'s methods of these names.
    class_weights
        (classes,) on the network's device.
    """

    encode: Callable[[Tensor], tuple[Tensor, ...]]
    segment: Callable[[tuple[Tensor, ...]], Tensor]
    classify: Callable[[tuple[Tensor, ...]], Tensor]
    class_weights: Tensor


def parts_of(network: UNet, recipe: Recipe, *, compiled: bool = False) -> Parts:
    """Give a network's parts; compiled where that pays (a GPU and many steps)."""
    device = next(network.parameters()).device
    weights = torch.tensor(recipe.class_weights[: recipe.network.segmentation_classes], device=device)
    if not compiled:
        return Parts(network.encode, network.segment, network.classify, weights)
    encode, segment = torch.compile(network.encode), torch.compile(network.segment)
    return Parts(encode, segment, torch.compile(network.classify), weights)


@dataclass(frozen=True)
class Counts:
    """What the whole batch holds, over all its micro-batches: how many images are segmented, and have a label."""

    segmented: int
    labelled: int


def micro_loss(
    parts: Parts, batch: Batch, *, counts: Counts, stage: Stage, recipe: Recipe
) -> tuple[Tensor, Tensor, Tensor]:
    """Give a micro-batch's share of the batch's loss.

    Each loss is the sum over the micro-batch divided by the count of the whole batch, so the micro-batches' gradients
    add up to the batch's, wherever they run.

    Returns
    -------
    The weighted sum (pixel + classification_weight * image), the pixel loss, the image loss; scalars.
    """
    maps = parts.encode(batch.images)
    segmented = len(batch.pixel_labels)
    pixel = image = batch.images.new_zeros(())
    if segmented:
        pixel = topk_cross_entropy(
            parts.segment(tuple(m[:segmented] for m in maps)),
            batch.pixel_labels.clamp_max(recipe.network.segmentation_classes - 1),
            fraction=recipe.topk_fraction,
            class_weights=parts.class_weights,
        ) * (segmented / counts.segmented)
    labelled = int((batch.labels >= 0).sum())
    if stage.classification_weight and labelled:
        image = focal_loss(parts.classify(maps), batch.labels, gamma=recipe.focal_gamma) * (labelled / counts.labelled)
    return pixel + stage.classification_weight * image, pixel, image


def micro_seed(*numbers: int, stage: str) -> int:
    """Give the seed of a micro-batch's dropout from (seed, epoch, step, micro-batch) and the stage's name."""
    words = np.random.SeedSequence([*numbers, *stage.encode("ascii")])
    return int(words.generate_state(1, np.uint64)[0] >> 1)


@dataclass
class Sums:
    """What an epoch's steps add up to; kept in the checkpoint, so that a resumed epoch's row is the whole epoch's."""

    loss: float = 0.0
    pixel: float = 0.0
    image: float = 0.0
    steps: float = 0.0
    images: float = 0.0
    seconds: float = 0.0
    waited: float = 0.0

    def add(self, loss: float, pixel: float, image: float, *, images: int) -> None:
        """Add a step."""
        self.loss, self.pixel, self.image = self.loss + loss, self.pixel + pixel, self.image + image
        self.steps, self.images = self.steps + 1, self.images + images

    def means(self) -> tuple[float, float, float]:
        """Give the mean loss, pixel loss and image loss of a step."""
        n = max(1.0, self.steps)
        return self.loss / n, self.pixel / n, self.image / n


@dataclass(frozen=True)
class Place:
    """Where a step stands, for a text a person reads."""

    stage: str
    epoch: int
    step: int
    images: Sequence[str] = field(default=())


def trained_parameters(network: UNet, stage: Stage) -> list[nn.Parameter]:
    """Give what a stage trains: all but the branch where the stage only segments."""
    names = dict(network.named_parameters())
    return [p for name, p in names.items() if stage.classification_weight or not name.startswith("branch.")]


def refuse_not_finite(losses: Tensor, parameters: Sequence[nn.Parameter], place: Place) -> None:
    """Stop before a step that would spoil the weights: a loss or a gradient that is nan or infinite.

    Raises
    ------
    TrainingError
        Naming stage, epoch, step (as the log counts them, from 1) and the batch's images.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    finite = torch.isfinite(losses).all() & torch.isfinite(torch.nn.utils.get_total_norm(gradients))
    if not bool(finite):
        what = "loss" if not bool(torch.isfinite(losses).all()) else "gradient"
        msg = (
            f"the {what} is not finite in stage {place.stage}, epoch {place.epoch + 1}, step {place.step + 1}; "
            f"the batch was {', '.join(place.images)}. The weights on disk are those before. "
            "Look at these images and their display values, or lower the learning rate"
        )
        raise TrainingError(msg)
