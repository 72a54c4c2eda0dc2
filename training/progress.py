"""How far a task is: a CSV that grows, so that a person, a bar and a later run can all read it."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Progress:
    """One line of a task's log.

    Parameters
    ----------
    task
        What is being done, such as `fold-2 joint`.
    step, steps
        How far, and how many in all.
    segmentation_loss, classification_loss
        Means since the line before; 0 where nothing is trained.
    """

    task: str
    step: int
    steps: int
    segmentation_loss: float = 0.0
    classification_loss: float = 0.0


@contextmanager
def progress_log(path: Path) -> Iterator[Callable[[Progress], None]]:
    """Open a log for appending; what is written is on disk at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(field.name for field in fields(Progress))

        def write(line: Progress) -> None:
            writer.writerow(round(value, 5) if isinstance(value, float) else value for value in astuple(line))
            file.flush()

        yield write


def last_progress(path: Path) -> Progress | None:
    """Read the last whole line of a log; None if there is none yet."""
    if not path.exists():
        return None
    rows = path.read_text(encoding="utf-8").splitlines()
    # A line that is just being written lacks its end.
    for row in reversed(rows[1:]):
        parts = next(csv.reader([row]))
        if len(parts) == len(fields(Progress)):
            return Progress(parts[0], int(parts[1]), int(parts[2]), float(parts[3]), float(parts[4] or 0))
    return None
