"""The order of the system calls behind every acknowledged image: nothing is said before it is on disk.

    python -m benchmarks.order --json                          (needs strace, and the right to trace)

Each receiver (`dcis-node run receive`) is traced by strace while senders send. For every acknowledged image the trace
must show, each begun after the one before had ended: fsync of the file < its rename < fsync of its folder < fsync of
the index's journal < commit of its row (pages written and synced; journal cut and synced, or write-ahead log synced) <
the first byte of the C-STORE response with status 0x0000. Bar: every acknowledged image.

Two controls show that the judge can say no: from the trace just judged each kind of fsync is taken out for one image
after the other, and each must be missed; and a receiver is traced whose fsync does nothing.

Peers in the same run, judged by the same rules from their traces: Orthanc (its default, SyncStorageArea) and DCMTK's
storescp; stated is of how many images each step was on disk before the answer.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.durability import Answers, Receivers, Senders
from benchmarks.machine import descendants, machine
from benchmarks.power_cut import WITHOUT_SYNC
from benchmarks.traces import STRING_BYTES, SYNCS, TRACED, Call, answered_at, faults_of, parse, steps_of
from benchmarks.verdict import end
from tests.peer_tools import require, wait_until
from tests.peers import orthanc, storescp

INDEX = "index.sqlite"
ORTHANC_INDEX = "index"
SECONDS = 300.0


def size_of(source: random.Random) -> int:
    """Give the size of an image: within one buffer of the sink, and over several."""
    return source.choice((20_000, 300_000, 1_500_000, 4_000_000))


@contextlib.contextmanager
def traced(pids: Sequence[int], folder: Path) -> Iterator[list[Path]]:
    """Trace running processes, with the threads and children that they make; a trace of each."""
    logs = [folder / f"{pid}.trace" for pid in pids]
    tracers = [_attach(pid, log) for pid, log in zip(pids, logs, strict=True)]
    try:
        yield logs
    finally:
        for tracer in tracers:
            tracer.send_signal(signal.SIGINT)  # it lets go
            tracer.wait(30)


def _attach(pid: int, log: Path) -> subprocess.Popen[bytes]:
    options = ["-f", "-y", "-ttt", "-s", str(STRING_BYTES), "-e", f"trace={','.join('?' + n for n in TRACED)}"]
    said = log.with_suffix(".said")
    with said.open("wb") as errors:
        tracer = subprocess.Popen([require("strace"), *options, "-o", str(log), "-p", str(pid)], stderr=errors)
    wait_until(lambda: b"attached" in said.read_bytes() or tracer.poll() is not None, "strace is attached")
    if tracer.poll() is not None:
        raise RuntimeError(said.read_text())
    return tracer


def trace_node(
    folder: Path, *, images: int, senders: int, processes: int = 2, command: Sequence[str] = ("-m", "dcis_node")
) -> tuple[list[list[Call]], dict[str, str]]:
    """Trace receivers until so many images are acknowledged; gives their calls and the acknowledged UIDs."""
    answers = Answers()
    with (
        Receivers(folder, count=processes, command=command) as receivers,
        traced([process.pid for process in receivers.processes.values()], folder) as logs,
    ):
        send(receivers.port, answers, images=images, senders=senders, aet="DCIS_NODE")
    return [read(log) for log in logs], answers.acknowledged


def send(port: int, answers: Answers, *, images: int, senders: int, aet: str) -> None:
    with Senders(port, answers, count=senders, size_bytes=size_of, aet=aet, per_association=5):
        wait_until(lambda: len(answers.acknowledged) >= images, f"{images} images", seconds=SECONDS)


def read(log: Path) -> list[Call]:
    with log.open(encoding="ascii", errors="replace") as lines:
        return list(parse(lines))


def judged(traces: Sequence[Sequence[Call]], uids: Sequence[str], *, index: str = INDEX) -> dict[str, object]:
    """Judge every acknowledged image in the trace of the receiver that answered it."""
    faults = Counter()
    for uid in uids:
        calls = next((calls for calls in traces if answered_at(calls, uid) is not None), traces[0])
        faults.update(faults_of(calls, uid, index=index) or ["none"])
    in_order = faults.pop("none", 0)
    return {"acknowledged": len(uids), "in_order": in_order, "faults": dict(faults), "syncs": syncs(traces)}


def syncs(traces: Sequence[Sequence[Call]]) -> int:
    """Count the calls of fsync and fdatasync."""
    return sum(call.name in SYNCS for calls in traces for call in calls)


def caught(traces: Sequence[Sequence[Call]], uids: Sequence[str], *, index: str = INDEX) -> dict[str, str]:
    """Take from the trace, for every image, each sync that one of its steps rests on: how often is it missed?"""
    missed, tried = Counter(), Counter()
    for uid in uids:
        calls = next((calls for calls in traces if answered_at(calls, uid) is not None), None)
        if calls is None:
            continue
        answer = answered_at(calls, uid)
        for step in steps_of(calls, uid, index=index):
            if step.name == "name":
                continue  # no sync, but what the folder's sync is held against
            without = [
                c for c in calls if not (c.name in SYNCS and step.held and c.end <= answer and _same(c, step, calls))
            ]
            tried[step.name] += 1
            missed[step.name] += bool(faults_of(without, uid, index=index))
    return {name: f"{missed[name]} of {tried[name]}" for name in tried}


def _same(call: Call, step: object, calls: Sequence[Call]) -> bool:
    """Tell whether a sync is of the file that a step's sync was of, at that moment or later."""
    its = next(c for c in calls if c.end == step.held)
    return call.path == its.path and call.end >= its.end


def peer_steps(calls: Sequence[Call], uids: Sequence[str], *, index: str) -> dict[str, object]:
    """Count the images of which each step was on disk before the answer."""
    done = Counter()
    for uid in uids:
        answer = answered_at(calls, uid)
        if answer is None:
            continue
        done["answered"] += 1
        steps = steps_of(calls, uid, index=index)
        done.update(step.name for step in steps if step.held is not None and step.held < answer)
    return {"acknowledged": len(uids), "on_disk_before_the_answer": dict(done), "syncs": syncs([calls])}


def pids_of(program: str) -> list[int]:
    return [pid for pid in descendants(os.getpid()) if Path(f"/proc/{pid}/comm").read_text().strip() == program]


def trace_peers(folder: Path, *, images: int, senders: int) -> dict[str, object]:
    """Trace the peers as they receive the same kind of images."""
    figures: dict[str, object] = {}
    answers = Answers()
    with orthanc(folder, aet="ORTHANC") as scp, traced(pids_of("Orthanc"), folder) as logs:
        send(scp.dicom_port, answers, images=images, senders=senders, aet="ORTHANC")
    figures["orthanc"] = peer_steps(read(logs[0]), list(answers.acknowledged), index=ORTHANC_INDEX)
    answers = Answers()
    with storescp(folder, "--fork") as plain, traced(pids_of("storescp"), folder) as logs:
        send(plain.port, answers, images=images, senders=senders, aet=plain.aet)
    figures["storescp"] = peer_steps(read(logs[0]), list(answers.acknowledged), index="no index")
    return figures


def main() -> int:
    """Measure, print, and fail if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", type=Path, default=None, help="where the data lie; a temporary folder")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--controls", type=int, default=20, help="images from whose trace syncs are taken")
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        traces, acknowledged = trace_node(folder / "node", images=arguments.images, senders=arguments.senders)
        control, without = trace_node(
            folder / "control", images=10, senders=2, processes=1, command=("-c", WITHOUT_SYNC)
        )
        uids = sorted(acknowledged)
        figures: dict[str, object] = {
            "machine": machine(folder),
            "node": judged(traces, uids),
            "control_sync_taken_from_the_trace": caught(traces, uids[: arguments.controls]),
            "control_fsync_does_nothing": judged(control, sorted(without)),
        }
        if arguments.peer:
            figures |= trace_peers(folder, images=min(50, arguments.images), senders=arguments.senders)
    taken = [text.split(" of ") for text in figures["control_sync_taken_from_the_trace"].values()]
    held = {
        "every acknowledged image in order": figures["node"]["in_order"] == len(uids) > 0,
        "each sync that is taken out is missed": len(taken) >= 3 and all(missed == tried for missed, tried in taken),
        "a receiver without fsync is caught": figures["control_fsync_does_nothing"]["in_order"] == 0,
    }
    return end(figures, as_json=arguments.json, held=held)


if __name__ == "__main__":
    sys.exit(main())
