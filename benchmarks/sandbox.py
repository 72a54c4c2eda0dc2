"""The node runs as a service, under its own unit: an exam in, its report out, and each fence tried.

    python -m benchmarks.sandbox --json        (as root; systemd-nspawn of Debian's systemd-container)

A container boots systemd as its first process (a clean Debian of this machine's /usr, everything else empty, a network
of its own), with the files of systemd/ in their places, users and folders made by sysusers and tmpfiles. systemd starts
dcis-node.service as it stands in the repository; the config is systemd/config.toml.example with one destination. An
exam is sent by C-STORE, its results must arrive, each once. Then a process with the unit's own directives tries what
they forbid, and the same process without them tries it too: only what works without counts as refused by the unit.
The supervisor is killed (-9); systemd has to bring the node back and the next exam has to go through.

Bars: every result arrives once; every attempt that works without the unit is refused in it, but those of
NOT_HERE; what the node needs works; it stops in its time, with exit code 0.

What such a container does not show: memory and processor limits (on a host with version 1 of control groups it has none
of its own; the report says `memory_limited`), devices of a GPU, the kernel's own start.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.verdict import end

ROOT = Path(__file__).resolve().parents[1]
UNITS = ROOT / "systemd"
PACS_PORT = 11113
BOOT_SECONDS = 3000
# Every part of a training, and nothing learnt.
SMALL = ROOT / "benchmarks" / "sandbox_recipe.toml"
SYSTEM_PYTHON = "/usr/bin/python3"
KERNEL_CALLS = ("bpf", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")
# The whole node needs it: oneDNN writes its kernels at run time (see dcis-node.service).
NOT_HERE = {"code made at run time"}
# As pip writes them: processes that are spawned read it again, and must not begin anew.
SCRIPT = """#!/opt/dcis-node/bin/python
import sys
from {module}.cli import main
if __name__ == "__main__":
    sys.exit(main())
"""
GUEST = """
[Unit]
Description=Measure the sandbox
[Service]
Type=oneshot
ExecStart=/opt/dcis-node/bin/python -m benchmarks.sandbox_guest /run/sandbox/order.json /run/sandbox/told.json
ExecStopPost=/bin/systemctl poweroff --no-block
StandardOutput=truncate:/run/sandbox/guest.txt
StandardError=truncate:/run/sandbox/guest.txt
TimeoutStartSec=2900
"""


def can_boot() -> str:
    """Say why no container can be booted here; "" if it can be tried."""
    if os.geteuid() != 0:
        return "root is needed to boot a container"
    if shutil.which("systemd-nspawn") is None:
        return "systemd-nspawn is not installed (Debian: systemd-container)"
    version = subprocess.run(
        (SYSTEM_PYTHON, "-c", "import sys; print(sys.version_info[:2])"), capture_output=True, text=True, check=False
    )
    if version.stdout.strip() != str(sys.version_info[:2]):
        return f"{SYSTEM_PYTHON} is not of this Python's version, so it cannot load its packages"
    return ""


def install(folder: Path) -> list[str]:
    """Lay out /opt/dcis-node as an installation has it, of what is here; give the binds of it."""
    program = folder / "opt"
    (program / "bin").mkdir(parents=True)
    (program / "bin/python").symlink_to(SYSTEM_PYTHON)
    for name, module in (("dcis-node", "dcis_node"), ("dcis-train", "training")):
        script = program / "bin" / name
        script.write_text(SCRIPT.format(module=module), encoding="utf-8")
        script.chmod(0o755)
    site = program / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    site.mkdir(parents=True)
    (program / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    (program / "source").mkdir()
    binds, paths = [bind(program, "/opt/dcis-node")], ["/opt/dcis-node/source"]
    for name in ("dcis_node", "storage", "training", "tests", "benchmarks"):
        (program / "source" / name).mkdir()
        binds.append(bind(ROOT / name, f"/opt/dcis-node/source/{name}"))
    for number, path in enumerate(path for path in sys.path if Path(path).name == "site-packages"):
        (program / f"packages-{number}").mkdir()
        paths.append(f"/opt/dcis-node/packages-{number}")
        binds.append(bind(Path(path), paths[-1]))
    (site / "paths.pth").write_text("\n".join(paths) + "\n")
    return binds


def bind(source: Path, target: str, *, writable: bool = False) -> str:
    return f"--bind{'' if writable else '-ro'}={source}:{target}"


def units() -> list[str]:
    """Bind the files of systemd/ to where an admin copies them."""
    binds = [
        bind(path, f"/etc/systemd/system/{path.name}")
        for path in UNITS.iterdir()
        if path.suffix in {".service", ".timer"}
    ]
    binds += [
        bind(path, f"/etc/systemd/system/{path.parent.name}/{path.name}") for path in UNITS.glob("*.service.d/*.conf")
    ]
    return binds + [
        bind(UNITS / name / "dcis-node.conf", f"/etc/{name}/dcis-node.conf") for name in ("sysusers.d", "tmpfiles.d")
    ]


def boot(folder: Path, order: dict[str, Any], drop_in: str = "") -> dict[str, Any]:
    """Boot the container, let it measure, give what it told."""
    shared, state = folder / "shared", folder / "var"
    for path in (shared, state):
        path.mkdir()
    (shared / "order.json").write_text(json.dumps(order), encoding="utf-8")
    (shared / "guest.service").write_text(GUEST, encoding="utf-8")
    for name in ("config.toml.example", "dcis-node.sh"):
        shutil.copy(UNITS / name, shared)
    binds = [
        *install(folder),
        *units(),
        bind(shared, "/run/sandbox", writable=True),
        bind(state, "/var/lib", writable=True),
        # Nothing here brings a network up, and nothing waits for one.
        bind(Path("/dev/null"), "/etc/systemd/system/systemd-networkd-wait-online.service"),
        bind(shared / "guest.service", "/etc/systemd/system/sandbox-guest.service"),
    ]
    if drop_in:
        (shared / "drop-in.conf").write_text(drop_in, encoding="utf-8")
        binds.append(bind(shared / "drop-in.conf", "/etc/systemd/system/dcis-node.service.d/sandbox.conf"))
    command = (
        *("systemd-nspawn", "--quiet", "--directory=/", "--volatile=yes", "--boot", "--private-network"),
        *("--register=no", "--keep-unit", "--console=pipe", f"--machine=dcis-sandbox-{os.getpid()}"),
        # A unit's address filter is a program in the kernel; a container may not load one by default, nor use Landlock.
        *("--capability=CAP_BPF,CAP_PERFMON", f"--system-call-filter={' '.join(KERNEL_CALLS)}"),
        *binds,
        *("systemd.unit=sandbox-guest.service", "systemd.log_target=journal"),
    )
    with (folder / "console.txt").open("wb") as console:
        container = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        try:
            container.wait(BOOT_SECONDS)
        finally:
            with contextlib.suppress(ProcessLookupError):
                container.terminate()  # nspawn takes its container with it; nothing if it has left
            container.wait(60)
    told = shared / "told.json"
    if not told.exists():
        texts = [
            path.read_text(errors="replace")[-3000:]
            for path in (folder / "console.txt", shared / "guest.txt")
            if path.exists()
        ]
        return {"fault": "the container told nothing: " + "\n".join(texts)}
    return json.loads(told.read_text(encoding="utf-8"))


def judge(told: dict[str, Any]) -> dict[str, bool]:
    """Hold what was told against the bars."""
    if "fault" in told:
        return {"the container did all it was asked": False}
    exams = [told[name] for name in ("exam", "after_reload", "after_kill", "roles") if name in told]
    if training := told.get("training"):
        return {
            "training ends well": training["Result"] == "success",
            "it publishes what the node can read": "small-synthetic" in training["listed"]
            and training["node_reads"] > 0,
            "it promotes nothing": not training["promoted"],
            "a version is trained once": training["again"] == {"skipped": 1, "finished": 1},
            "it cannot turn the pointer to the active bundle": training["pointer"]["inside"] == "of a person"
            and training["pointer"]["without"] == "turned",
        }
    return {
        "every result arrives once": all(
            e["results_made"] == e["results_arrived_once"] == e["results_arrived"] > 0 for e in exams
        ),
        "four views analysed": all(e["views_analysed"] == e["images_sent"] == 4 for e in exams),
        "status says that all is well": told["status_code"] == 0,
        "everything forbidden is refused": not let_through(told),
        "everything needed works": all(what == "done" for what in told["unit"]["needed"].values()),
        "each process has the fences": all(
            p["no_new_privileges"] and p["seccomp_filter"] and not p["is_root"] and not int(p["capabilities"], 16)
            for p in told["processes"]
        ),
        "the units verify": told["verify"] == "clean",
        "the backup is made": told["backup"]["Result"] == "success" and told["backup"]["made"] > 0,
        "each role stops well": set(told.get("roles", {}).get("results", {}).values()) <= {"success"},
        "it stops in its time, with exit code 0": told["stopped"]["Result"] == "success"
        and told["stopped"]["ExecMainStatus"] == "0",
    }


def let_through(told: dict[str, Any]) -> list[str]:
    """List what the unit did not refuse."""
    return [name for name, what in told["unit"]["attempts"].items() if what == "done" and name not in NOT_HERE]


def refused_by_unit(told: dict[str, Any]) -> list[str]:
    """List what works without the unit and not in it."""
    without = told["without"]["attempts"]
    return [name for name, what in told["unit"]["attempts"].items() if what != "done" and without[name] == "done"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", type=Path, default=None, help="where the container's data lie; a temporary folder")
    parser.add_argument("--short", action="store_true", help="leave out the supervisor's kill and the single roles")
    parser.add_argument("--train", action="store_true", help="run the unit of a scheduled training instead")
    parser.add_argument("--drop-in", type=Path, default=None, help="a drop-in for dcis-node.service")
    parser.add_argument("--seed", type=int, default=37, help="of the exam")
    asked = parser.parse_args(arguments)
    if reason := can_boot():
        return end({"reason": reason}, as_json=asked.json, held={"a container can be booted": False})
    drop_in = asked.drop_in.read_text(encoding="utf-8") if asked.drop_in else ""
    recipe = SMALL.read_text(encoding="utf-8") if asked.train else ""
    order = order_of(seed=asked.seed, kill=not asked.short, roles=not asked.short, recipe=recipe)
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        told = boot(Path(folder), order, drop_in)
        figures: dict[str, object] = {"machine": machine(Path(folder)), **told}
    if "unit" in told:
        figures["refused_by_unit"] = refused_by_unit(told)
        figures["let_through"] = let_through(told)
    return end(figures, as_json=asked.json, held=judge(told))


def order_of(*, seed: int, kill: bool = False, roles: bool = False, recipe: str = "") -> dict[str, Any]:
    """Say what the container is to do.

    Parameters
    ----------
    kill
        Kill the supervisor, and send an exam to the one that systemd starts.
    roles
        Run the node once more as services of its single roles.
    recipe
        Run only the unit of a scheduled training, with this recipe.
    """
    verify = ["dcis-node.service", "dcis-node@receive.service", "dcis-node@analyse.service"]
    verify += ["dcis-node-backup.service", "dcis-node-backup.timer", "dcis-train@x.service", "dcis-train@x.timer"]
    return {
        "unit": "dcis-node.service",
        "seed": seed,
        "pacs_port": PACS_PORT,
        "kill": kill,
        "reload": True,
        "verify": verify,
        "roles": roles,
        "train": bool(recipe),
        "recipe": recipe,
    }


if __name__ == "__main__":
    sys.exit(main())
