"""One fold on several devices, as `torchrun` starts them: every rank takes its share of a step's micro-batches.

Not DistributedDataParallel: it averages over ranks what each averaged over its own images. Here each loss is already
divided by the counts of the whole batch, and gradients are summed, so the result is that of one device: exactly so with
instance norm. With batch norm each micro-batch is normed by itself, as in accumulation on one device; the running
statistics are averaged over the ranks, which is close to what one device would have, not equal.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

# Rank 0 validates and cuts crops while the others wait.
_PATIENCE = timedelta(hours=2)


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is; `Ranks()` is one alone."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """True for the one that writes files, validates and tells how far it is."""
        return self.rank == 0

    def mine(self, parts: Sequence[slice]) -> tuple[tuple[int, slice], ...]:
        """Give this rank's micro-batches with their number in the whole batch."""
        return tuple(enumerate(parts))[self.rank :: self.world]

    def sum(self, values: Tensor) -> Tensor:
        """Add up a tensor over the ranks, in place."""
        if self.world > 1:
            distributed.all_reduce(values)
        return values

    def wait(self) -> None:
        """Wait until every rank is here."""
        if self.world > 1:
            distributed.barrier()

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Add up the gradients over the ranks: one message. Every parameter has one."""
        if self.world == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = self.sum(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, summed in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(summed.view_as(gradient))

    def average_statistics(self, network: nn.Module) -> None:
        """Average the running statistics of batch norm."""
        running = [b for b in network.buffers() if b.is_floating_point()] if self.world > 1 else []
        for statistic in running:
            self.sum(statistic).div_(self.world)


@contextmanager
def joined_ranks(device: torch.device) -> Iterator[tuple[Ranks, torch.device]]:
    """Join the processes that `torchrun` started; without it, be one alone.

    Yields
    ------
    The ranks, and this one's device: on CUDA the one of its local rank.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks(), device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Ranks(distributed.get_rank(), world), device
    finally:
        distributed.destroy_process_group()
