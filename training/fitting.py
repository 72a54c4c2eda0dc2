"""From a cohort and its splits to fitted folds: what `dcis-train fit` does, without its bars."""

import multiprocessing
import queue
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from dcis_node.errors import TrainingError
from dcis_node.model.device import choose_device, has_fast_bfloat16
from storage.durable import file_sha256
from training.batch_size import fits_in_memory, fits_on_gpu, micro_batch
from training.cohort import UNLABELLED, Cohort, CohortView, digest, label, read_cohort
from training.crop_store import build_store
from training.crops import CropStore, join_stores, open_store
from training.distributed import Ranks, joined_ranks
from training.engine import FitJob, FitProgress, fit
from training.files import write_json
from training.recipe import Recipe, Stage
from training.run import (
    DONE_NAME,
    RUN_NAME,
    SEEN_DIGITS,
    WEIGHTS_NAME,
    FoldPatients,
    Pretrained,
    Run,
    create_run,
    fold_seed,
    open_run,
    software,
)
from training.splits import read_splits
from training.statistics import rounded

EXTRA = "extra/"
_POLL_SECONDS = 0.5


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


Report = Callable[[FitProgress], None]
Cut = Callable[[int, int], None]  # regions cut, regions in all


def fit_request(request: FitRequest, *, report: Report | None = None, cut: Cut | None = None) -> Run:
    """Make or go on with a run: crops, then the folds that are not done.

    Raises
    ------
    TrainingError
        If the run's folder is another's, cohort, splits or weights do not fit one another, or a fold stops.
    """
    with joined_ranks(_device(request.device)) as (ranks, device):
        torch.set_num_threads(request.threads)
        cohort = read_cohort(request.cohort)
        extra = read_cohort(request.extra) if request.extra else None
        if ranks.first:
            run = _claim(request, cohort, extra, device=device, world=ranks.world)
            _cut(run, cohort, extra, cut=cut)
        ranks.wait()
        run = open_run(request.run)
        numbers = _asked(run, request.folds)
        compiled = device.type == "cuda" if request.compiled is None else request.compiled
        if request.processes > 1 and len(numbers) > 1 and ranks.world == 1:
            _fit_in_processes(run, numbers, request, device=str(device), compiled=compiled, report=report)
        else:
            for number in numbers:
                fit_fold(run, number, device=device, compiled=compiled, ranks=ranks, report=report)
    return run


def fit_fold(
    run: Run,
    number: int,
    *,
    device: torch.device,
    compiled: bool = False,
    ranks: Ranks | None = None,
    report: Report | None = None,
) -> None:
    """Fit one fold of a run, from its newest checkpoint; does nothing if it is done."""
    if run.done(number) is not None:
        return
    ranks = ranks or Ranks()
    folder, patients, store = run.fold_folder(number), run.folds[number - 1], open_crops(run)
    job = FitJob(
        folder=folder,
        number=number,
        recipe=run.recipe,
        stages=run.stages(),
        store=store,
        training=patients.training,
        validation=patients.validation,
        scenario=run.scenario,
        seed=fold_seed(run, number),
        device=device,
        start=run.start if run.pretrained else None,
        compiled=compiled,
        ranks=ranks,
        report=report,
    )
    judged = fit(job)
    if ranks.first:
        figures = {
            "patient_auc": rounded(judged.auc) if judged else None,
            "dice": rounded(judged.dice) if judged else None,
        }
        write_json(folder / DONE_NAME, {**figures, **_counts(run, patients, store)})
    ranks.wait()


def open_crops(run: Run) -> CropStore:
    """Open a run's crops: the cohort's, and after them those of the extra cohort."""
    store = open_store(run.crops)
    return join_stores(store, _prefixed(open_store(_extra_crops(run)))) if run.extra_sha256 else store


def _extra_crops(run: Run) -> Path:
    return run.folder / "crops-extra"


def _prefixed(store: CropStore) -> CropStore:
    """Give the extra cohort's patients keys of their own: two cohorts may use the same."""
    regions = tuple(
        replace(region, view=replace(region.view, patient=EXTRA + region.view.patient)) for region in store.regions
    )
    return replace(store, regions=regions)


def _counts(run: Run, patients: FoldPatients, store: CropStore) -> dict[str, Any]:
    views = [region.view for region in store.regions]
    training = _rows_of(views, patients.training)
    seen = {*seen_digits(_rows_of(views, patients.validation)), *seen_digits(training)}
    return {
        "training_patients": len({view.patient for view in training}),
        "validation_patients": len(patients.validation),
        "training_images": len({view.pixels_sha256 or view.image for view in training}),
        "weights_sha256": file_sha256(run.fold_folder(run.folds.index(patients) + 1) / WEIGHTS_NAME),
        "seen": sorted(seen | set(run.pretrained.seen if run.pretrained else ())),
    }


def seen_digits(views: Sequence[CohortView]) -> set[str]:
    """Give the first digits of each view's pixel hash: enough to know an image again, and no image can be told by."""
    return {view.pixels_sha256[:SEEN_DIGITS] for view in views if view.pixels_sha256}


def _rows_of(views: Sequence[CohortView], patients: Sequence[str]) -> list[CohortView]:
    wanted = set(patients)
    return [view for view in views if view.patient in wanted]


def _device(name: str) -> torch.device:
    try:
        return choose_device(name)
    except ValueError as error:
        raise TrainingError(str(error)) from error


def _asked(run: Run, folds: Sequence[int]) -> tuple[int, ...]:
    unknown = sorted(set(folds) - set(run.numbers))
    if unknown:
        raise TrainingError(f"there is no fold {unknown[0]}: the splits have folds 1 to {len(run.folds)}")
    return tuple(sorted(set(folds))) or run.numbers


def _claim(request: FitRequest, cohort: Cohort, extra: Cohort | None, *, device: torch.device, world: int) -> Run:
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
    return max(1, fits_in_memory(recipe, most=(most or 64) * processes) // processes)


def _batched(stages: tuple[Stage, ...], batch: int) -> tuple[Stage, ...]:
    return tuple(replace(stage, batch=batch) for stage in stages)


def _cut(run: Run, cohort: Cohort, extra: Cohort | None, *, cut: Cut | None) -> None:
    """Cut the crops of all patients that train or validate in any fold; those held out are never touched."""
    wanted = {patient for fold in run.folds for patient in (*fold.training, *fold.validation)}
    rows = [view for view in cohort.views if view.patient in wanted]
    build_store(cohort, rows, run.crops, recipe=run.recipe, progress=cut)
    if extra is not None:
        build_store(extra, list(extra.views), _extra_crops(run), recipe=run.recipe, progress=cut)


def _fit_in_processes(
    run: Run, numbers: Sequence[int], request: FitRequest, *, device: str, compiled: bool, report: Report | None
) -> None:
    """Fit several folds at once, each in a process of its own; the first failure is raised when all have ended."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(request.processes, mp_context=context) as pool:
        told: queue.Queue[FitProgress] = manager.Queue()
        running: list[Future[None]] = [
            pool.submit(
                _fit_elsewhere,
                run.folder,
                number,
                device=device,
                compiled=compiled,
                threads=request.threads,
                told=told,
            )
            for number in numbers
        ]
        left: set[Future[None]] = set(running)
        while left:
            _, left = wait(left, timeout=_POLL_SECONDS)
            while not told.empty():
                line = told.get()
                if report is not None:
                    report(line)
        for number, future in zip(numbers, running, strict=True):
            try:
                future.result()
            except BrokenProcessPool as error:
                msg = f"the process of fold {number} or of one beside it was killed; start fit again, it goes on"
                raise TrainingError(msg) from error


def _fit_elsewhere(
    folder: Path, number: int, *, device: str, compiled: bool, threads: int, told: "queue.Queue[FitProgress]"
) -> None:
    torch.set_num_threads(threads)
    fit_fold(open_run(folder), number, device=torch.device(device), compiled=compiled, report=told.put)
