"""What a figure depends on: processors, disk, versions; and what a process has used."""

import os
import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path


def machine(folder: Path) -> dict[str, object]:
    """State the facts of this machine; `folder` is where the files lie."""
    model = [line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": model[0] if model else platform.machine(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6,
        "file_system": _file_system(folder),
        "load_average": os.getloadavg(),
        "linux": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in ("dcis-node", "pynetdicom", "pydicom")},
    }


def descendants(pid: int) -> list[int]:
    """List the processes below one, oldest first."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _stat(int(folder.name))
        if fields:
            parents[int(folder.name)] = int(fields[1])
    below, known = [], {pid}
    for child in sorted(parents):
        if parents[child] in known:
            known.add(child)
            below.append(child)
    return below


def peak_mb(pid: int) -> float:
    """Give the most memory that a process has had at once (VmHWM), 10^6 bytes; 0 if it is gone."""
    for line in _lines(f"/proc/{pid}/status"):
        if line.startswith("VmHWM"):
            return round(int(line.split()[1]) * 1024 / 1e6, 1)
    return 0.0


def processor_seconds(pid: int) -> float:
    """Give the processor time of a process and of the children it has waited for."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _stat(pid: int) -> list[str]:
    lines = _lines(f"/proc/{pid}/stat")
    return lines[0].rpartition(")")[2].split() if lines else []


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _file_system(folder: Path) -> str:
    mounts = [line.split()[:3] for line in _lines("/proc/mounts")]
    inside = [mount for mount in mounts if folder.resolve().is_relative_to(mount[1])]
    device, _, kind = max(inside, key=lambda mount: len(mount[1]), default=("?", "?", "?"))
    return f"{kind} on {device}"


def made_folder(text: str) -> Path:
    """Take the folder of an option, made if it is not there."""
    folder = Path(text)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
