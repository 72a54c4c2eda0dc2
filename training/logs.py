"""What a fit writes as it goes: `epochs.csv` for a person and the report, TensorBoard, example outlines."""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from storage.durable import replace_file
from training.validation import Examples

_CSV, _TENSORBOARD, _EXAMPLES = "epochs.csv", "tensorboard", "examples"


@dataclass(frozen=True)
class EpochRow:
    """One line of `epochs.csv`.

    Parameters
    ----------
    epoch, step
        1-based within the stage: the epoch, and the optimiser steps done at its end.
    loss, pixel_loss, image_loss
        Means over the epoch's steps.
    dice, auc
        Of the fold's validation patients; None where the epoch was not validated.
    seconds, images_per_second
        Of the training steps, without validation.
    waiting_share
        Share of that time in which the device waited for crops.
    """

    stage: str
    epoch: int
    step: int
    loss: float
    pixel_loss: float
    image_loss: float
    dice: float | None
    auc: float | None
    learning_rate: float
    seconds: float
    images_per_second: float
    waiting_share: float


COLUMNS = tuple(field.name for field in fields(EpochRow))


class FitLog:
    """The log of one fold, opened for what comes after `kept` epochs of each stage.

    A run that was killed may have logged epochs that its checkpoint does not have; they are done again, so they are
    taken out first.

    Parameters
    ----------
    folder
        Of the fold.
    kept
        Stage -> epochs that are done.
    """

    def __init__(self, folder: Path, *, kept: dict[str, int]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._path = folder, folder / _CSV
        rows = [row for row in _read(self._path) if int(row["epoch"]) <= kept.get(row["stage"], 0)]
        self._epochs = len(rows)
        lines = [",".join(COLUMNS), *(",".join(row[name] for name in COLUMNS) for row in rows)]
        replace_file(self._path, ("\n".join(lines) + "\n").encode("ascii"))
        self._board = SummaryWriter(str(folder / _TENSORBOARD), purge_step=self._epochs + 1)

    def __enter__(self) -> "FitLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._board.close()

    def write(self, row: EpochRow) -> None:
        """Add an epoch; it is on disk at once."""
        self._epochs += 1
        values = asdict(row)
        with self._path.open("a", newline="", encoding="ascii") as file:
            csv.writer(file, lineterminator="\n").writerow(_cell(value) for value in values.values())
        for name, value in values.items():
            if isinstance(value, float):
                self._board.add_scalar(f"{row.stage}/{name}", value, self._epochs)
        self._board.flush()

    def write_examples(self, stage: str, epoch: int, examples: Examples) -> None:
        """Keep the fixed validation views with their true and their present outlines."""
        folder = self._folder / _EXAMPLES
        folder.mkdir(exist_ok=True)
        path = folder / f"{stage}-{epoch:04d}.npz"
        with path.open("wb") as file:
            np.savez_compressed(
                file, image=examples.image, truth=examples.truth, outlined=examples.outlined, allow_pickle=False
            )


def read_epochs(fold: Path) -> list[EpochRow]:
    """Read a fold's `epochs.csv`; empty if there is none."""
    numbers = {"epoch", "step"}
    rows = []
    for row in _read(fold / _CSV):
        values = {name: int(row[name]) if name in numbers else _float(row[name]) for name in COLUMNS[1:]}
        rows.append(EpochRow(row["stage"], **values))  # type: ignore[arg-type]
    return rows


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="ascii") as file:
        # A line that was being written when the process died lacks cells.
        return [row for row in csv.DictReader(file) if all(row.get(name) is not None for name in COLUMNS)]


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _float(text: str) -> float | None:
    return float(text) if text else None
