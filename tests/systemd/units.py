"""The files of systemd/ laid out as on a host, for `systemd-analyze`."""

import json
import shutil
import subprocess
from pathlib import Path

from tests.peers import require

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "systemd"
# Exposure by `systemd-analyze security`: 0 is nothing, 10 is everything.
CPU_BAR, GPU_BAR = 1.0, 1.3
INSTANCES = {
    "dcis-node@.service": ("receive", "analyse", "deliver", "clock", "retrieve"),
    "dcis-train@.service": ("hospital",),
    "dcis-train@.timer": ("hospital",),
}


def names() -> list[str]:
    """List the units, templates by their instances."""
    found = []
    for path in sorted(UNITS.iterdir()):
        if path.suffix in {".service", ".timer"}:
            instances = INSTANCES.get(path.name, ("",))
            found += [path.name.replace("@", f"@{instance}") if instance else path.name for instance in instances]
    return found


def services() -> list[str]:
    return [name for name in names() if name.endswith(".service")]


def lay_out(folder: Path, *, more: dict[str, str] | None = None) -> Path:
    """Copy units and drop-ins into a folder, instances under their own names; `more` are further drop-ins."""
    for name in names():
        template = name if (UNITS / name).exists() else f"{name.partition('@')[0]}@.{name.rpartition('.')[2]}"
        shutil.copy(UNITS / template, folder / name)
    for path in UNITS.glob("*.service.d/*.conf"):
        target = folder / path.parent.name
        target.mkdir(exist_ok=True)
        shutil.copy(path, target)
    for unit, text in (more or {}).items():
        (folder / f"{unit}.d").mkdir(exist_ok=True)
        (folder / f"{unit}.d" / "zz-more.conf").write_text(text, encoding="utf-8")
    return folder


def exposure(unit: Path) -> float:
    """Give the score of a unit, whether or not a service manager runs."""
    answer = analyse("security", "--offline=true", "--no-pager", str(unit))
    last = answer.stdout.strip().splitlines()[-1]
    return float(last.partition(": ")[2].split()[0])


def weak_points(unit: Path) -> list[dict]:
    """List what the score holds against a unit."""
    answer = analyse("security", "--offline=true", "--no-pager", "--json=short", str(unit))
    return [one for one in json.loads(answer.stdout) if one["set"] is False]


def analyse(*arguments: str) -> subprocess.CompletedProcess:
    command = [require("systemd-analyze"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
