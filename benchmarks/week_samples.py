"""What the samples of a compressed week tell: room on the disk, memory over a life, queues by night."""

import contextlib
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.week_plan import HOURS
from benchmarks.week_plot import NIGHT, Sample

MIB = 1 << 20
WARM_SHARE = 4
QUEUES = ("views", "exams", "outbox", "modalities")


def used_mib(disk: Path) -> float:
    found = os.statvfs(disk)
    return (found.f_blocks - found.f_bfree) * found.f_frsize / MIB


def folder_mib(folder: Path) -> float:
    """Add up what the files of a folder take on the disk."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(root, name)).st_blocks * 512  # noqa: PTH116, PTH118 -- of thousands
    return total / MIB


def resident_mib(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def growth(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """Fit a line through the memory of the longest life of each process, without its first quarter.

    Returns
    -------
    dict
        By process: `mib` at the end, `mib_a_day`, `days` of that life, and `grown_mib`: the line over these days.
    """
    lives: dict[str, dict[int, list[tuple[float, float]]]] = {}
    for sample in samples:
        for name, (pid, mib) in sample.memory.items():
            lives.setdefault(name, {}).setdefault(pid, []).append((sample.at / HOURS, mib))
    found = {}
    for name, by_pid in sorted(lives.items()):
        life = max(by_pid.values(), key=len)
        warm = life[len(life) // WARM_SHARE :]
        if len(warm) < 3:
            continue
        slope = statistics.linear_regression(*zip(*warm, strict=True)).slope
        days = warm[-1][0] - warm[0][0]
        found[name] = {
            "mib": round(warm[-1][1], 1), "mib_a_day": round(slope, 2), "days": round(days, 2),
            "grown_mib": round(slope * days, 1),
        }  # fmt: skip
    return found


def nights(samples: Sequence[Sample], days: int) -> list[bool]:
    """Say of each night whether all queues were empty at some moment of it."""
    found = []
    for day in range(days):
        night = [one for one in samples if day * HOURS + NIGHT[0] <= one.at <= day * HOURS + NIGHT[1]]
        found.append(any(not any(one.waiting[name] for name in QUEUES) for one in night))
    return found


def capacity_mib(disk: Path) -> float:
    found = os.statvfs(disk)
    return found.f_blocks * found.f_frsize / MIB
