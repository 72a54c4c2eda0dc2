"""Nothing is answered before it is on disk: `benchmarks/order.py` in short, and its judge on made-up traces."""

from pathlib import Path

import pytest

from benchmarks.order import caught, judged, trace_node
from benchmarks.traces import STATUS_SUCCESS, faults_of, parse
from tests.peer_tools import require

UID = "2.25.12345"
PART, FINAL, INDEX = "/s/incoming/a.part", "/s/ab/abcd", "/d/index.sqlite"
SUCCESS = "".join(f"\\{byte:03o}" for byte in STATUS_SUCCESS)
ROLLBACK = [
    f'7 1.0 write(5<{PART}>, "\\0DICM{UID}"..., 9000) = 9000',
    f"7 1.1 fsync(5<{PART}> <unfinished ...>",
    '8 1.2 write(6<socket:[1]>, "other", 5) = 5',
    "7 1.3 <... fsync resumed>)               = 0",
    f'7 1.4 rename("{PART}", "{FINAL}") = 0',
    "7 1.5 fsync(6</s/ab>) = 0",
    f'7 1.6 pwrite64(8<{INDEX}-journal>, "old page", 4096, 0) = 4096',
    f"7 1.7 fdatasync(8<{INDEX}-journal>) = 0",
    f'7 1.8 pwrite64(9<{INDEX}>, "page {UID} page", 4096, 0) = 4096',
    f"7 1.9 fdatasync(9<{INDEX}>) = 0",
    f"7 2.0 ftruncate(8<{INDEX}-journal>, 0) = 0",
    f"7 2.1 fdatasync(8<{INDEX}-journal>) = 0",
    f'9 2.2 sendto(4<socket:[2]>, "{SUCCESS}{UID}", 200, 0, NULL, 0) = 200',
]
WRITE_AHEAD = [
    *ROLLBACK[:6],
    f'7 1.6 pwrite64(8<{INDEX}-wal>, "page {UID} page", 4096, 0) = 4096',
    f"7 1.7 fdatasync(8<{INDEX}-wal>) = 0",
    ROLLBACK[-1],
]


def faults(lines: list[str]) -> list[str]:
    return faults_of(list(parse(lines)), UID, index="index.sqlite")


@pytest.mark.parametrize("lines", [ROLLBACK, WRITE_AHEAD], ids=["rollback journal", "write-ahead log"])
def test_a_trace_in_order_has_no_fault(lines: list[str]) -> None:
    assert faults(lines) == []


@pytest.mark.parametrize("lines", [ROLLBACK, WRITE_AHEAD], ids=["rollback journal", "write-ahead log"])
def test_whatever_is_missing_is_missed(lines: list[str]) -> None:
    needed = [number for number, line in enumerate(lines) if "other" not in line and "resumed" not in line]
    assert all(faults(lines[:number] + lines[number + 1 :]) for number in needed if "old page" not in lines[number])


@pytest.mark.parametrize("lines", [ROLLBACK, WRITE_AHEAD], ids=["rollback journal", "write-ahead log"])
def test_an_answer_that_comes_too_early_is_seen_wherever_it_stands(lines: list[str]) -> None:
    *before, answer = lines
    for number in range(len(before)):
        assert faults([*before[:number], answer, *before[number:]]) != []


def test_a_sync_that_had_begun_and_not_ended_does_not_count() -> None:
    lines = list(ROLLBACK)
    lines[11:] = [
        f"7 2.1 fdatasync(8<{INDEX}-journal> <unfinished ...>",
        ROLLBACK[-1],
        "7 2.3 <... fdatasync resumed>) = 0",
    ]
    assert faults(lines) == ["index"]


def test_a_sync_that_failed_does_not_count() -> None:
    lines = [line.replace("fsync(6</s/ab>) = 0", "fsync(6</s/ab>) = -1 EIO (Input/output error)") for line in ROLLBACK]
    assert faults(lines) == ["folder", "index"]


def test_a_folder_synced_before_the_name_is_in_it_does_not_count() -> None:
    lines = list(ROLLBACK)
    lines[4], lines[5] = lines[5], lines[4]
    assert "folder" in faults(lines)


def test_another_status_is_no_success() -> None:
    assert faults([line.replace(SUCCESS, SUCCESS[:-4] + "\\247") for line in ROLLBACK]) == ["answer"]


@pytest.mark.peer
def test_every_image_that_a_receiver_acknowledges_is_on_disk_first(tmp_path: Path) -> None:
    require("strace")
    traces, acknowledged = trace_node(tmp_path, images=5, senders=2, processes=1)
    figures = judged(traces, sorted(acknowledged))
    assert figures["faults"] == {}
    assert figures["in_order"] == len(acknowledged) >= 5
    controls = caught(traces, sorted(acknowledged)[:2])
    assert set(controls) >= {"file", "folder", "index"}
    assert set(controls.values()) == {"2 of 2"}
