"""What was acknowledged survives a loss of power in the middle of reception.

    python -m benchmarks.power_cut --json       (as root: it mounts a small ext4 from a file in --folder)

Real receivers keep files and index on an ext4 of their own, and senders send. At a random moment the file system is
stopped by its own shutdown call without writing its journal: pages that nobody has synced are gone, as they are when
the power goes, and every later call fails. Then it is mounted again (its journal is replayed), receivers start on it,
and what was acknowledged until then is held against index and files. Bars: at least 30 cuts, 0 lost; and the same run
with an fsync that does nothing (Python's; the index without `synchronous`) must lose something, or the figure would
prove nothing.

The peer in the same run is Orthanc. Not measured: a disk that forgets what it says it has flushed. The image file of
the ext4 lies on the host's file system, which keeps running; whether each flush is asked for, and in which order, is
shown by `benchmarks/order.py`.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.durability import Answers, Receivers, Senders, compare, lost_in, nothing_opens
from benchmarks.kills import ORTHANC, orthanc_pid, stored
from benchmarks.machine import machine
from benchmarks.small_disk import cut_power, make_ext4, mounted
from benchmarks.verdict import end
from dcis_node.errors import StorageError
from tests.peers import free_port, orthanc, wait_until

LEAST_CUTS = 30
MEGABYTES = 192
BETWEEN_SECONDS = (0.3, 3.0)
ANSWERED_SECONDS = 60.0
WITHOUT_SYNC = """
import os, sys
os.fsync = os.fdatasync = lambda _: None
from storage import engines
pragmas = engines._pragmas
engines._pragmas = lambda: {**pragmas(), "synchronous": "OFF"}
from dcis_node.cli import main
sys.argv[0] = "dcis-node"
main()
"""


def size_of(source: random.Random) -> int:
    return source.choice((50_000, 200_000, 500_000, 2_000_000))


def cut_node(folder: Path, *, senders: int, seed: int, command: Sequence[str] = ("-m", "dcis_node")) -> dict[str, int]:
    """Cut the power of receivers once; compare what their successors find."""
    answers, source = Answers(), random.Random(seed)  # noqa: S311 -- moments, no secret
    image, mount = folder / "disk.img", folder / "disk"
    make_ext4(image, megabytes=MEGABYTES)
    with mounted(image, mount) as disk:
        receivers = Receivers(disk / "node", command=command)
        os.sync()  # the node has been installed for a while
        with Senders(receivers.port, answers, count=senders, size_bytes=size_of, seed=seed, retry_seconds=0.2):
            wait_until(lambda: answers.acknowledged, "images are sent", seconds=ANSWERED_SECONDS)
            time.sleep(source.uniform(*BETWEEN_SECONDS))
            with answers.lock:  # no acknowledgement is counted while the power goes
                cut_power(disk)
                acknowledged = dict(answers.acknowledged)
        for number in receivers.processes:
            receivers.kill(number)
        receivers.stop()
    with mounted(image, mount) as disk:
        try:
            with Receivers(disk / "node") as successors:
                successors.stop()
                figures = compare(successors, acknowledged)
        except StorageError:  # what an index without fsync may come to
            figures = nothing_opens(acknowledged)
    image.unlink()
    return {**figures, "refused_after_the_cut": answers.statuses.get(0xA700, 0)}


def cut_orthanc(folder: Path, *, senders: int, seed: int) -> dict[str, int]:
    """Cut the power of Orthanc once; `not_started` is 1 if it does not come up again (all is lost then)."""
    answers, source = Answers(), random.Random(seed)  # noqa: S311 -- moments, no secret
    image, mount = folder / "disk.img", folder / "disk"
    make_ext4(image, megabytes=MEGABYTES)
    ports = {"dicom_port": free_port(), "http_port": free_port()}
    with mounted(image, mount) as disk, orthanc(disk, aet=ORTHANC, **ports):
        os.sync()
        with Senders(ports["dicom_port"], answers, count=senders, size_bytes=size_of, aet=ORTHANC, seed=seed):
            wait_until(lambda: answers.acknowledged, "images are sent", seconds=ANSWERED_SECONDS)
            time.sleep(source.uniform(*BETWEEN_SECONDS))
            with answers.lock:
                cut_power(disk)
                acknowledged = dict(answers.acknowledged)
            os.kill(orthanc_pid(), signal.SIGKILL)
    kept: dict[str, str] = {}
    not_started = 0
    with mounted(image, mount) as disk:
        try:
            with orthanc(disk, aet=ORTHANC, **ports) as scp:
                kept = stored(scp)
        except pytest.fail.Exception:  # how tests.peers says that a program did not come up
            not_started = 1
    image.unlink()
    lost = [uid for uid, digest in acknowledged.items() if kept.get(uid) != digest]
    return {"acknowledged": len(acknowledged), "lost": len(lost), "not_started": not_started}


def total(cuts: Sequence[dict[str, int]]) -> dict[str, int]:
    """Add up the figures of all cuts."""
    return {"cuts": len(cuts), **{name: sum(cut[name] for cut in cuts) for name in (cuts[0] if cuts else ())}}


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", type=Path, default=None, help="where the disk image lies; a temporary folder")
    parser.add_argument("--cuts", type=int, default=30)
    parser.add_argument("--control-cuts", type=int, default=2, help="with an fsync that does nothing")
    parser.add_argument("--peer-cuts", type=int, default=5, help="of Orthanc")
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="of moments and images")
    arguments = parser.parse_args()
    figures: dict[str, object] = {"seed": arguments.seed}
    seeds = range(arguments.seed, arguments.seed + 1000)
    named = {"senders": arguments.senders}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        figures["machine"] = machine(folder)
        node = total([cut_node(folder, seed=seed, **named) for seed in seeds[: arguments.cuts]])
        control = total(
            [cut_node(folder, seed=s, command=("-c", WITHOUT_SYNC), **named) for s in seeds[: arguments.control_cuts]]
        )
        peer = total([cut_orthanc(folder, seed=seed, **named) for seed in seeds[: arguments.peer_cuts]])
    figures |= {"node": node, "control_without_fsync": control, "orthanc": peer, "lost": lost_in(node)}
    held = {
        "nothing acknowledged is lost": figures["lost"] == 0,
        "no part is left": node["stray_parts"] == 0,
        "the index is sound": node["index_faults"] == 0,
        "enough cuts": node["cuts"] >= LEAST_CUTS,
        "without fsync it is seen": not arguments.control_cuts or lost_in(control) > 0,
    }
    return end(figures, as_json=arguments.json, held=held)


if __name__ == "__main__":
    sys.exit(main())
