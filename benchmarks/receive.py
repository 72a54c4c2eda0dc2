"""Throughput and memory of reception: 20 images of 27 MB by one sender, then by 8 senders at once.

The peers are measured in the same run, in turns with this node and from the same sender: Orthanc (SyncStorageArea
true), DCMTK's `storescp --fork`, and plain pynetdicom. MB/s counts from the first byte of the first object to the last
answer; the disk is synchronised before each turn, so that nobody pays for another's dirty pages. For those that do not
call fsync, `with_sync` counts on until all is on disk.

Measured besides: the processor time of the receiver for each MB, its peak memory (VmHWM of each process), and this
node's after one object of 1 GiB. Every object of this node is read back and compared with what was sent.

Not measured: a network (loopback has no latency), TLS, a disk under other load, the sender's own speed from disk.
Sender and receiver share the processors, so that on few cores the figures are lower than a receiver's own limit.

    .venv/bin/python benchmarks/receive.py --json
    .venv/bin/python benchmarks/receive.py --rounds 1 --peers node orthanc      # a quick look

Exit code 1 if a target is missed: 2.5 x Orthanc with one sender, 1.3 x with 8, no failed association, no object lost
or different, 100 MB for each receiver process, the same within 8 MB for an object of 1 GiB.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

# Run as a file, python looks for modules in benchmarks/ only.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import machine
from benchmarks.raw_scu import RawScu, Refused, Sendable, Template, new_uid, request_pdu, sendable, template
from benchmarks.storage_scps import DURABLE, NODE, ORTHANC, PYNETDICOM, STORESCP, Scp, started

IMAGE_BYTES = 27 * 10**6
LARGE_BYTES = 2**30
OBJECTS, SENDERS = 20, 8
ONE_SENDER_TARGET, MANY_SENDERS_TARGET = 2.5, 1.3
PEAK_TARGET_MB, FLAT_TARGET_MB = 100.0, 8.0


@dataclass
class Turn:
    """What one turn of one receiver gave."""

    seconds: float
    megabytes: float
    receiver_seconds: float
    sender_seconds: float
    sync_seconds: float
    failed: list[str]
    lost: int
    different: int
    peaks_mb: dict[str, float]
    uids: list[str] = field(repr=False, default_factory=list)

    def figures(self) -> dict[str, object]:
        """State the turn for --json."""
        return {
            "mb_per_second": round(self.megabytes / self.seconds, 1),
            "mb_per_second_with_sync": round(self.megabytes / (self.seconds + self.sync_seconds), 1),
            "receiver_cpu_ms_per_mb": round(1000 * self.receiver_seconds / self.megabytes, 3),
            "sender_cpu_ms_per_mb": round(1000 * self.sender_seconds / self.megabytes, 3),
            "failed": self.failed,
            "lost": self.lost,
            "different": self.different,
            "peaks_mb": self.peaks_mb,
        }


class Sender(threading.Thread):
    """One association that sends its objects when `start` is opened."""

    def __init__(self, scp: Scp, part: Template, uids: list[str], start: threading.Barrier) -> None:
        super().__init__(daemon=True)
        self._scp, self._part, self._uids, self._start = scp, part, uids, start
        self.failed = ""

    def run(self) -> None:
        """Associate, wait for the others, send."""
        try:
            with RawScu(self._scp.port, request_pdu(self._scp.aet, "BENCH")) as scu:
                cut: Sendable = sendable(self._part, scu.max_pdu)
                self._start.wait()
                self._send(scu, cut)
                scu.release()
        except (OSError, Refused, threading.BrokenBarrierError) as error:
            self.failed = f"{type(error).__name__}: {error}"
            self._start.abort()

    def _send(self, scu: RawScu, cut: Sendable) -> None:
        for uid in self._uids:
            status = scu.store(cut.pdus(uid))
            if status != 0x0000:
                self.failed = f"status 0x{status:04X}"


def turn(scp: Scp, part: Template, *, objects: int, senders: int, generator: random.Random) -> Turn:
    """Send `objects` in all over `senders` associations, and look what is there."""
    shares = [[new_uid(generator) for _ in range(number, objects, senders)] for number in range(senders)]
    start = threading.Barrier(senders + 1)
    threads = [Sender(scp, part, share, start) for share in shares]
    before = scp.kept()
    for thread in threads:
        thread.start()
    cpu_before = scp.processor_seconds()
    start.wait(60)
    own, began = time.process_time(), time.monotonic()
    for thread in threads:
        thread.join()
    ended, own = time.monotonic(), time.process_time() - own
    os.sync()
    synced = time.monotonic()
    uids = [uid for share in shares for uid in share]
    return Turn(
        seconds=ended - began,
        megabytes=objects * part.size_bytes / 1e6,
        receiver_seconds=scp.processor_seconds() - cpu_before,
        sender_seconds=own,
        sync_seconds=synced - ended,
        failed=[thread.failed for thread in threads if thread.failed],
        lost=before + objects - scp.kept(),
        different=different(scp, part, uids),
        peaks_mb=scp.peaks_mb(),
        uids=uids,
    )


def different(scp: Scp, part: Template, uids: list[str]) -> int:
    """Count objects of this node whose data set is not byte for byte what was sent."""
    sent = set(uids)
    return sum(not data.endswith(part.data_set(uid)) for uid, data in scp.objects() if uid in sent)


def fresh_turn(kind: str, part: Template, *, objects: int, senders: int, arguments: argparse.Namespace) -> Turn:
    """Start a receiver in a fresh folder, warm it up with a small object, measure, and remove all."""
    folder = Path(tempfile.mkdtemp(prefix="dcis-receive-", dir=arguments.scratch))
    generator = random.Random(os.urandom(8))  # noqa: S311 -- UIDs of a benchmark
    try:
        with started(kind, folder / "scp", config=arguments.config) as scp:
            os.sync()
            turn(scp, template(100_000), objects=4, senders=4, generator=generator)
            return turn(scp, part, objects=objects, senders=senders, generator=generator)
    finally:
        shutil.rmtree(folder)
        os.sync()


def measured(arguments: argparse.Namespace) -> dict[str, dict[str, list[dict[str, object]]]]:
    """Give every peer its turns, one after the other, several times."""
    part = template(IMAGE_BYTES)
    found: dict[str, dict[str, list[dict[str, object]]]] = {peer: {} for peer in arguments.peers}
    for _ in range(arguments.rounds):
        for name, senders in (("one_sender", 1), (f"{SENDERS}_senders", SENDERS)):
            objects = arguments.objects * (2 if senders > 1 else 1)
            for peer in arguments.peers:
                figures = fresh_turn(peer, part, objects=objects, senders=senders, arguments=arguments).figures()
                found[peer].setdefault(name, []).append(figures)
                say(arguments, f"{peer:10} {name:10} {figures}")
    if NODE in found and arguments.large:
        large = template(LARGE_BYTES, frames=60)
        figures = fresh_turn(NODE, large, objects=1, senders=1, arguments=arguments).figures()
        found[NODE]["one_object_of_1_GiB"] = [figures]
        say(arguments, f"{NODE:10} 1 GiB      {figures}")
    return found


def say(arguments: argparse.Namespace, text: str) -> None:
    """Show how far it is; with --json, standard output stays one object."""
    print(text, file=sys.stderr if arguments.json else sys.stdout, flush=True)


def summary(found: dict[str, dict[str, list[dict[str, object]]]]) -> dict[str, object]:
    """Give medians, and what the targets are held against."""
    medians = {
        peer: {name: statistics.median(one["mb_per_second"] for one in turns) for name, turns in names.items()}
        for peer, names in found.items()
    }
    result: dict[str, object] = {"mb_per_second_median": medians}
    node = medians.get(NODE, {})
    for peer, names in medians.items():
        if peer != NODE:
            result[f"times_{peer}"] = {name: round(node[name] / names[name], 2) for name in names if name in node}
    peaks = {
        name: max((mb for one in turns for mb in one["peaks_mb"].values()), default=0.0)
        for name, turns in found.get(NODE, {}).items()
    }
    return {**result, "node_peak_mb": peaks}


def missed(found: dict[str, dict[str, list[dict[str, object]]]], figures: dict[str, object]) -> list[str]:
    """Name the targets that were missed."""
    out = []
    for target, name in ((ONE_SENDER_TARGET, "one_sender"), (MANY_SENDERS_TARGET, f"{SENDERS}_senders")):
        times = figures.get(f"times_{ORTHANC}", {}).get(name)
        if times is not None and times < target:
            out.append(f"{name}: {times} x Orthanc, {target} wanted")
    for name, turns in found.get(NODE, {}).items():
        if any(one["failed"] or one["lost"] or one["different"] for one in turns):
            out.append(f"{name}: failed, lost or different")
    peaks = figures["node_peak_mb"]
    out += [f"{name}: peak {mb} MB, {PEAK_TARGET_MB} wanted" for name, mb in peaks.items() if mb > PEAK_TARGET_MB]
    if "one_object_of_1_GiB" in peaks and peaks["one_object_of_1_GiB"] > peaks["one_sender"] + FLAT_TARGET_MB:
        out.append("memory grows with the object")
    return out


def main() -> int:
    """Measure, print, and fail if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object; progress goes to standard error")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--objects", type=int, default=OBJECTS, help="of one sender; 8 senders share twice as many")
    parser.add_argument("--peers", nargs="+", default=[NODE, ORTHANC, STORESCP, PYNETDICOM], choices=DURABLE)
    parser.add_argument("--large", action=argparse.BooleanOptionalAction, default=True, help="also one object of 1 GiB")
    parser.add_argument("--scratch", default=None, help="folder for the files; the system's by default")
    parser.add_argument("--config", default="", help="more lines of this node's [receive], such as 'processes = 4'")
    arguments = parser.parse_args()
    facts = machine(Path(arguments.scratch or tempfile.gettempdir()))
    found = measured(arguments)
    figures = summary(found)
    short = missed(found, figures)
    result = {
        "machine": facts,
        "durable": {peer: DURABLE[peer] for peer in found},
        **figures,
        "targets": {
            "one_sender_times_orthanc": ONE_SENDER_TARGET,
            "8_senders_times_orthanc": MANY_SENDERS_TARGET,
            "peak_mb": PEAK_TARGET_MB,
        },
        "missed": short,
        "turns": found,
    }
    print(
        json.dumps(result)
        if arguments.json
        else json.dumps({k: v for k, v in result.items() if k != "turns"}, indent=1)
    )
    return int(bool(short))


if __name__ == "__main__":
    sys.exit(main())
