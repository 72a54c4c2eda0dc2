"""From a cohort and its splits to fitted folds: what `dcis-train fit` does, without its bars."""

import multiprocessing
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

import torch

from dcis_node.errors import TrainingError
from dcis_node.model.device import choose_device
from storage.durable import file_sha256
from training.claim import EXTRA, FitRequest, claim_run, seen_digits
from training.cohort import Cohort, CohortView, read_cohort
from training.crop_store import build_store
from training.crops import CropStore, join_stores
from training.distributed import Ranks, joined_ranks
from training.engine import FitJob, FitProgress, fit
from training.files import write_json
from training.run import DONE_NAME, WEIGHTS_NAME, FoldPatients, Run, fold_seed, open_run
from training.statistics import rounded

_POLL_SECONDS = 0.5
Report = Callable[[FitProgress], None]
Cut = Callable[[int, int], None]


def fit_request(request: FitRequest, *, report: Report | None = None, cut: Cut | None = None) -> Run:
    """Make or go on with a run: crops, then the folds that are not done.

    Parameters
    ----------
    report
        Called after each step of each fold.
    cut
        Called as the crops are cut, with (patients done, patients in all).

    Raises
    ------
    TrainingError
        If the run's folder is another's, cohort, splits or weights do not fit one another, or a fold stops.
    """
    with joined_ranks(_device(request.device)) as (ranks, device):
        torch.set_num_threads(request.threads)
        if ranks.first:
            cohort, extra = _cohorts(request)
            run = claim_run(request, cohort, extra, device=device, world=ranks.world)
            cut_crops(run, cohort, extra, processes=request.processes, cut=cut)
        ranks.wait()
        run = open_run(request.run)
        numbers = _asked(run, request.folds)
        left = [number for number in numbers if run.done(number) is None]
        # Asked once, before any rank ends a fold.
        ranks.wait()
        if request.processes > 1 and len(left) > 1 and ranks.world == 1:
            _fit_in_processes(left, request, report=report)
        elif left:
            store = cut_crops(run, *_cohorts(request))
            for number in left:
                fit_fold(
                    run, number, store, device=device, compiled=_compiled(request, device), ranks=ranks, report=report
                )
    return run


def fit_fold(
    run: Run,
    number: int,
    store: CropStore,
    *,
    device: torch.device,
    compiled: bool = False,
    ranks: Ranks | None = None,
    report: Report | None = None,
) -> None:
    """Fit one fold of a run, from its newest checkpoint.

    Parameters
    ----------
    store
        Of `cut_crops`.
    """
    ranks = ranks or Ranks()
    folder, patients = run.fold_folder(number), run.folds[number - 1]
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
            "weights_sha256": file_sha256(folder / WEIGHTS_NAME),
        }
        write_json(folder / DONE_NAME, {**figures, **_counts(run, patients, store)})
    ranks.wait()


def cut_crops(
    run: Run, cohort: Cohort, extra: Cohort | None, *, processes: int = 1, cut: Cut | None = None
) -> CropStore:
    """Cut the crops of all patients that train or validate in any fold, or take those that were cut before.

    Those held out are never touched. The extra cohort's patients get keys of their own: two cohorts may use the same.
    """
    wanted = {patient for fold in run.folds for patient in (*fold.training, *fold.validation)}
    rows = [view for view in cohort.views if view.patient in wanted]
    store = build_store(cohort, rows, run.crops, recipe=run.recipe, seed=run.seed, processes=processes, progress=cut)
    if extra is None:
        return store
    more = build_store(
        extra, extra.views, run.crops, recipe=run.recipe, seed=run.seed, processes=processes, progress=cut
    )
    regions = tuple(
        replace(region, view=replace(region.view, patient=EXTRA + region.view.patient)) for region in more.regions
    )
    return join_stores(store, replace(more, regions=regions))


def _cohorts(request: FitRequest) -> tuple[Cohort, Cohort | None]:
    return read_cohort(request.cohort), read_cohort(request.extra) if request.extra else None


def _compiled(request: FitRequest, device: torch.device) -> bool:
    return device.type == "cuda" if request.compiled is None else request.compiled


def _counts(run: Run, patients: FoldPatients, store: CropStore) -> dict[str, Any]:
    views = [region.view for region in store.regions]
    training = _rows_of(views, patients.training)
    seen = {*seen_digits(_rows_of(views, patients.validation)), *seen_digits(training)}
    return {
        "training_patients": len({view.patient for view in training}),
        "validation_patients": len(patients.validation),
        "training_images": len({view.pixels_sha256 or view.image for view in training}),
        "seen": sorted(seen | set(run.pretrained.seen if run.pretrained else ())),
    }


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


def _fit_in_processes(numbers: Sequence[int], request: FitRequest, *, report: Report | None) -> None:
    """Fit several folds at once, each in a process of its own; the first failure is raised when all have ended."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(request.processes, mp_context=context) as pool:
        told: queue.Queue[FitProgress] = manager.Queue()
        running = [pool.submit(_fit_elsewhere, request, number, told) for number in numbers]
        left = set(running)
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


def _fit_elsewhere(request: FitRequest, number: int, told: "queue.Queue[FitProgress]") -> None:
    torch.set_num_threads(request.threads)
    run, device = open_run(request.run), _device(request.device)
    store = cut_crops(run, *_cohorts(request))
    fit_fold(run, number, store, device=device, compiled=_compiled(request, device), report=told.put)
