"""Run tasks in separate processes, and tell how far they are."""

import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.progress import Progress, last_progress

# Name of the task, how far it is, whether it is done.
Report = Callable[[str, Progress | None, bool], None]
_POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Task:
    """One task.

    Parameters
    ----------
    name
        Name; also that of its progress file.
    call, arguments, options
        A top-level function and what it is given; it runs in a process of its own.
    after
        Names of the tasks that must be done first.
    """

    name: str
    call: Callable[..., None]
    arguments: Sequence[Any]
    options: Mapping[str, Any]
    after: Sequence[str] = ()


def run_tasks(tasks: Sequence[Task], *, processes: int, logs: Path, report: Report) -> None:
    """Run all tasks, at most `processes` at once, in the given order where their predecessors allow it.

    Two processes of one thread each do more than one of two threads (13 % in the prototype).

    Parameters
    ----------
    processes
        0 runs the tasks here, one after the other, as listed.
    logs
        Folder of the progress files.
    report
        Called about every two seconds for each running task, and once with True when it is done.

    Raises
    ------
    Exception
        What the first failing task raised; the others are let run to their end or not started.
    """
    if processes == 0:
        ended = True
        for task in tasks:
            task.call(*task.arguments, **task.options)
            report(task.name, last_progress(logs / f"{task.name}.csv"), ended)
        return
    left, done = list(tasks), set[str]()
    running: dict[Future[None], Task] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        while left or running:
            ready = [task for task in left if set(task.after) <= done][: processes - len(running)]
            for task in ready:
                left.remove(task)
                running[pool.submit(task.call, *task.arguments, **task.options)] = task
            finished, _ = wait(running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future, task in list(running.items()):
                if future in finished:
                    del running[future]
                    future.result()
                    done.add(task.name)
                report(task.name, last_progress(logs / f"{task.name}.csv"), future in finished)
