"""The folder of a run: what it is made from, and where its parts lie.

`run.json` is written once and holds all that a fold needs, so a process, a rank or a resumption needs the folder alone.
"""

import json
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import ValidationError

import dcis_node
from dcis_node.canonical import digest
from dcis_node.errors import TrainingError
from training.cohort import SCENARIOS
from training.files import write_json
from training.recipe import Recipe, Stage

RUN_NAME, DONE_NAME, WEIGHTS_NAME = "run.json", "done.json", "weights.safetensors"
RUN_FORMAT = "dcis-run/1"
SEEN_DIGITS = 12


@dataclass(frozen=True)
class FoldPatients:
    """Keys of the patients of one fold; in a pretraining nobody validates.

    Parameters
    ----------
    training
        Those of a further cohort (`--extra`) begin with `extra/`: two cohorts may use the same keys.
    """

    training: tuple[str, ...]
    validation: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pretrained:
    """The run whose weights every fold starts from.

    Parameters
    ----------
    sha256
        Of the weights' file, copied into the run as `start.safetensors`.
    cohort_sha256
        Of the cohort it was trained on.
    seen
        First 12 hexadecimal digits of the `pixels_sha256` of every image it trained on.
    synthetic
        True if any of them was a phantom's.
    """

    sha256: str
    cohort_sha256: str
    seen: tuple[str, ...]
    synthetic: bool


@dataclass(frozen=True)
class Run:
    """A run as it lies on disk.

    Parameters
    ----------
    folder
        Where it is.
    kind
        `folds`, or `pretraining`: one fit on all patients of a cohort, that folds of another run start from.
    recipe
        As it runs: batch and micro-batch are filled in.
    asked_sha256
        Digest of the recipe and the batch as they were asked for, so that asking again finds the same run.
    seed
        Equal seeds, recipes and cohorts give equal weights on a CPU.
    cohort_sha256, extra_sha256, splits_sha256
        What it was made from; "" where there is none.
    pretrained
        None if the folds start from random weights.
    synthetic
        True if any image that a weight depends on is a phantom's.
    folds
        The patients of fold 1, 2, ...; of the one fit in a pretraining.
    software
        Versions, and the device.
    """

    folder: Path
    kind: Literal["folds", "pretraining"]
    recipe: Recipe
    asked_sha256: str
    scenario: str
    seed: int
    cohort_sha256: str
    extra_sha256: str
    splits_sha256: str
    pretrained: Pretrained | None
    synthetic: bool
    folds: tuple[FoldPatients, ...]
    software: dict[str, str] = field(default_factory=dict)

    @property
    def pretrained_sha256(self) -> str:
        """Hash of the weights it started from; "" if it started from random ones."""
        return self.pretrained.sha256 if self.pretrained else ""

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the folds, from 1."""
        return tuple(range(1, len(self.folds) + 1))

    @property
    def crops(self) -> Path:
        """Folder of the cut crops."""
        return self.folder / "crops"

    @property
    def start(self) -> Path:
        """File of the weights that every fold starts from, if it is pretrained."""
        return self.folder / "start.safetensors"

    def fold_folder(self, number: int) -> Path:
        """Give the folder of a fold, from 1; of the one fit in a pretraining."""
        return self.folder / ("pretrained" if self.kind == "pretraining" else f"fold-{number}")

    def stages(self) -> tuple[Stage, ...]:
        """Give the stages that each fold runs."""
        return self.recipe.pretraining if self.kind == "pretraining" else self.recipe.stages

    def done(self, number: int) -> dict[str, Any] | None:
        """Give what a fold ended with (`done.json`); None if it has not ended."""
        path = self.fold_folder(number) / DONE_NAME
        if not path.exists():
            return None
        figures: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
        return figures


def create_run(run: Run) -> Run:
    """Write `run.json`, or check that the folder already belongs to this very run.

    Raises
    ------
    TrainingError
        If the folder is another run's: another seed, scenario, recipe, cohort, splits or start. It names which.
    """
    if run.scenario not in SCENARIOS:
        raise TrainingError(f"scenario must be grade or upstage, got {run.scenario!r}")
    if (run.folder / RUN_NAME).exists():
        there = open_run(run.folder)
        refuse_other_run(there, run)
        return there
    values = {key: value for key, value in asdict(run).items() if key != "folder"}
    content = {"format": RUN_FORMAT, **values, "recipe": run.recipe.to_json()}
    write_json(run.folder / RUN_NAME, {**content, "sha256": digest(content)})
    return open_run(run.folder)


def open_run(folder: Path) -> Run:
    """Read a run's folder; its recipe rebuilds its network, nothing else is asked.

    Raises
    ------
    TrainingError
        If there is no run, it is of another format, or `run.json` was edited.
    """
    path = folder / RUN_NAME
    try:
        content = json.loads(path.read_text(encoding="ascii"))
        told = content.pop("sha256")
        if content.pop("format") != RUN_FORMAT or digest({"format": RUN_FORMAT, **content}) != told:
            raise TrainingError(f"{path} was edited, or is of another version")
        start = content.pop("pretrained")
        folds = tuple(FoldPatients(tuple(f["training"]), tuple(f["validation"])) for f in content.pop("folds"))
        recipe = Recipe(**content.pop("recipe"))
        pretrained = Pretrained(**{**start, "seen": tuple(start["seen"])}) if start else None
        return Run(folder=folder, recipe=recipe, pretrained=pretrained, folds=folds, **content)
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise TrainingError(f"no readable run in {folder}: {type(error).__name__}") from error


def refuse_other_run(there: Run, wanted: Run) -> None:
    """Check that a folder's run is the one that is asked for.

    Raises
    ------
    TrainingError
        Naming all that differs.
    """
    words = {
        "kind": "fit with or without --pretrain",
        "asked_sha256": "the recipe or the batch",
        "scenario": "the scenario",
        "seed": "the seed",
        "cohort_sha256": "the cohort",
        "extra_sha256": "the extra cohort",
        "splits_sha256": "the splits",
        "pretrained_sha256": "the weights it starts from",
    }
    other = [word for key, word in words.items() if getattr(there, key) != getattr(wanted, key)]
    if other:
        msg = f"the folder {there.folder} is another run's: it differs in {', '.join(other)}; give another --run"
        raise TrainingError(msg)


def software(device: torch.device) -> dict[str, str]:
    """Give the versions and the device that a run's numbers depend on."""
    word = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu {platform.machine()}"
    return {
        "dcis-node": dcis_node.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": word,
    }


def fold_seed(run: Run, number: int) -> int:
    """Give the seed of a fold: each starts from, and shuffles into, something of its own."""
    return int(np.random.SeedSequence([run.seed, number]).generate_state(1)[0])
