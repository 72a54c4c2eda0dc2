"""What a researcher asks `fit` for, and the run that follows: whose images, from which weights, in what batch."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from dcis_node.canonical import digest
from dcis_node.errors import TrainingError
from dcis_node.model.device import has_fast_bfloat16
from storage.durable import file_sha256
from training.batch_size import fits_in_memory, fits_on_gpu, micro_batch
from training.cohort import UNLABELLED, Cohort, CohortView, label
from training.recipe import Recipe, Stage
from training.run import (
    RUN_NAME,
    SEEN_DIGITS,
    WEIGHTS_NAME,
    FoldPatients,
    Pretrained,
    Run,
    create_run,
    open_run,
    software,
)
from training.splits import read_splits

EXTRA = "extra/"
# The largest batch that is tried where `--batch auto` leaves it open on a CPU.
_MOST_ON_CPU = 64


@dataclass(frozen=True)
class FitRequest:
    """What a researcher asks for.

    Parameters
    ----------
    cohort, splits, run
        Paths: the cohort's folder, `splits.json` (None for a pretraining), the run's folder.
    folds
        Numbers from 1; () = all.
    pretrain
        Train `recipe.pretraining` on all patients instead of folds.
    from_pretrained
        Folder of such a run.
    extra
        Folder of a further cohort that trains in every fold and validates in none.
    batch
        None: as the recipe says; a number; 0: the largest that fits. The rate scales with it.
    micro
        Crops at once; None: as the recipe says, or as many as fit.
    processes, threads
        Folds at once, and threads of each.
    """

    cohort: Path
    splits: Path | None
    run: Path
    recipe: Recipe
    scenario: str
    seed: int = 1
    folds: tuple[int, ...] = ()
    pretrain: bool = False
    from_pretrained: Path | None = None
    extra: Path | None = None
    batch: int | None = None
    micro: int | None = None
    processes: int = 1
    threads: int = 1
    device: str = "auto"
    compiled: bool | None = None


def claim_run(request: FitRequest, cohort: Cohort, extra: Cohort | None, *, device: torch.device, world: int) -> Run:
    """Write the run's settings, or find the same ones there."""
    recipe = _staged(request, cohort)
    asked = digest([recipe.to_json(), request.batch, request.micro])
    folds, splits_sha256, held_out = _patients(request, cohort)
    start = _pretrained(request, cohort, held_out)
    if extra is not None:
        _refuse_seen(cohort, held_out, seen_digits(extra.views), "the extra cohort")
        more = tuple(EXTRA + patient for patient in sorted({view.patient for view in extra.views}))
        folds = tuple(replace(fold, training=fold.training + more) for fold in folds)
    run = Run(
        folder=request.run,
        kind="pretraining" if request.pretrain else "folds",
        recipe=recipe,
        asked_sha256=asked,
        scenario=request.scenario,
        seed=request.seed,
        cohort_sha256=cohort.sha256,
        extra_sha256=extra.sha256 if extra else "",
        splits_sha256=splits_sha256,
        pretrained=start,
        synthetic=cohort.synthetic or bool(extra and extra.synthetic) or bool(start and start.synthetic),
        folds=folds,
        software=software(device),
    )
    if not (request.run / RUN_NAME).exists():
        # What fits is found once and kept: a resumption on another day takes the same.
        run = replace(run, recipe=_resolved(request, recipe, device=device, world=world))
    if start is not None and request.from_pretrained is not None and not run.start.exists():
        run.folder.mkdir(parents=True, exist_ok=True)
        part = run.start.with_suffix(".part")
        shutil.copyfile(request.from_pretrained / "pretrained" / WEIGHTS_NAME, part)
        part.replace(run.start)
    return create_run(run)


def _staged(request: FitRequest, cohort: Cohort) -> Recipe:
    """Give the recipe with the stages that this cohort can run."""
    recipe = request.recipe
    if not request.pretrain:
        return recipe
    stages = recipe.pretraining or recipe.stages
    if all(label(view, request.scenario) == UNLABELLED for view in cohort.views):
        # A cohort without grades teaches the outline only.
        stages = tuple(stage for stage in stages if not stage.classification_weight)
    if not stages:
        raise TrainingError(f"recipe {recipe.name} has no stage for a pretraining on a cohort without grades")
    return replace(recipe, pretraining=tuple(replace(stage, keep="last") for stage in stages))


def _patients(request: FitRequest, cohort: Cohort) -> tuple[tuple[FoldPatients, ...], str, set[str]]:
    """Give the folds' patients, the splits' hash, and the patients that no pretraining may have seen."""
    if request.pretrain:
        if request.splits or request.from_pretrained or request.extra:
            raise TrainingError("a pretraining takes all patients of one cohort: no splits, extra cohort or weights")
        return (FoldPatients(tuple(sorted({view.patient for view in cohort.views}))),), "", set()
    if request.splits is None:
        raise TrainingError("folds need the splits: give --splits, or --pretrain to train on all patients")
    splits = read_splits(request.splits, cohort)
    if not splits.folds:
        raise TrainingError("the splits have no folds: all patients are test")
    held_out = {*splits.test, *splits.calibration, *(p for fold in splits.folds for p in fold.validation)}
    return tuple(FoldPatients(fold.training, fold.validation) for fold in splits.folds), splits.sha256, held_out


def _pretrained(request: FitRequest, cohort: Cohort, held_out: set[str]) -> Pretrained | None:
    if request.from_pretrained is None:
        return None
    before = open_run(request.from_pretrained)
    if before.kind != "pretraining":
        raise TrainingError(f"{before.folder} holds folds; --from-pretrained takes a run of fit --pretrain")
    done = before.done(1)
    if done is None:
        raise TrainingError(f"the pretraining in {before.folder} is not done: start it again, it goes on")
    if before.recipe.network != request.recipe.network:
        raise TrainingError(f"the pretraining in {before.folder} has another network than recipe {request.recipe.name}")
    _refuse_seen(cohort, held_out, set(done["seen"]), "the pretraining")
    weights = before.fold_folder(1) / WEIGHTS_NAME
    return Pretrained(file_sha256(weights), before.cohort_sha256, tuple(done["seen"]), before.synthetic)


def _refuse_seen(cohort: Cohort, held_out: set[str], seen: set[str], by: str) -> None:
    """Check that no held-out patient's pixels were trained on elsewhere."""
    found = [v.image for v in cohort.views if v.patient in held_out and v.pixels_sha256[:SEEN_DIGITS] in seen]
    if found:
        few = ", ".join(found[:3]) + (" ..." if len(found) > 3 else "")
        msg = f"{by} has {len(found)} images of this cohort's test, calibration or validation patients: {few}"
        raise TrainingError(msg)


def _resolved(request: FitRequest, recipe: Recipe, *, device: torch.device, world: int) -> Recipe:
    """Fill in batch and micro-batch: what fits on this device."""
    stages = recipe.pretraining if request.pretrain else recipe.stages
    most = max(stage.batch for stage in stages) if request.batch is None else request.batch or None
    given = request.micro or recipe.micro_batch
    fits = given or _fits(recipe, device, most=most, processes=request.processes)
    if request.batch is not None:
        size = request.batch or fits * world
        recipe = replace(recipe, stages=_batched(recipe.stages, size), pretraining=_batched(recipe.pretraining, size))
        most = size
    return replace(recipe, micro_batch=given or micro_batch(most or fits, fits=fits, world=world))


def _fits(recipe: Recipe, device: torch.device, *, most: int | None, processes: int) -> int:
    if device.type == "cuda":
        bfloat16 = recipe.precision == "bfloat16" or (recipe.precision == "auto" and has_fast_bfloat16(device))
        return fits_on_gpu(recipe, device, bfloat16=bfloat16, **({"most": most} if most else {}))
    return max(1, fits_in_memory(recipe, most=(most or _MOST_ON_CPU) * processes) // processes)


def _batched(stages: tuple[Stage, ...], batch: int) -> tuple[Stage, ...]:
    return tuple(replace(stage, batch=batch) for stage in stages)


def seen_digits(views: Sequence[CohortView]) -> set[str]:
    """Give the first digits of each view's pixel hash: enough to know an image again, and no image can be told by."""
    return {view.pixels_sha256[:SEEN_DIGITS] for view in views if view.pixels_sha256}
