"""How many crops run through the network at once: on a GPU by trying, on a CPU from a memory bound."""

import os
from collections.abc import Callable

import torch
from torch import Tensor

from dcis_node.errors import TrainingError
from dcis_node.model.network import NetworkConfig, UNet
from training.recipe import Recipe

# Share of the memory that what is kept for the backward pass may fill; the rest is for weights, crops, the system.
_MEMORY_SHARE = 0.5
# Tried at most; more crops at once no longer make a GPU faster.
_MOST = 1024


def saved_bytes_per_pixel(config: NetworkConfig) -> float:
    """Give the bytes that the backward pass keeps of each input pixel, in float32: counted on a small input.

    At width 64 a 1024 x 1024 crop keeps about 7 GB, which is why batch 16 needs accumulation on most devices.
    """
    side = 2 * config.multiple
    kept: dict[int, int] = {}
    network = UNet(config)
    weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in weights:
            kept[place] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.random.fork_rng(devices=[]), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        # Held until counted, or a freed tensor's place would be given to the next.
        output = network(torch.zeros(1, config.input_channels, side, side))
        total = sum(kept.values())
        del output
    return total / side**2


def fits_in_memory(recipe: Recipe, *, most: int, memory_bytes: int | None = None) -> int:
    """Give how many crops a CPU's memory bears at once: from the whole memory, so that it is the same each time.

    Parameters
    ----------
    most
        Never more than this.
    memory_bytes
        Of the machine, shared by what runs at once; None asks the system.
    """
    memory = memory_bytes or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    each = saved_bytes_per_pixel(recipe.network) * recipe.train_crop_px**2
    return max(1, min(most, int(_MEMORY_SHARE * memory / each)))


def largest_that_runs(attempt: Callable[[int], None], *, most: int = _MOST) -> int:
    """Give the largest power of two up to `most` that `attempt` runs without running out of memory; `most` itself too.

    Raises
    ------
    TrainingError
        If not even one crop fits.
    """
    fits = 0
    sizes = [size for size in (2**power for power in range(most.bit_length())) if size < most]
    for size in [*sizes, most]:
        try:
            attempt(size)
        except torch.OutOfMemoryError:
            break
        fits = size
    if not fits:
        raise TrainingError("not even one crop fits into the device's memory: take a smaller width or train_crop_px")
    return fits


def fits_on_gpu(recipe: Recipe, device: torch.device, *, bfloat16: bool, most: int = _MOST) -> int:
    """Try forward and backward passes of growing batches on a GPU."""
    network = UNet(recipe.network).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    side = recipe.train_crop_px

    def attempt(size: int) -> None:
        images = torch.zeros(size, 1, side, side, device=device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            output = network(images)
        # As the losses do it: float32 logits are kept beside.
        total = output.segmentation.float().log_softmax(1).sum() + output.classification.float().sum()
        total.backward()
        torch.cuda.synchronize(device)

    with torch.random.fork_rng(devices=[device]):
        try:
            return largest_that_runs(attempt, most=most)
        finally:
            torch.cuda.empty_cache()


def micro_batch(batch: int, *, fits: int, world: int = 1) -> int:
    """Share a batch out evenly: as few micro-batches as fit, as many for each device.

    Returns
    -------
    Crops per micro-batch, at least 1.
    """
    rounds = -(-batch // (fits * world))
    return max(1, -(-batch // (rounds * world)))


def parts(batch: int, micro: int) -> tuple[slice, ...]:
    """Cut a batch into micro-batches; the last may be smaller."""
    return tuple(slice(start, min(start + micro, batch)) for start in range(0, batch, micro))
