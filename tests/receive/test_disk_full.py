"""A disk that fills in the middle of reception: the short form of `benchmarks/disk_full.py`, on disks in memory."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.disk_full import CASES, missed, node
from benchmarks.small_disk import small_tmpfs
from tests.peer_tools import without


@pytest.fixture
def can_mount() -> None:
    if os.geteuid() != 0:
        without("a small disk is mounted, which needs root")


@pytest.mark.usefixtures("can_mount")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_full_disk_refuses_loses_nothing_and_takes_again(tmp_path: Path, case) -> None:
    smaller = replace(
        case,
        megabytes=16 if case.name == "index" else 40,
        stuffing=12 << 20,
        reserve_bytes=case.reserve_bytes // 2,
        inodes=case.inodes and 400,
    )
    figures = node(tmp_path, smaller, senders=2, refusals=8, small_disk=small_tmpfs)
    assert missed(figures) == []
    # A line when a shortage begins and one when it ends, in each process that met it: not one for each image.
    began, ended = figures["shortages_begun_and_ended"]
    assert (began >= 1) == (case.name == "reserve")
    assert ended <= began < figures["answers"]["0xA700"]


def sound(**changes: object) -> dict[str, object]:
    figures = {
        "answers": {"0x0000": 10, "0xA700": 5},
        "without_answer": 0,
        "taken_again_after_seconds": 0.1,
        "not_in_index": 0,
        "file_missing_or_damaged": 0,
        "other_data_set": 0,
        "stray_parts": 0,
        "parts_while_idle": 0,
        "receivers_died": 0,
        "index_faults": 0,
    }
    return {**figures, **changes}


@pytest.mark.parametrize(
    "change",
    [
        {"answers": {"0x0000": 10}},
        {"answers": {"0x0000": 10, "0xA700": 5, "0xC211": 1}},
        {"without_answer": 1},
        {"taken_again_after_seconds": 5.1},
        {"not_in_index": 1},
        {"file_missing_or_damaged": 1},
        {"other_data_set": 1},
        {"stray_parts": 1},
        {"parts_while_idle": 1},
        {"receivers_died": 1},
        {"index_faults": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_bar_can_be_missed(change: dict[str, object]) -> None:
    assert missed(sound()) == []
    assert missed(sound(**change)) != []
