"""The benchmark of retention under kills, shortened: its bars hold, and its oracle would see a fault."""

import random
import time
from pathlib import Path

import pytest

from benchmarks.retention import DAYS, bars, fill, images, measure, missing_files, strays, verdict_of
from storage.files import FileStore
from tests.operate.retained import DAY


@pytest.mark.timeout(600)
def test_killed_at_random_it_loses_nothing_and_keeps_the_disk_in_bounds(tmp_path: Path):
    held = bars(measure(tmp_path, exams=24, kills=2, seed=3), least_kills=2)
    # A quick machine may have done its work before the second kill.
    del held["the kills met it at work"]
    assert [name for name, is_held in held.items() if not is_held] == []


@pytest.mark.timeout(120)
def test_the_oracle_sees_what_is_removed_wrongly_and_what_is_lost(tmp_path: Path):
    fill(tmp_path, 10, random.Random(3))  # noqa: S311 -- no secret
    before, limit = images(tmp_path), time.time() - DAYS * DAY
    stays = next(sha256 for sha256, _, _, _, must_stay, _ in before if must_stay)
    FileStore(tmp_path / "store").path(stays).unlink()
    found = verdict_of(before, tmp_path, limit)
    assert (found["removed"], found["removed_wrongly"], missing_files(tmp_path), strays(tmp_path)) == (1, 1, 1, 0)
    FileStore(tmp_path / "store").put(b"nobody's")
    assert strays(tmp_path) == 1
