"""Killed receivers and lost power: the short forms of `benchmarks/kills.py` and `power_cut.py`, and their judge."""

import os
import subprocess
from pathlib import Path

import pytest

from benchmarks.durability import Answers, Receivers, Senders, compare, lost_in
from benchmarks.kills import kill_receivers
from benchmarks.power_cut import WITHOUT_SYNC, cut_node
from benchmarks.small_disk import make_ext4, mounted
from tests.peer_tools import wait_until, without


def test_what_was_acknowledged_is_there_after_receivers_were_killed(tmp_path: Path) -> None:
    figures = kill_receivers(tmp_path, kills=2, acknowledged=10, senders=2, seed=7)
    assert figures["acknowledged"] >= 10
    assert (lost_in(figures), figures["stray_parts"], figures["index_faults"]) == (0, 0, 0)
    assert figures["receivers_started"] == 4


def test_the_comparison_sees_every_kind_of_loss(tmp_path: Path) -> None:
    answers = Answers()
    with (
        Receivers(tmp_path, count=1) as receivers,
        Senders(receivers.port, answers, count=1, size_bytes=lambda _: 10_000),
    ):
        wait_until(lambda: len(answers.acknowledged) >= 3, "three images are acknowledged")
    sent = dict(answers.acknowledged)
    assert lost_in(compare(receivers, sent)) == 0

    first, second, *_ = sent
    [damaged, *_] = receivers.files.digests()
    receivers.files.path(damaged).write_bytes(b"damaged")
    (receivers.files.incoming / "stray").touch()
    seen = compare(receivers, {**sent, "1.2.3": "never received"})
    assert (seen["not_in_index"], seen["file_missing_or_damaged"], seen["stray_parts"]) == (1, 1, 1)
    swapped = {**sent, first: sent[second], second: sent[first]}
    assert compare(receivers, swapped)["other_data_set"] >= 1


@pytest.fixture
def disk_folder(tmp_path: Path) -> Path:
    """A folder whose disk images can be mounted."""
    if os.geteuid() != 0:
        without("a small disk is mounted, which needs root")
    make_ext4(tmp_path / "probe.img", megabytes=8)
    try:
        with mounted(tmp_path / "probe.img", tmp_path / "probe"):
            pass
    except subprocess.CalledProcessError:
        without("no loop device to mount an ext4 from")
    return tmp_path


def test_what_was_acknowledged_is_there_after_the_power_went(disk_folder: Path) -> None:
    figures = cut_node(disk_folder, senders=2, seed=3)
    assert figures["acknowledged"] >= 1
    assert (lost_in(figures), figures["stray_parts"], figures["index_faults"]) == (0, 0, 0)


def test_without_fsync_the_same_cut_loses_it(disk_folder: Path) -> None:
    assert lost_in(cut_node(disk_folder, senders=2, seed=3, command=("-c", WITHOUT_SYNC))) >= 1
