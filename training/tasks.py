"""The tasks of a demo run: each reads and writes its own files in the work folder, and is done when they are there.

A task that is started again after a death finds its files and does nothing, so a run goes on where it stopped.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from dcis_node.model.bundle import load_bundle
from dcis_node.model.network import UNet
from dcis_node.model.predict import Ensemble
from training.cohort import patient_labels
from training.crops import join_stores, open_store
from training.evaluate import THRESHOLDS, FoundView, GivenView, judge_regions
from training.fit import fit_stage, fresh_branch, load_weights, save_weights, validate
from training.phantoms import Group, make_regions
from training.plan import DemoPlan
from training.progress import Progress, progress_log
from training.sampling import pools
from training.splits import Fold, repeated_folds
from training.whole import Swept, SweptView, judge_whole, sweep_whole, whole_views


@dataclass(frozen=True)
class Run:
    """A run: where it works, by which plan, from which seed."""

    work: Path
    plan: DemoPlan
    seed: int

    def log(self, task: str) -> Path:
        """Give the progress file of a task."""
        return self.work / "progress" / f"{task}.csv"

    def regions(self, group: Group) -> Path:
        """Give the crop store of a group."""
        return self.work / "regions" / group

    def weights(self, name: str) -> Path:
        """Give a weights file."""
        return self.work / "weights" / f"{name}.safetensors"

    def results(self, name: str) -> Path:
        """Give a results file."""
        return self.work / "results" / f"{name}.json"

    def bundle(self, name: str) -> Path:
        """Give the folder of an intermediate bundle."""
        return self.work / "bundles" / name

    def folds(self) -> tuple[Fold, ...]:
        """Draw the folds of the training group."""
        views = [region.view for region in open_store(self.regions("training")).regions]
        return repeated_folds(patient_labels(views, self.plan.scenario), folds=self.plan.folds, seed=self.seed)


def make_group(run: Run, group: Group) -> None:
    """Make the regions of a group."""
    folder = run.regions(group)
    if (folder / "regions.json").exists():
        return
    sizes, fit = run.plan.sizes, run.plan.fit
    learning = group in {"pretraining", "training"}
    patients: int = getattr(sizes, group)
    spacing = fit.preprocessing.input_spacing_mm or 0.07
    if learning:
        # The crop and the shift on both sides, and one pixel for rounding.
        side_mm = fit.train_crop_px * spacing + 2 * fit.augmentation.shift_mm + 0.2
    else:
        side_mm = fit.preprocessing.crop_px * spacing + 0.2
    negatives = {"pretraining": sizes.pretraining_negatives, "training": sizes.training_negatives}.get(group, 0)
    make_regions(
        folder,
        seed=run.seed,
        group=group,
        patients=patients,
        region_mm=side_mm,
        negatives=negatives,
        log=run.log(f"regions-{group}"),
    )


def pretrain(run: Run, *, threads: int = 1) -> None:
    """Train the network that all folds start from, on patients that no fold validates on."""
    if run.weights("pretrained").exists():
        return
    _prepare(run, threads=threads)
    torch.manual_seed(run.seed)
    fit = run.plan.fit
    network = UNet(fit.network)
    store = open_store(run.regions("pretraining"))
    chosen = pools(store, None, run.plan.scenario)
    for number, stage in enumerate(fit.pretraining, start=1):
        name = "pretraining" if number == 1 else f"pretraining-{number}"
        if run.weights(name).exists():
            load_weights(network, run.weights(name))
            continue
        log = run.log("pretraining")
        scenario = run.plan.scenario
        fit_stage(network, store, chosen, stage, plan=fit, scenario=scenario, seed=run.seed, name=name, log=log)
        save_weights(network, run.weights(name))
    save_weights(network, run.weights("pretrained"))


def fit_fold(run: Run, number: int, *, threads: int = 1) -> None:
    """Fit one fold: a short segmentation stage, the joint stage from a fresh branch, and that again, restarted."""
    if run.results(f"fold-{number}").exists():
        return
    _prepare(run, threads=threads)
    fit, scenario = run.plan.fit, run.plan.scenario
    fold = run.folds()[number - 1]
    everywhere = open_store(run.regions("pretraining"))
    store = join_stores(open_store(run.regions("training")), everywhere)
    patients = {region.view.patient for region in everywhere.regions}
    chosen = pools(store, [*fold.training, *sorted(patients)], scenario)
    network = UNet(fit.network)
    log = run.log(f"fold-{number}")
    seed = 100 * run.seed + number
    load_weights(network, run.weights("pretrained"))
    stages = {"segmentation": fit.segmentation, "joint": fit.joint, "restart": fit.restart}
    for name, stage in stages.items():
        done = run.weights(f"fold-{number}-{name}")
        if done.exists():
            load_weights(network, done)
            continue
        if name == "joint":
            fresh_branch(network, seed=seed)
        fit_stage(network, store, chosen, stage, plan=fit, scenario=scenario, seed=seed, name=name, log=log)
        save_weights(network, done)
    save_weights(network, run.weights(f"fold-{number}"))
    figures = validate(network, store, fold.validation, plan=fit, scenario=scenario)
    counts = {"training_patients": len(fold.training) + len(patients), "validation_patients": len(fold.validation)}
    _write(run.results(f"fold-{number}"), {**figures, **counts})


def judge_given(run: Run, group: Group, bundle: str, *, threads: int = 1) -> None:
    """Judge a group's lesion regions."""
    name = f"given-{group}"
    if run.results(name).exists():
        return
    _prepare(run, threads=threads)
    ensemble = Ensemble(load_bundle(run.bundle(bundle)), torch.device("cpu"))
    store = open_store(run.regions(group))
    judged = judge_regions(ensemble, store, plan=run.plan.fit, scenario=run.plan.scenario)
    total = sum(region.view.grade > 0 for region in store.regions)
    _collect(run, name, judged, total=total, words=f"judging regions: {group}")


def sweep_exams(run: Run, bundle: str, *, part: int, parts: int, threads: int = 1) -> None:
    """Sweep a part of the calibration group's whole exams."""
    name = f"swept-{part}"
    if run.results(name).exists():
        return
    ensemble, numbers = _whole(run, bundle, run.plan.sizes.whole_calibration, part=part, parts=parts, threads=threads)
    views = whole_views(ensemble, seed=run.seed, group="calibration", numbers=numbers, scenario=run.plan.scenario)
    swept = (sweep_whole(ensemble, view, thresholds=THRESHOLDS) for view in views)
    _collect(run, name, swept, total=4 * len(numbers), words=f"sweeping whole views, part {part + 1}")


def judge_exams(run: Run, bundle: str, *, part: int, parts: int, threads: int = 1) -> None:
    """Judge a part of the test group's whole exams."""
    name = f"found-{part}"
    if run.results(name).exists():
        return
    ensemble, numbers = _whole(run, bundle, run.plan.sizes.whole_test, part=part, parts=parts, threads=threads)
    views = whole_views(ensemble, seed=run.seed, group="test", numbers=numbers, scenario=run.plan.scenario)
    judged = (judge_whole(ensemble, view) for view in views)
    _collect(run, name, judged, total=4 * len(numbers), words=f"judging whole views, part {part + 1}")


def read_given(run: Run, group: Group) -> list[GivenView]:
    """Read what `judge_given` wrote."""
    rows = _read(run.results(f"given-{group}"))
    return [GivenView(**{**row, **{name: tuple(row[name]) for name in ("probabilities", "dices")}}) for row in rows]


def read_swept(run: Run, *, parts: int) -> list[SweptView]:
    """Read what `sweep_exams` wrote."""
    rows = [row for part in range(parts) for row in _read(run.results(f"swept-{part}"))]
    return [SweptView(row["lesion"], tuple(Swept(**component) for component in row["components"])) for row in rows]


def read_found(run: Run, *, parts: int) -> list[FoundView]:
    """Read what `judge_exams` wrote."""
    return [FoundView(**row) for part in range(parts) for row in _read(run.results(f"found-{part}"))]


def read_folds(run: Run) -> list[dict[str, Any]]:
    """Read the validation figures of each fold."""
    return [_read(run.results(f"fold-{number}")) for number in range(1, run.plan.folds + 1)]


def _whole(run: Run, bundle: str, exams: int, *, part: int, parts: int, threads: int) -> tuple[Ensemble, range]:
    _prepare(run, threads=threads)
    ensemble = Ensemble(load_bundle(run.bundle(bundle)), torch.device("cpu"))
    return ensemble, range(part, exams, parts)


def _prepare(run: Run, *, threads: int) -> None:
    torch.set_num_threads(threads)
    run.weights("x").parent.mkdir(parents=True, exist_ok=True)


def _collect(run: Run, name: str, rows: Iterable[Any], *, total: int, words: str) -> None:
    done = []
    with progress_log(run.log(name)) as write:
        for row in rows:
            done.append(asdict(row))
            if len(done) % 4 == 0 or len(done) == total:
                write(Progress(words, len(done), total))
    _write(run.results(name), done)


def _write(path: Path, values: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(values), encoding="utf-8")
    part.replace(path)


def _read(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_text(encoding="utf-8"))
