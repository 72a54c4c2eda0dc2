"""Inside the container of `benchmarks.sandbox`: the unit started by systemd, an exam through it, its fences tried.

python -m benchmarks.sandbox_guest ORDER.json OUT.json      (as root, by a unit of its own)
"""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PYTHON = "/opt/dcis-node/bin/python"
# What `runuser` does; that needs PAM's files, which this container has not.
AS_NODE = ("setpriv", "--reuid=dcis-node", "--regid=dcis-node", "--init-groups", "--")
CONFIG = Path("/etc/dcis-node/config.toml")
FOREIGN = "10.99.0.1"  # an address of this container's own, that is not loopback
START_SECONDS, EXAM_SECONDS = 300, 700
PROBE_UNIT = Path("/run/systemd/system/sandbox-probe.service")
# What a service is, of the lines of a unit: these are the probe's own.
OWN_KEYS = (
    *("Type", "ExecStart", "ExecCondition", "ExecReload"),
    *("WatchdogSec", "Restart", "StandardOutput", "NotifyAccess"),
)
DESTINATION = """
[[destinations]]
name = "pacs"
host = "127.0.0.1"
port = {port}
aet = "PACS"
"""


def run(*command: str, seconds: float = 60, check: bool = True, **more: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, **more)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def systemctl(*arguments: str, seconds: float = 300) -> str:
    return run("systemctl", "--no-pager", *arguments, seconds=seconds)


def shown(unit: str, *names: str) -> dict[str, str]:
    lines = systemctl("show", unit, *(f"-p{name}" for name in names)).splitlines()
    return dict(line.split("=", 1) for line in lines)


def wait(condition: Any, what: str, *, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(what)
        time.sleep(0.2)


def pids(unit: str) -> list[int]:
    """List the processes in the control group of a unit."""
    group = shown(unit, "ControlGroup")["ControlGroup"]
    for top in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
        file = Path(f"{top}{group}/cgroup.procs")
        if group and file.exists():
            return [int(line) for line in file.read_text(encoding="ascii").split()]
    return []


def fences(pid: int) -> dict[str, Any]:
    """Read what the kernel says of a process of the node."""
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines() if ":\t" in line
    )
    mounts = [line.split() for line in Path(f"/proc/{pid}/mountinfo").read_text("utf-8").splitlines()]
    writable = sorted(
        m[4] for m in mounts if "rw" in m[5].split(",") and not m[4].startswith(("/proc", "/dev", "/sys"))
    )
    return {
        "command": Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().split(" --config")[0],
        "no_new_privileges": status["NoNewPrivs"] == "1",
        "seccomp_filter": status["Seccomp"] == "2",
        "capabilities": status["CapBnd"],
        "is_root": status["Uid"].split()[0] == "0",
        "writable_mounts": writable,
        "peak_mb": round(int(status["VmHWM"].split()[0]) * 1024 / 1e6),
        "own_user_namespace": user_namespace(pid) != user_namespace(1),
    }


def user_namespace(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/user").readlink())


@contextmanager
def foreign_listener() -> Iterator[int]:
    """Listen on an address that is not loopback and that the unit does not allow."""
    run("ip", "address", "add", f"{FOREIGN}/32", "dev", "lo")
    with socket.create_server((FOREIGN, 0)) as server:
        threading.Thread(target=_accept, args=(server,), daemon=True).start()
        yield server.getsockname()[1]


def _accept(server: socket.socket) -> None:
    while True:
        try:
            server.accept()[0].close()
        except OSError:
            return


def probe(unit: str, port: int) -> dict[str, Any]:
    """Try the fences with the directives of a unit: the same lines, another command."""
    text = systemctl("cat", unit)
    attempts = f"ExecStart={PYTHON} -m benchmarks.sandbox_probe {FOREIGN} {port}"
    write_unit(PROBE_UNIT, text, attempts, "StandardOutput=truncate:/run/sandbox/probe.json")
    systemctl("start", PROBE_UNIT.name)
    return json.loads(Path("/run/sandbox/probe.json").read_text(encoding="utf-8"))


def write_unit(path: Path, text: str, *own: str) -> None:
    """Write a unit with the directives of another, for one command of its own."""
    kept = [line for line in joined(text) if line.partition("=")[0] not in OWN_KEYS]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*kept, "[Service]", "Type=oneshot", "Restart=no", *own]) + "\n", encoding="utf-8")
    systemctl("daemon-reload")


def joined(text: str) -> list[str]:
    """Give the lines of a unit, continued ones joined, comments out."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def exam(seed: int, pacs_port: int) -> dict[str, Any]:
    command = (*AS_NODE, PYTHON, "-m", "benchmarks.sandbox_exam")
    return json.loads(run(*command, str(CONFIG), str(pacs_port), str(seed), seconds=EXAM_SECONDS))


def status() -> tuple[int, str]:
    """Give the exit code of `status`, and what it says in words if a person is needed."""
    # As root, who becomes the node's user; /usr of the container cannot be written.
    command = ("/run/sandbox/dcis-node.sh", "status")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, f"{done.stdout}{done.stderr}" if done.returncode else ""


def measure(order: dict[str, Any], told: dict[str, Any]) -> None:
    """Do all of it; what is known so far stays in `told` if something fails."""
    unit = order["unit"]
    told["systemd"] = run("systemctl", "--version").splitlines()[0]
    shutil.copy("/run/sandbox/config.toml.example", CONFIG)
    CONFIG.write_text(CONFIG.read_text("utf-8") + DESTINATION.format(port=order["pacs_port"]), encoding="utf-8")
    run("systemd-tmpfiles", "--create", "dcis-node.conf")
    told["verify"] = run("systemd-analyze", "verify", *order["verify"], check=False) or "clean"
    if order["recipe"]:
        told["training"] = trained(order["recipe"])
        return
    began = time.monotonic()
    systemctl("start", unit, seconds=START_SECONDS)
    told["start_seconds"] = round(time.monotonic() - began, 1)
    told["exam"] = exam(order["seed"], order["pacs_port"])
    told["status_code"], told["status_says"] = status()
    told["processes"] = [fences(pid) for pid in pids(unit)]
    told["service"] = shown(unit, "Type", "ActiveState", "NRestarts", "StatusText", "WatchdogTimestamp")
    with foreign_listener() as port:
        told["unit"] = probe(unit, port)
        without = run(PYTHON, "-m", "benchmarks.sandbox_probe", FOREIGN, str(port))
        told["without"] = json.loads(without)
    told["backup"] = once("dcis-node-backup.service", Path("/var/lib/dcis-node/backup"))
    if order["reload"]:
        systemctl("reload", unit)
        told["after_reload"] = exam(order["seed"] + 1, order["pacs_port"])
    if order["kill"]:
        told["after_kill"] = killed(unit, order)
    began = time.monotonic()
    systemctl("stop", unit)
    told["stop_seconds"] = round(time.monotonic() - began, 1)
    told["stopped"] = shown(unit, "Result", "ExecMainStatus", "ActiveState")
    if order["roles"]:
        told["roles"] = by_roles(order)


def once(unit: str, made: Path) -> dict[str, Any]:
    """Run a unit that ends by itself; `made` is a folder that has more in it afterwards."""
    before = len(list(made.iterdir())) if made.exists() else 0
    systemctl("start", unit, seconds=EXAM_SECONDS)
    return {**shown(unit, "Result", "ExecMainStatus"), "made": len(list(made.iterdir())) - before}


def by_roles(order: dict[str, Any]) -> dict[str, Any]:
    """Run the node as services of its single roles, and an exam through them."""
    units = [f"dcis-node@{role}.service" for role in ("receive", "analyse", "deliver", "clock")]
    systemctl("start", *units, seconds=START_SECONDS)
    through = exam(order["seed"] + 3, order["pacs_port"])
    restarts = {unit: shown(unit, "NRestarts")["NRestarts"] for unit in units}
    systemctl("stop", *units)
    results = {unit: shown(unit, "Result")["Result"] for unit in units}
    return {**through, "restarts": restarts, "results": results}


def trained(recipe: str) -> dict[str, Any]:
    """Run the unit of a scheduled training on phantoms, twice; say what is in the registry."""
    home = Path("/var/lib/dcis-train/small")
    train = (
        "setpriv",
        "--reuid=dcis-train",
        "--regid=dcis-node",
        "--init-groups",
        "--",
        "/opt/dcis-node/bin/dcis-train",
    )
    (home.parent / "recipe.toml").write_text(recipe, encoding="utf-8")
    run(*train, "phantoms", "--on-demand", "--seed", "1", "--patients", "40", "--out", str(home), seconds=300)
    run(*train, "split", "--cohort", str(home), "--out", f"{home}.json", "--folds", "2", seconds=120)
    registry = ("--registry", "/var/lib/dcis-registry")
    run(*train, "publish", *registry, "--gates", "demonstration", "demo", seconds=300)
    values = {"COHORT": home, "SPLITS": f"{home}.json", "SCENARIO": "grade", "RECIPE": home.parent / "recipe.toml"}
    values |= {"NAME": "small-synthetic", "VERSION": "1", "DEVICE": "cpu", "PROCESSES": "1", "COMPARE": "--absolute"}
    values |= {"BUNDLE": "--sweep-patients 1", "EVALUATE": "--given-only"}
    environment = Path("/etc/dcis-train/small.env")
    environment.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="utf-8")
    unit = "dcis-train@small.service"
    began = time.monotonic()
    systemctl("start", unit, seconds=1800)
    seconds = round(time.monotonic() - began)
    first = shown(unit, "Result", "ExecMainStatus")
    systemctl("start", unit)
    # A unit that has left is unloaded, with what it came to: the journal keeps it.
    said = run("journalctl", "--no-pager", "-b", "-o", "cat", "-u", unit)
    again = {"skipped": said.count("Skipped due to 'exec-condition'"), "finished": said.count("Finished dcis-train@")}
    listed = run(*train, "list", *registry, seconds=120)
    active = Path("/var/lib/dcis-registry/active.json").exists()
    read = run(*AS_NODE, "/bin/sh", "-c", "cat /var/lib/dcis-registry/bundles/*/manifest.json | wc -c")
    pointer = turned(unit, train[:-1])
    return {
        **first, "seconds": seconds, "again": again, "listed": listed, "promoted": active, "node_reads": int(read),
        "pointer": pointer,
    }  # fmt: skip


def turned(unit: str, user: Sequence[str]) -> dict[str, str]:
    """Try to turn the pointer to the active bundle, in the unit's sandbox and as its user without it."""
    pointer, told = Path("/var/lib/dcis-registry/active.json"), {}
    run(*user, "/bin/sh", "-c", f"echo of a person > {pointer}")
    turn = f"/bin/sh -c 'echo turned > {pointer}.new && mv -f {pointer}.new {pointer}'"
    probe_unit = PROBE_UNIT.with_name("sandbox-promote@small.service")
    write_unit(probe_unit, systemctl("cat", unit), f"ExecStart={turn}")
    run("systemctl", "start", probe_unit.name, check=False)
    told["result"], told["inside"] = shown(probe_unit.name, "Result")["Result"], pointer.read_text("utf-8").strip()
    run(*user, *shlex.split(turn))
    return {**told, "without": pointer.read_text("utf-8").strip()}


def killed(unit: str, order: dict[str, Any]) -> dict[str, Any]:
    """Kill the supervisor; systemd has to bring the node back, and the next exam goes through."""
    before = shown(unit, "MainPID")["MainPID"]
    os.kill(int(before), signal.SIGKILL)
    began = time.monotonic()

    def is_back() -> bool:
        now = shown(unit, "MainPID", "ActiveState")
        return now["ActiveState"] == "active" and now["MainPID"] not in {"0", before}

    wait(is_back, "systemd starts the node again", seconds=180)
    back = round(time.monotonic() - began, 1)
    return {"back_seconds": back, **exam(order["seed"] + 2, order["pacs_port"])}


def main() -> int:
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    out = Path(sys.argv[2])
    told: dict[str, Any] = {}
    try:
        measure(order, told)
    except Exception:  # noqa: BLE001 -- told outside, where somebody looks
        told["fault"] = traceback.format_exc()
        told["journal"] = run("journalctl", "--no-pager", "-b", "-u", "dcis-*", "-n", "60", check=False)
    out.write_text(json.dumps(told), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
