"""From a seed to the shipped synthetic bundle: phantoms, two stages, five folds, calibration, held-out figures."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import dcis_node
from dcis_node.errors import TrainingError
from dcis_node.model.bundle import Bundle, write_bundle
from dcis_node.model.calibration import Calibration
from dcis_node.model.localise import Localisation
from dcis_node.model.network import UNet
from training import figures, tasks
from training.calibrate import calibrated_means, fit_calibration
from training.choose import choose_localisation, choose_threshold
from training.evaluate import by_patient
from training.fit import load_weights
from training.plan import DemoPlan
from training.schedule import Report, Task, run_tasks
from training.statistics import operating_point
from training.tasks import Run

NAME = "dcis-demo-synthetic"


def make_demo_bundle(
    out: Path, *, seed: int, plan: DemoPlan, work: Path, version: str, processes: int, report: Report
) -> Bundle:
    """Make the bundle; a work folder of the same seed and plan goes on where it stopped.

    Parameters
    ----------
    out
        New or empty folder for the bundle.
    work
        Folder for crops, weights and results, some gigabytes; it can be deleted afterwards.
    processes
        How many single-thread processes work at once; 0 works in this one.

    Raises
    ------
    TrainingError
        If the work folder belongs to another seed or plan, or a fit fails.
    """
    run = Run(work, plan, seed)
    _claim(run)
    shares = max(processes, 1)
    parts = range(shares)

    def go(*listed: Task) -> None:
        run_tasks(listed, processes=processes, logs=work / "progress", report=report)

    go(*_fit_tasks(run))
    folds = [_fold_weights(run, number) for number in range(1, plan.folds + 1)]
    settings = _settings(run, version)
    _once(run, "uncalibrated", lambda folder: write_bundle(folder, folds, settings=settings))
    go(
        Task("given-calibration", tasks.judge_given, (run, "calibration", "uncalibrated"), {}),
        *(_part(f"swept-{i}", tasks.sweep_exams, run, "uncalibrated", i, shares) for i in parts),
    )
    settings, chosen = _calibrate(run, settings, parts=shares)
    _once(run, "candidate", lambda folder: write_bundle(folder, folds, settings=settings))
    go(
        Task("given-test", tasks.judge_given, (run, "test", "candidate"), {}),
        *(_part(f"found-{i}", tasks.judge_exams, run, "candidate", i, shares) for i in parts),
    )
    outline_from = settings["localisation"].threshold
    held_out = figures.held_out(run, threshold=settings["threshold"], outline_from=outline_from, parts=shares)
    record = {**settings["training"], "chosen_on_calibration": chosen, "folds": tasks.read_folds(run)}
    return write_bundle(out, folds, settings={**settings, "figures": held_out, "training": record})


def _fit_tasks(run: Run) -> list[Task]:
    numbers = range(1, run.plan.folds + 1)
    return [
        Task("regions-pretraining", tasks.make_group, (run, "pretraining"), {}),
        Task("regions-training", tasks.make_group, (run, "training"), {}),
        Task("pretraining", tasks.pretrain, (run,), {}, after=("regions-pretraining",)),
        Task("regions-calibration", tasks.make_group, (run, "calibration"), {}),
        Task("regions-test", tasks.make_group, (run, "test"), {}),
        *(Task(f"fold-{i}", tasks.fit_fold, (run, i), {}, after=("pretraining", "regions-training")) for i in numbers),
    ]


def _part(name: str, call: Callable[..., None], run: Run, bundle: str, part: int, parts: int) -> Task:
    return Task(name, call, (run, bundle), {"part": part, "parts": parts})


def _settings(run: Run, version: str) -> dict[str, Any]:
    """Give the manifest's keys before anything was calibrated."""
    preprocessing = run.plan.fit.preprocessing
    return {
        "name": NAME,
        "version": version,
        "scenario": run.plan.scenario,
        "synthetic": True,
        "network": run.plan.fit.network,
        "preprocessing": preprocessing,
        "localisation": Localisation(rank="calcifications"),
        "calibration": Calibration(),
        "threshold": 0.5,
        "figures": {},
        "training": {
            "data": "phantoms of this project; no patient's image was used",
            "seed": run.seed,
            "plan": run.plan.to_json(),
            "software": {"dcis-node": dcis_node.__version__, "torch": torch.__version__, "numpy": np.__version__},
            "stages": "segmentation, then segmentation and classification, pre-trained once on patients that train in "
            "every fold and validate in none; then in each fold a short segmentation stage, the joint stage from a "
            "fresh classification branch, and the joint stage again from a restarted learning rate",
        },
    }


def _calibrate(run: Run, settings: dict[str, Any], *, parts: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Choose calibration, operating point and localisation on the calibration group."""
    given = tasks.read_given(run, "calibration")
    outline_from = choose_threshold(given)
    localisation, reached = choose_localisation(tasks.read_swept(run, parts=parts), threshold=outline_from)
    _, raw, labels = by_patient(given)
    calibration = fit_calibration(raw, labels)
    threshold = round(operating_point(labels, calibrated_means(raw, calibration)), 4)
    chosen = {
        "calibration": calibration.to_json(),
        "threshold": threshold,
        "rule": "highest threshold with a negative predictive value of at least 0.909",
        "localisation": reached,
        "patients": len(labels),
    }
    return {
        **settings,
        "localisation": localisation,
        "calibration": calibration,
        "threshold": threshold,
    }, chosen


def _fold_weights(run: Run, number: int) -> dict[str, torch.Tensor]:
    network = UNet(run.plan.fit.network)
    load_weights(network, run.weights(f"fold-{number}"))
    return dict(network.state_dict())


def _once(run: Run, name: str, make: Callable[[Path], Bundle]) -> None:
    """Write an intermediate bundle unless an earlier start of this run did."""
    if not (run.bundle(name) / "manifest.json").exists():
        make(run.bundle(name))


def _claim(run: Run) -> None:
    """Make the work folder this run's own, or check that it is."""
    run.work.mkdir(parents=True, exist_ok=True)
    mark = run.work / "run.json"
    mine = json.loads(json.dumps({"seed": run.seed, "plan": run.plan.to_json()}))
    if not mark.exists():
        mark.write_text(json.dumps(mine, indent=2), encoding="utf-8")
    elif json.loads(mark.read_text(encoding="utf-8")) != mine:
        msg = f"the work folder {run.work} belongs to another seed or plan; give another --work or delete it"
        raise TrainingError(msg)
