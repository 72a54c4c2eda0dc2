"""Judge many patients in several processes; what was judged stays judged when a run dies."""

import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from dcis_node.canonical import digest
from dcis_node.errors import TrainingError
from dcis_node.model.bundle import Bundle, load_bundle
from dcis_node.model.device import choose_device
from dcis_node.model.predict import Ensemble
from training.cohort import Cohort, CohortView, read_cohort
from training.files import write_json
from training.images import load_view
from training.judging import PreparedView, prepare

# What is said of one view: plain values.
Row = dict[str, Any]
# Done, of how many patients.
Progress = Callable[[int, int], None]
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Job:
    """What a process needs to judge by itself.

    Parameters
    ----------
    bundle, cohort, images
        Folders.
    bundle_sha256, cohort_sha256
        What must lie there.
    work
        Folder of the patients' files; it can be deleted afterwards.
    device
        For `choose_device`.
    fold
        Of the bundle, to judge with it alone; None = the whole ensemble.
    swept, healthy
        Patients whose views with a lesion, and whose views without one, are swept.
    """

    bundle: Path
    bundle_sha256: str
    cohort: Path
    images: Path
    cohort_sha256: str
    work: Path
    device: str = "cpu"
    fold: int | None = None
    swept: frozenset[str] = frozenset()
    healthy: frozenset[str] = frozenset()

    def sweeps(self, row: CohortView) -> bool:
        """Tell whether a row's whole view is swept."""
        return row.patient in (self.swept if row.lesion else self.healthy)

    @property
    def stop(self) -> Path:
        """File that says to all processes that one of them failed."""
        return self.work / "stop"

    def file(self, patient: str, purpose: str) -> Path:
        """Name the file of a patient; another bundle, cohort or question has another."""
        asked = [patient in self.swept, patient in self.healthy, self.fold]
        key = digest([purpose, self.bundle_sha256, self.cohort_sha256, patient, asked])
        return self.work / f"{purpose}-{key[:24]}.json"


# A top-level function: (ensemble, prepared view, row, swept or not) -> plain values; its name is the purpose.
Judge = Callable[[Ensemble, PreparedView, CohortView, bool], Row]


def judge_patients(job: Job, patients: Sequence[str], *, judge: Judge, processes: int, progress: Progress) -> list[Row]:
    """Judge all rows of the patients: those with a lesion, and those without one that are swept.

    Parameters
    ----------
    judge
        What is done with each view.
    processes
        How many single-thread processes work at once; 0 works in this one.
    progress
        Told at the start and whenever a patient is done.

    Returns
    -------
    The rows of the patients in their order, each patient's views in the cohort's.

    Raises
    ------
    TrainingError
        If bundle or cohort are not those of the job, or a view cannot be judged; what was done is kept.
    """
    usable_device(job.device)
    job.stop.unlink(missing_ok=True)
    ordered = list(dict.fromkeys(patients))
    left = [patient for patient in ordered if not job.file(patient, judge.__name__).exists()]

    def tell() -> None:
        progress(sum(job.file(patient, judge.__name__).exists() for patient in ordered), len(ordered))

    tell()
    if left and processes == 0:
        _judge_share(job, left, judge, tell)
    elif left:
        _in_processes(job, left, judge, processes, tell)
    return [row for patient in ordered for row in _read(job.file(patient, judge.__name__))]


def _in_processes(job: Job, left: Sequence[str], judge: Judge, processes: int, tell: Callable[[], None]) -> None:
    # Spawned, not forked: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    shares = [left[start::processes] for start in range(min(processes, len(left)))]
    with ProcessPoolExecutor(len(shares), mp_context=context) as pool:
        running = {pool.submit(_judge_alone, job, share, judge) for share in shares}
        while running:
            done, running = wait(running, timeout=_POLL_SECONDS)
            tell()
            for future in done:
                _result(job, future)


def _result(job: Job, future: Future[None]) -> None:
    """Pass on what a process died of; the others stop after the patient they are at."""
    if future.exception() is not None:
        job.stop.touch()
    try:
        future.result()
    except BrokenProcessPool as error:
        msg = "a process was killed, perhaps for want of memory; start again with fewer --processes, it goes on"
        raise TrainingError(msg) from error


def _judge_alone(job: Job, patients: Sequence[str], judge: Judge) -> None:
    torch.set_num_threads(1)
    _judge_share(job, patients, judge, _nobody)


def _judge_share(job: Job, patients: Sequence[str], judge: Judge, tell: Callable[[], None]) -> None:
    cohort = read_cohort(job.cohort, images=job.images)
    if cohort.sha256 != job.cohort_sha256:
        raise TrainingError("the cohort changed while it was being judged")
    ensemble = Ensemble(_bundle(job), usable_device(job.device))
    for patient in patients:
        if job.stop.exists():
            return
        rows = [row for row in cohort.views if row.patient == patient and (row.lesion or job.sweeps(row))]
        judged = [_judge_row(ensemble, cohort, row, judge, sweep=job.sweeps(row)) for row in rows]
        write_json(job.file(patient, judge.__name__), {"views": judged})
        tell()


def _judge_row(ensemble: Ensemble, cohort: Cohort, row: CohortView, judge: Judge, *, sweep: bool) -> Row:
    prepared = prepare(load_view(cohort, row), row, ensemble.bundle.preprocessing)
    return judge(ensemble, prepared, row, sweep)


def usable_device(name: str) -> torch.device:
    """Give the device of that name.

    Raises
    ------
    TrainingError
        If there is none.
    """
    try:
        return choose_device(name)
    except ValueError as error:
        raise TrainingError(str(error)) from error


def _bundle(job: Job) -> Bundle:
    """Load the job's bundle, or one fold of it."""
    bundle = load_bundle(job.bundle, expected_sha256=job.bundle_sha256)
    return bundle if job.fold is None else replace(bundle, folds=(bundle.folds[job.fold - 1],))


def _read(path: Path) -> list[Row]:
    rows: list[Row] = json.loads(path.read_text(encoding="ascii"))["views"]
    return rows


def _nobody() -> None:
    """Tell nobody."""
