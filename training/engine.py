"""The loop of a fit: stages, epochs, steps; checkpoints on the way, and the same result after any death."""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path

import torch

from dcis_node.model.device import has_fast_bfloat16
from dcis_node.model.network import ClassificationBranch, UNet
from training.batch_size import parts as batch_parts
from training.batches import Batch, CropLoader, StepPlan
from training.checkpoint import (
    Checkpoint,
    Position,
    read_checkpoint,
    read_weights,
    restore_adam,
    write_checkpoint,
    write_weights,
)
from training.crops import CropStore
from training.distributed import Ranks
from training.learning_rate import learning_rate
from training.logs import EpochRow, FitLog
from training.recipe import Recipe, Stage
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
from training.validation import Validation, ValidationSet

CHECKPOINT_SECONDS = 30.0
# Checkpoints may take this share of the time: those of a wide network are large.
_CHECKPOINT_SHARE = 0.05


@dataclass(frozen=True)
class FitProgress:
    """How far a fold is.

    Parameters
    ----------
    step, steps
        Optimiser steps done and to be done, over all stages of the fold.
    epoch, epochs
        Of the present stage, from 1.
    loss
        Of the last step.
    dice, auc
        Of the last validation of the stage; None before it.
    """

    fold: int
    stage: str
    step: int
    steps: int
    epoch: int
    epochs: int
    loss: float
    dice: float | None = None
    auc: float | None = None


@dataclass(frozen=True, eq=False)
class FitJob:
    """One fold's fit.

    Parameters
    ----------
    folder
        Where it keeps checkpoint, log, examples and weights.
    number
        Of the fold; for the words only.
    recipe
        With `micro_batch` filled in; results depend on it where the network has dropout or batch norm.
    stages
        What is run.
    training, validation
        Patients; training None takes all of the store, no validation leaves Dice and AUC empty.
    start
        Weights to start from; None: random ones, by the seed.
    compiled
        Compile the network's parts; for a GPU and many steps.
    report
        Called after each step, on rank 0.
    checkpoint_seconds
        Longest time between two checkpoints, unless they take too much of it; 0 writes one after each step.
    clock
        Seconds that only grow; tests give their own.
    """

    folder: Path
    number: int
    recipe: Recipe
    stages: Sequence[Stage]
    store: CropStore
    training: Sequence[str] | None
    validation: Sequence[str]
    scenario: str
    seed: int
    device: torch.device
    start: Path | None = None
    compiled: bool = False
    ranks: Ranks = field(default_factory=Ranks)
    report: Callable[[FitProgress], None] | None = None
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    clock: Callable[[], float] = time.monotonic

    @property
    def bfloat16(self) -> bool:
        """Whether the network computes in bfloat16."""
        fast = self.recipe.precision == "auto" and has_fast_bfloat16(self.device)
        return fast or self.recipe.precision == "bfloat16"

    @property
    def micro_batch(self) -> int:
        """Crops that run at once."""
        return self.recipe.micro_batch or max(stage.batch for stage in self.stages)

    def best(self, stage: Stage) -> Path:
        """Give the file of a stage's best weights."""
        return self.folder / f"best-{stage.name}.safetensors"

    @property
    def checkpoint(self) -> Path:
        """Folder of the checkpoint."""
        return self.folder / "checkpoint"

    @property
    def weights(self) -> Path:
        """File of the final weights."""
        return self.folder / "weights.safetensors"


def fit(job: FitJob) -> Validation | None:
    """Run all stages and write the final weights; goes on from the newest checkpoint.

    Returns
    -------
    The last validation, of the final weights; None if nobody validates.

    Raises
    ------
    TrainingError
        If a loss or gradient is not finite (the last good state stays on disk), or a file cannot be read.
    """
    devices = [job.device] if job.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(job.seed)
        network = UNet(job.recipe.network)
        if job.start is not None:
            read_weights(job.start, network)
        found = read_checkpoint(job.checkpoint)
        if found is not None:
            network.load_state_dict(found.network)
        network.to(job.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        validation = ValidationSet(job.store, job.validation, recipe=job.recipe, scenario=job.scenario)
        with _log(job, found) as log:
            for index in range(found.position.stage if found else 0, len(job.stages)):
                resumed = found if found is not None and found.position.stage == index else None
                _StageFit(job, network, index, validation=validation, log=log).run(resumed)
        if job.ranks.first:
            write_weights(job.weights, network)
        job.ranks.wait()
        return validation.judge(network, batch=job.micro_batch, bfloat16=job.bfloat16) if len(validation) else None


def fresh_branch(network: UNet, *, seed: int) -> None:
    """Give the network a new classification branch, on the network's device."""
    device = next(network.parameters()).device
    deepest = network.config.width * 2 ** (network.config.depth - 1)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        branch = ClassificationBranch(deepest, network.config)
    network.branch = branch.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class _NoLog:
    """What the other ranks log: nothing."""

    def __enter__(self) -> "_NoLog":
        return self

    def __exit__(self, *_: object) -> None:
        return None


def _log(job: FitJob, found: Checkpoint | None) -> FitLog | _NoLog:
    if not job.ranks.first:
        return _NoLog()
    kept: dict[str, int] = {}
    if found is not None:
        kept = {stage.name: stage.epochs for stage in job.stages[: found.position.stage]}
        kept[found.position.name] = found.position.epoch
    return FitLog(job.folder, kept=kept)


class _StageFit:
    """One stage of a fit: what its steps share."""

    def __init__(
        self, job: FitJob, network: UNet, index: int, *, validation: ValidationSet, log: FitLog | _NoLog
    ) -> None:
        self.job, self.network, self.index, self.stage = job, network, index, job.stages[index]
        self.validation, self.log = validation, log
        self.loader = CropLoader(
            job.store,
            job.recipe,
            self.stage,
            patients=job.training,
            scenario=job.scenario,
            seed=job.seed,
            device=job.device,
        )
        self.best: float | None = None
        self.judged: Validation | None = None
        self.sums = Sums()
        self.saved_at, self.save_took = job.clock(), 0.0

    def run(self, resumed: Checkpoint | None) -> None:
        job, stage = self.job, self.stage
        epoch, step = 0, 0
        # Before the first step of the stage, not when the checkpoint between two stages is read.
        started = resumed is not None and (resumed.position.epoch or resumed.position.step)
        if stage.fresh_branch and not started:
            fresh_branch(self.network, seed=micro_seed(job.seed, stage=stage.name))
        self.parts = parts_of(self.network, job.recipe, compiled=job.compiled)
        self.parameters = trained_parameters(self.network, stage)
        self.optimiser = torch.optim.Adam(
            self.parameters,
            stage.learning_rate,
            weight_decay=job.recipe.weight_decay,
            fused=job.device.type == "cuda" or None,
        )
        if resumed is not None and started:
            restore_adam(self.optimiser, self.network, resumed.adam)
            epoch, step, self.best = resumed.position.epoch, resumed.position.step, resumed.position.best
            self.sums = Sums(*resumed.position.sums)
        while epoch < stage.epochs:
            self._epoch(epoch, step)
            epoch, step = epoch + 1, 0
        self._hand_on()

    def _epoch(self, epoch: int, first: int) -> None:
        job, stage, steps = self.job, self.stage, self.loader.steps_per_epoch
        mine = job.ranks.mine(batch_parts(stage.batch, job.micro_batch))
        self.network.train()
        before, waited = job.clock(), self.loader.waited_seconds
        stream = self.loader.iterate(epoch, first, [part for _, part in mine])
        for step, (plan, batches) in enumerate(stream, start=first):
            loss = self._step(epoch, step, plan, zip((micro for micro, _ in mine), batches, strict=False))
            now = job.clock()
            self.sums.seconds += now - before
            self.sums.waited += self.loader.waited_seconds - waited
            self._tell(epoch, step, loss)
            if step + 1 < steps and now - self.saved_at >= max(job.checkpoint_seconds, self._pause):
                self._save(epoch, step + 1)
            before, waited = job.clock(), self.loader.waited_seconds
        self._end_epoch(epoch)

    def _step(self, epoch: int, step: int, plan: StepPlan, batches: Iterable[tuple[int, Batch]]) -> float:
        job, stage, loader = self.job, self.stage, self.loader
        rate = learning_rate(stage, epoch * loader.steps_per_epoch + step, steps_per_epoch=loader.steps_per_epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        counts = Counts(plan.segmented, sum(value >= 0 for value in plan.labels))
        self.optimiser.zero_grad(set_to_none=False)
        losses = torch.zeros(3, device=job.device)
        for micro, batch in batches:
            torch.manual_seed(micro_seed(job.seed, epoch, step, micro, stage=stage.name))
            with torch.autocast(job.device.type, torch.bfloat16, enabled=job.bfloat16):
                each = micro_loss(self.parts, batch, counts=counts, stage=stage, recipe=job.recipe)
            if each[0].requires_grad:
                each[0].backward()  # type: ignore[no-untyped-call]
            losses += torch.stack([value.detach().float() for value in each])
        for parameter in self.parameters:
            # A part that no micro-batch of this rank ran has a gradient of nothing, as on one device.
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        job.ranks.sum(losses)
        job.ranks.sum_gradients(self.parameters)
        keys = [job.store.regions[index].view.image for index in plan.indices]
        refuse_not_finite(losses, self.parameters, Place(stage.name, epoch, step, keys))
        self.optimiser.step()
        job.ranks.average_statistics(self.network)
        loss, pixel, image = losses.tolist()
        self.sums.add(loss, pixel, image, images=len(plan.indices))
        return float(loss)

    def _end_epoch(self, epoch: int) -> None:
        stage, judged = self.stage, None
        due = (epoch + 1) % stage.validate_every == 0 or epoch + 1 == stage.epochs
        if due and len(self.validation) and self.job.ranks.first:
            judged = self._validate(epoch)
        if isinstance(self.log, FitLog):
            self.log.write(self._row(epoch, judged))
        self.sums = Sums()
        last = epoch + 1 == stage.epochs
        if not last and (judged is not None or self.job.clock() - self.saved_at >= self._pause):
            self._save(epoch + 1, 0)

    def _validate(self, epoch: int) -> Validation:
        job, stage = self.job, self.stage
        judged = self.validation.judge(self.network, batch=job.micro_batch, bfloat16=job.bfloat16)
        if isinstance(self.log, FitLog):
            self.log.write_examples(stage.name, epoch + 1, judged.examples)
        figure = {"best_dice": judged.dice, "best_auc": judged.auc, "last": math.nan}[stage.keep]
        if not math.isnan(figure) and (self.best is None or figure > self.best):
            self.best = figure
            write_weights(job.best(stage), self.network)
        self.judged = judged
        return judged

    def _hand_on(self) -> None:
        """End the stage: the kept weights go on, and the checkpoint says that it is done."""
        job, stage = self.job, self.stage
        job.ranks.wait()
        if stage.keep != "last" and job.best(stage).exists():
            read_weights(job.best(stage), self.network)
        following = self.index + 1
        name = job.stages[following].name if following < len(job.stages) else ""
        if job.ranks.first:
            write_checkpoint(job.checkpoint, Position(following, name), self.network, None)

    @property
    def _pause(self) -> float:
        return self.save_took / _CHECKPOINT_SHARE if self.job.checkpoint_seconds else 0.0

    def _save(self, epoch: int, step: int) -> None:
        if not self.job.ranks.first:
            return
        before = self.job.clock()
        position = Position(self.index, self.stage.name, epoch, step, self.best, astuple(self.sums))
        write_checkpoint(self.job.checkpoint, position, self.network, self.optimiser)
        self.saved_at = self.job.clock()
        self.save_took = self.saved_at - before

    def _row(self, epoch: int, judged: Validation | None) -> EpochRow:
        sums, steps = self.sums, self.loader.steps_per_epoch
        loss, pixel, image = sums.means()
        seconds = max(sums.seconds, 1e-9)
        return EpochRow(
            stage=self.stage.name,
            epoch=epoch + 1,
            step=(epoch + 1) * steps,
            loss=loss,
            pixel_loss=pixel,
            image_loss=image,
            dice=_figure(judged.dice if judged else None),
            auc=_figure(judged.auc if judged else None),
            learning_rate=learning_rate(self.stage, (epoch + 1) * steps - 1, steps_per_epoch=steps),
            seconds=sums.seconds,
            images_per_second=sums.images / seconds,
            waiting_share=sums.waited / seconds,
        )

    def _tell(self, epoch: int, step: int, loss: float) -> None:
        job = self.job
        if job.report is None or not job.ranks.first:
            return
        # Epochs of a pass may differ from stage to stage; this stage's is taken for all.
        steps = self.loader.steps_per_epoch
        before = sum(stage.epochs for stage in job.stages[: self.index]) * steps
        job.report(
            FitProgress(
                fold=job.number,
                stage=self.stage.name,
                step=before + epoch * steps + step + 1,
                steps=sum(stage.epochs for stage in job.stages) * steps,
                epoch=epoch + 1,
                epochs=self.stage.epochs,
                loss=loss,
                dice=_figure(self.judged.dice if self.judged else None),
                auc=_figure(self.judged.auc if self.judged else None),
            )
        )


def _figure(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
