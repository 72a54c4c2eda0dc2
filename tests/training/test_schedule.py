import json
from pathlib import Path

import pytest

from training.schedule import Task, run_tasks


def note(folder: Path, name: str, *, needs: str = "") -> None:
    if needs and not (folder / needs).exists():
        raise FileNotFoundError(needs)
    (folder / name).write_text("done")


def test_a_task_waits_for_those_it_follows_and_its_end_is_reported(tmp_path):
    ends = []
    tasks = [
        Task("last", note, (tmp_path, "last"), {"needs": "first"}, after=("first",)),
        Task("first", note, (tmp_path, "first"), {}),
    ]
    run_tasks(tasks, processes=2, logs=tmp_path, report=lambda name, _line, done: ends.append((name, done)))
    assert [name for name, done in ends if done] == ["first", "last"]


def test_the_error_of_a_task_comes_out(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        run_tasks(
            [Task("only", note, (tmp_path, "only"), {"needs": "missing"})],
            processes=1,
            logs=tmp_path,
            report=lambda *_: None,
        )
    assert json.dumps([p.name for p in tmp_path.iterdir()]) == "[]"
