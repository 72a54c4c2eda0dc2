"""What a fit wrote while it learnt: figures by epoch, and how its outlines grew."""

import csv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcis_node.errors import TrainingError

EPOCHS_NAME, EXAMPLES_NAME = "epochs.csv", "examples"


@dataclass(frozen=True)
class Epoch:
    """One row of `epochs.csv`; `dice` and `auc` are None where the epoch was not validated."""

    stage: str
    epoch: int
    loss: float
    dice: float | None
    auc: float | None


@dataclass(frozen=True, eq=False)
class Example:
    """Validation views as one epoch outlined them.

    Parameters
    ----------
    image
        (n, rows, columns) uint8.
    truth, outlined
        (n, rows, columns) bool.
    """

    stage: str
    epoch: int
    image: NDArray[np.uint8]
    truth: NDArray[np.bool_]
    outlined: NDArray[np.bool_]


def fold_folders(run: Path) -> tuple[Path, ...]:
    """Give the folders of a run's folds that have figures by epoch, in their order."""
    found = [path for path in run.glob("fold-*") if (path / EPOCHS_NAME).is_file()]
    return tuple(sorted(found, key=lambda path: (len(path.name), path.name)))


def read_epochs(fold: Path) -> tuple[Epoch, ...]:
    """Read a fold's figures by epoch, in the order in which they were written.

    Raises
    ------
    TrainingError
        If the table cannot be read.
    """
    try:
        with (fold / EPOCHS_NAME).open(encoding="ascii", newline="") as file:
            return tuple(
                Epoch(
                    row["stage"],
                    int(row["epoch"]),
                    float(row["loss"]),
                    float(row["dice"]) if row["dice"] else None,
                    float(row["auc"]) if row["auc"] else None,
                )
                for row in csv.DictReader(file)
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{fold.name}/{EPOCHS_NAME} cannot be read: {type(error).__name__}") from error


def read_examples(fold: Path, epochs: tuple[Epoch, ...]) -> tuple[Example, ...]:
    """Read a fold's example outlines in the order in which the epochs ran; none if there are none.

    Raises
    ------
    TrainingError
        If a file cannot be read.
    """
    written = ((row, fold / EXAMPLES_NAME / f"{row.stage}-{row.epoch:04d}.npz") for row in epochs)
    return tuple(_example(row, path) for row, path in written if path.is_file())


def _example(row: Epoch, path: Path) -> Example:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Example(row.stage, row.epoch, arrays["image"], arrays["truth"], arrays["outlined"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path.name} cannot be read: {type(error).__name__}") from error
