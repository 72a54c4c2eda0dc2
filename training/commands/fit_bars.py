"""The bars of `dcis-train fit`: a line per fold with stage, epoch, loss, Dice, AUC and the time left."""

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from training.engine import FitProgress

_CROPS = -1


class FitBars:
    """Bars on a terminal; where there is none, nothing but the last state of each.

    Parameters
    ----------
    where
        Console to draw on.
    """

    def __init__(self, where: Console) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=8),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=where,
        )
        self._tasks: dict[int, TaskID] = {}

    def __enter__(self) -> "FitBars":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def cut(self, done: int, total: int) -> None:
        """Show how many crops are cut."""
        self._bars.update(self._task(_CROPS, total), description="crops", completed=done, total=total)

    def fitted(self, line: FitProgress) -> None:
        """Show how far a fold is."""
        words = f"fold {line.fold} {line.stage} {line.epoch}/{line.epochs}"
        figures = f"loss {line.loss:.3f}"
        figures += f" Dice {line.dice:.3f}" if line.dice is not None else ""
        figures += f" AUC {line.auc:.3f}" if line.auc is not None else ""
        task = self._task(line.fold, line.steps)
        self._bars.update(task, description=words, completed=line.step, total=line.steps, figures=figures)

    def _task(self, key: int, total: int) -> TaskID:
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task("", total=max(total, 1), figures="")
        return self._tasks[key]
