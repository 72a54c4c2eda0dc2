"""The bar of the verbs that judge patients."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn

# What is being done, how many are done, of how many.
Bar = Callable[[str, int, int], None]


@contextmanager
def judging_bar(where: Console) -> Iterator[Bar]:
    """Show one bar for each thing that is done, with the time it took and the time left."""
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("left"), TimeLeftColumn(), console=where) as progress:
        known: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in known:
                known[what] = progress.add_task(what, total=total)
            progress.update(known[what], completed=done)

        yield show
