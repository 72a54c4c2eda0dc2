"""From a fitted run to a bundle: calibrate, choose, write."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dcis_node.canonical import digest
from dcis_node.errors import TrainingError
from dcis_node.model.bundle import Bundle, load_bundle, write_bundle
from dcis_node.model.calibration import Calibration
from dcis_node.model.localise import Localisation
from dcis_node.model.manifest import MANIFEST_NAME
from training.bundle_record import BundleSource, chosen_figures, chosen_record, training_record
from training.calibrate import fit_calibration
from training.calibration_side import Part, calibration_side, patient_probabilities, raw_of
from training.choosing import choose, judge_for_choice
from training.cohort import read_cohort
from training.judging_job import Job, Row, judge_patients
from training.run import WEIGHTS_NAME, Run, open_run
from training.splits import read_splits
from training.statistics.operating import operating_point

WORK_NAME = "bundle-work"
SYNTHETIC = "synthetic"

# What is being done, how many patients are done, of how many.
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class BundleRequest:
    """What is made from what.

    Parameters
    ----------
    run, cohort, splits
        Folder, folder, file.
    images
        Where the image files are now, if they were moved.
    sweep_patients
        Whole views of so many patients, the first by key, are swept to choose the localisation; 0 chooses by the
        outlines alone.
    npv
        What a low call is to be worth at the bundle's operating point.
    """

    run: Path
    cohort: Path
    splits: Path
    name: str
    version: str
    images: Path | None = None
    sweep_patients: int = 40
    npv: float = 0.909


def make_bundle(request: BundleRequest, out: Path, *, device: str, processes: int, tell: Tell) -> Bundle:
    """Make the bundle of a run's folds; what was judged is kept in the run's folder, so a stopped one goes on.

    Parameters
    ----------
    out
        New or empty folder.

    Raises
    ------
    TrainingError
        If the run was made from another cohort or other splits, a fold is not done, the patients to calibrate on lack
        a class, or the name of a bundle made from phantoms does not say so.
    BundleError
        If a setting is wrong, or a weight does not fit float16.
    """
    source = _open(request)
    if out.exists() and any(out.iterdir()):
        raise TrainingError(f"{out} is not empty; a bundle is never overwritten")
    folder, plain = _uncalibrated(source.run, synthetic=source.synthetic)
    judge = _Judging(folder, plain.sha256, device, processes, tell)
    rows = [row for part in source.side.parts for row in _judge(source, request, part, judge)]
    choice = choose(rows, classes=source.run.recipe.network.segmentation_classes)
    calibration = fit_calibration(*raw_of(rows))
    probabilities = patient_probabilities(rows, calibration)
    threshold = round(operating_point(*probabilities, npv=request.npv), 6)
    chosen = chosen_record(source, choice, calibration, probabilities, threshold=threshold, npv=request.npv)
    settings = {
        **_settings(source.run, request.name, request.version, synthetic=source.synthetic),
        "localisation": choice.localisation,
        "calibration": calibration,
        "threshold": threshold,
        "figures": chosen_figures(source, choice, probabilities, threshold=threshold),
        "training": {**training_record(source), "chosen": chosen},
    }
    return write_bundle(out, plain.folds, settings=settings)


@dataclass(frozen=True)
class _Judging:
    """With what, and how, the calibration side is judged."""

    bundle: Path
    bundle_sha256: str
    device: str
    processes: int
    tell: Tell


def _open(request: BundleRequest) -> BundleSource:
    cohort = read_cohort(request.cohort, images=request.images)
    splits = read_splits(request.splits, cohort)
    run = open_run(request.run)
    if run.kind != "folds":
        raise TrainingError(f"{run.folder} is a pretraining; a bundle is made of the folds that start from it")
    told = {"cohort": (run.cohort_sha256, cohort.sha256), "splits": (run.splits_sha256, splits.sha256)}
    for name, (fitted, here) in told.items():
        if fitted != here:
            raise TrainingError(f"the run was fitted on the {name} {fitted[:12]}, this is {here[:12]}")
    left = ", ".join(str(number) for number in run.numbers if run.done(number) is None)
    if left:
        raise TrainingError(f"fold {left} of the run is not done; `dcis-train fit` with the same --run goes on with it")
    synthetic = run.synthetic or cohort.synthetic
    if synthetic and SYNTHETIC not in request.name:
        msg = f"the name of a bundle made from phantoms must say so: {request.name}-{SYNTHETIC} is allowed"
        raise TrainingError(msg)
    return BundleSource(run, cohort, splits, calibration_side(run, cohort, splits), synthetic)


def _uncalibrated(run: Run, *, synthetic: bool) -> tuple[Path, Bundle]:
    """Write the folds as a bundle that leaves probabilities as they are, or take that of an earlier start."""
    files = [run.fold_folder(number) / WEIGHTS_NAME for number in run.numbers]
    key = digest([hashlib.sha256(_weights_bytes(path)).hexdigest() for path in files])
    folder = run.folder / WORK_NAME / key[:16]
    if (folder / MANIFEST_NAME).exists():
        return folder, load_bundle(folder)
    settings = {
        **_settings(run, "uncalibrated", "0", synthetic=synthetic),
        "localisation": Localisation(),
        "calibration": Calibration(),
        "threshold": 0.5,
        "figures": {},
        "training": {},
    }
    return folder, write_bundle(folder, [_weights(path) for path in files], settings=settings)


def _weights_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}") from error


def _weights(path: Path) -> Mapping[str, Tensor]:
    try:
        weights: Mapping[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise TrainingError(f"{path} is not a safetensors file") from error
    return weights


def _settings(run: Run, name: str, version: str, *, synthetic: bool) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "scenario": run.scenario,
        "synthetic": synthetic,
        "network": run.recipe.network,
        "preprocessing": run.recipe.preprocessing,
    }


def _judge(source: BundleSource, request: BundleRequest, part: Part, judging: _Judging) -> list[Row]:
    """Judge one part of the calibration side with the folds that may judge it."""
    # Out of fold the sweeps are shared among the folds.
    share = -(-request.sweep_patients // len(source.side.parts))
    swept = frozenset(sorted(part.patients)[:share])
    job = Job(
        bundle=judging.bundle,
        bundle_sha256=judging.bundle_sha256,
        cohort=source.cohort.folder,
        images=source.cohort.images,
        cohort_sha256=source.cohort.sha256,
        work=source.run.folder / WORK_NAME / "judged",
        device=judging.device,
        fold=part.fold,
        swept=swept,
        healthy=swept,
    )
    what = "calibration patients" if part.fold is None else f"validation of fold {part.fold}"
    return judge_patients(
        job,
        part.patients,
        judge=judge_for_choice,
        processes=judging.processes,
        progress=lambda done, total: judging.tell(what, done, total),
    )
