"""Fit one network: the segmentation first, then segmentation and classification together."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dcis_node.errors import TrainingError
from dcis_node.model.device import has_fast_bfloat16
from dcis_node.model.network import ClassificationBranch, UNet
from training.cohort import label
from training.crops import CropStore
from training.losses import focal_loss, topk_cross_entropy
from training.plan import FitPlan, Stage
from training.progress import Progress, progress_log
from training.sampling import Batch, Pools, draw_batch, plain_crop
from training.statistics import auroc, dice, rounded

# The log is flushed this often: a bar that stands still for more than some seconds looks dead.
LOG_EVERY = 5


def learning_rate(stage: Stage, step: int) -> float:
    """Give the rate of a step (0-based): linear warm-up, then a cosine to a hundredth of the peak."""
    if step < stage.warm_up:
        return stage.learning_rate * (step + 1) / stage.warm_up
    done = (step - stage.warm_up) / max(1, stage.steps - stage.warm_up)
    return stage.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0))))


def step_loss(network: UNet, batch: Batch, stage: Stage, plan: FitPlan) -> tuple[Tensor, Tensor, Tensor]:
    """Run the parts of the network that a stage trains.

    Returns
    -------
    The weighted sum, the pixel loss, the image loss (0 in a segmentation stage).
    """
    maps = network.encode(batch.images)
    segmented = len(batch.pixel_labels)
    weights = torch.tensor(plan.class_weights[: plan.network.segmentation_classes])
    pixel = topk_cross_entropy(
        network.segment(tuple(m[:segmented] for m in maps)),
        batch.pixel_labels.clamp_max(plan.network.segmentation_classes - 1),
        fraction=plan.topk_fraction,
        class_weights=weights,
    )
    if not stage.classification_weight:
        return pixel, pixel, torch.zeros(())
    image = focal_loss(network.classify(maps), batch.labels, gamma=plan.focal_gamma)
    return pixel + stage.classification_weight * image, pixel, image


def fit_stage(
    network: UNet,
    store: CropStore,
    chosen: Pools,
    stage: Stage,
    *,
    plan: FitPlan,
    scenario: str,
    seed: int,
    name: str,
    log: Path,
) -> None:
    """Train a network in place for one stage, writing its progress to a CSV.

    Raises
    ------
    TrainingError
        If the loss is not finite; it names stage and step.
    """
    rng = np.random.default_rng([seed, len(name)])
    torch.manual_seed(seed)
    device = next(network.parameters()).device
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(network.parameters(), stage.learning_rate, weight_decay=plan.weight_decay)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device))
    sums = [0.0, 0.0]
    with progress_log(log) as write:
        for step in range(stage.steps):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(stage, step)
            batch = draw_batch(store, chosen, stage, plan=plan, scenario=scenario, rng=rng)
            with autocast:
                loss, pixel, image = step_loss(network, batch, stage, plan)
            if not bool(torch.isfinite(loss)):
                msg = f"{name}: the loss is not finite at step {step + 1} of {stage.steps}"
                raise TrainingError(msg)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            sums = [sums[0] + float(pixel.detach()), sums[1] + float(image.detach())]
            if (step + 1) % LOG_EVERY == 0 or step + 1 == stage.steps:
                since = LOG_EVERY if (step + 1) % LOG_EVERY == 0 else stage.steps % LOG_EVERY
                write(Progress(name, step + 1, stage.steps, sums[0] / since, sums[1] / since))
                sums = [0.0, 0.0]


def fresh_branch(network: UNet, *, seed: int) -> None:
    """Give the network a new classification branch.

    The joint stage starts so: attached to an encoder that already sees calcifications, the branch learns in a
    fourth of the steps (facts of the prototype).
    """
    torch.manual_seed(seed)
    deepest = network.config.width * 2 ** (network.config.depth - 1)
    network.branch = ClassificationBranch(deepest, network.config)


def save_weights(network: nn.Module, path: Path) -> None:
    """Write a state dict as safetensors, whole or not at all."""
    part = path.with_suffix(".part")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}, part)
    part.replace(path)


def load_weights(network: nn.Module, path: Path) -> None:
    """Read what `save_weights` wrote into a network of the same shape."""
    network.load_state_dict(load_file(path))


def validate(
    network: UNet, store: CropStore, patients: Sequence[str], *, plan: FitPlan, scenario: str
) -> dict[str, float | None]:
    """Judge a fold's validation patients at the training crop's size.

    Returns
    -------
    Patient AUC (None with one class) and mean Dice of the lesion region.
    """
    wanted = set(patients)
    device = next(network.parameters()).device
    scores: dict[str, list[float]] = {}
    labels: dict[str, int] = {}
    overlaps = []
    network.eval()
    for index, region in enumerate(store.regions):
        if region.view.patient not in wanted or not region.view.grade:
            continue
        crop, truth = plain_crop(store, index, plan=plan)
        x = torch.from_numpy(crop)[None, None].to(device).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device)):
            output = network(x)
        outlined = output.segmentation[0].float().softmax(0)[0].cpu().numpy() < 0.5
        overlaps.append(dice(outlined, truth > 0))
        labels[region.view.patient] = label(region.view, scenario)
        scores.setdefault(region.view.patient, []).append(float(output.classification.float().softmax(1)[0, 1]))
    known = [patient for patient in sorted(scores) if labels[patient] >= 0]
    area = auroc([labels[p] for p in known], [float(np.mean(scores[p])) for p in known], seed=0, samples=200)
    return {"patient_auc": rounded(area.value), "dice": rounded(float(np.mean(overlaps)))}
