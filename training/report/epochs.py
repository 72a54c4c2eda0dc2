"""What a fit wrote while it learnt: figures by epoch, and how its outlines grew."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcis_node.errors import TrainingError
from training import logs
from training.logs import EpochRow

EPOCHS_NAME, EXAMPLES_NAME = "epochs.csv", "examples"


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


def read_epochs(fold: Path) -> tuple[EpochRow, ...]:
    """Read a fold's figures by epoch, in the order in which they were written.

    Raises
    ------
    TrainingError
        If the table cannot be read.
    """
    try:
        return tuple(logs.read_epochs(fold))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{fold.name}/{EPOCHS_NAME} cannot be read: {type(error).__name__}") from error


def read_examples(fold: Path, epochs: tuple[EpochRow, ...]) -> tuple[Example, ...]:
    """Read a fold's example outlines in the order in which the epochs ran; none if there are none.

    Raises
    ------
    TrainingError
        If a file cannot be read.
    """
    written = ((row, fold / EXAMPLES_NAME / f"{row.stage}-{row.epoch:04d}.npz") for row in epochs)
    examples = (_example(row, path) for row, path in written if path.is_file())
    return tuple(example for example in examples if len(example.image))


def _example(row: EpochRow, path: Path) -> Example:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Example(row.stage, row.epoch, arrays["image"], arrays["truth"], arrays["outlined"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path.name} cannot be read: {type(error).__name__}") from error
