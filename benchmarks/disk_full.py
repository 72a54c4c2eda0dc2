"""A disk that fills in the middle of reception: what is answered, what is lost, what is left behind, and for how long.

    python -m benchmarks.disk_full --json          (as root: it mounts small ext4 file systems from files in --folder)

Real receivers (`dcis-node run receive`) keep files and index on a small ext4. Senders send until images are refused,
and go on for a while; then a stranger's file is removed, and the next acknowledged image ends the clock. The ways to be
full: `blocks` (reserve 0: the writes themselves fail, in the middle of images), `index` (the same with small objects:
the index grows into the last bytes), `reserve` (storage.reserve_bytes: refused before a byte is written) and `inodes`
(bytes enough, no name left). Bars: every refusal is 0xA700, no image without an answer, nothing acknowledged is missing
or damaged, no part is left, and an image is taken within 5 s of the space.

The peer in the same run is Orthanc with its disk full by `blocks`. Not measured: network file systems, quotas (EDQUOT
meets the same lines of code as ENOSPC).
"""

import argparse
import contextlib
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.durability import OUT_OF_RESOURCES, SUCCESS, Answers, Receivers, Senders, compare, lost_in
from benchmarks.machine import machine
from benchmarks.small_disk import small_ext4
from benchmarks.verdict import end
from tests.peers import listens, orthanc, wait_until

BAR_SECONDS = 5.0
FULL_SECONDS = 120.0
ORTHANC = "ORTHANC"
SmallDisk = Callable[..., AbstractContextManager[Path]]


@dataclass(frozen=True)
class Case:
    """One way to be full.

    Parameters
    ----------
    stuffing
        Bytes of the stranger's file that is removed in the end.
    """

    name: str
    megabytes: int
    stuffing: int
    reserve_bytes: int = 0
    inodes: int | None = None
    sizes: tuple[int, ...] = (200_000, 1_000_000, 3_000_000, 8_000_000)


CASES = (
    Case("blocks", megabytes=96, stuffing=24 << 20),
    Case("index", megabytes=48, stuffing=24 << 20, sizes=(20_000,)),
    Case("reserve", megabytes=96, stuffing=24 << 20, reserve_bytes=24 << 20),
    Case("inodes", megabytes=256, stuffing=24 << 20, inodes=512, sizes=(20_000,)),
)


def stuff(folder: Path, case: Case) -> list[Path]:
    """Lay down what a stranger keeps on the disk: bytes, or names."""
    folder.mkdir()
    if case.inodes is None:
        return [written(folder / "stuffing", case.stuffing)]
    return [written(folder / f"stuffing-{number}", 0) for number in range(50)]


def written(path: Path, size: int) -> Path:
    path.write_bytes(bytes(size))
    return path


def fill(
    port: int, aet: str, answers: Answers, stuffing: list[Path], *, senders: int, case: Case, refusals: int
) -> float:
    """Send until the disk is full and for so many refusals more, make room, and time the next success."""

    def size(source: random.Random) -> int:
        return source.choice(case.sizes)

    with Senders(port, answers, count=senders, size_bytes=size, aet=aet, per_association=50):

        def refused() -> int:
            told = sum(count for status, count in answers.statuses.items() if status != SUCCESS)
            return told + answers.unknown + answers.not_associated

        # A peer may fall silent instead: then its time is up.
        with contextlib.suppress(pytest.fail.Exception):
            wait_until(lambda: refused() >= refusals, "the disk is full", seconds=FULL_SECONDS)
        for path in stuffing:
            path.unlink()
        free = time.monotonic()
        with contextlib.suppress(pytest.fail.Exception):
            wait_until(lambda: answers.acknowledged_at[-1:] > [free], "an image is taken", seconds=10 * BAR_SECONDS)
    later = [moment - free for moment in answers.acknowledged_at if moment > free]
    return round(min(later), 3) if later else float("inf")


def node(
    folder: Path, case: Case, *, senders: int, refusals: int, small_disk: SmallDisk = small_ext4
) -> dict[str, object]:
    """Fill the disk of real receivers."""
    answers = Answers()
    with small_disk(folder, megabytes=case.megabytes, inodes=case.inodes) as disk:
        stuffing = stuff(disk / "stranger", case)
        with Receivers(disk / "node", reserve_bytes=case.reserve_bytes) as receivers:
            seconds = fill(
                receivers.port, "DCIS_NODE", answers, stuffing, senders=senders, case=case, refusals=refusals
            )
            parts = len(list(receivers.files.incoming.iterdir()))
        log = receivers.logs()
        return {
            "answers": answers.told(),
            "without_answer": answers.unknown,
            "slowest_answer_seconds": round(answers.slowest_seconds, 2),
            "taken_again_after_seconds": seconds,
            "parts_while_idle": parts,
            "receivers_died": sum(process.returncode != 0 for process in receivers.processes.values()),
            "refused_because": dict(Counter(re.findall(r"event=refused .* text=(.*)", log))),
            "shortages_begun_and_ended": [log.count("event=disk_short "), log.count("event=disk_short_ended")],
            **compare(receivers, answers.acknowledged),
        }


def peer(folder: Path, case: Case, *, senders: int, refusals: int) -> dict[str, object]:
    """Fill the disk of Orthanc."""
    answers = Answers()
    with small_ext4(folder, megabytes=case.megabytes) as disk:
        stuffing = stuff(disk / "stranger", case)
        with running_orthanc(disk) as scp:
            seconds = fill(scp.dicom_port, ORTHANC, answers, stuffing, senders=senders, case=case, refusals=refusals)
            there = {
                scp.json(f"/instances/{name}/simplified-tags")["SOPInstanceUID"] for name in scp.json("/instances")
            }
        return {
            "answers": answers.told(),
            "without_answer": answers.unknown,
            "associations_refused": answers.not_associated,
            "taken_again_after_seconds": seconds,
            "acknowledged": len(answers.acknowledged),
            "not_in_index": len(set(answers.acknowledged) - there),
        }


@contextlib.contextmanager
def running_orthanc(disk: Path) -> Iterator[object]:
    with orthanc(disk, aet=ORTHANC) as scp:
        wait_until(lambda: listens(scp.dicom_port), "Orthanc listens")
        yield scp


def missed(figures: dict[str, object]) -> list[str]:
    """List the bars that one case misses."""
    refusals = {status: count for status, count in figures["answers"].items() if status != f"0x{SUCCESS:04X}"}
    bars = {
        "each refusal is 0xA700": set(refusals) == {f"0x{OUT_OF_RESOURCES:04X}"},
        "the disk was full": sum(refusals.values()) > 0,
        "every image is answered": figures["without_answer"] == 0,
        "nothing acknowledged is lost": lost_in(figures) == 0,
        "no part is left": figures["stray_parts"] == 0 and figures["parts_while_idle"] == 0,
        "taken again in time": figures["taken_again_after_seconds"] <= BAR_SECONDS,
        "no receiver died": figures["receivers_died"] == 0,
        "the index is sound": figures["index_faults"] == 0,
    }
    return [name for name, held in bars.items() if not held]


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", type=Path, default=None, help="where the disk images lie; a temporary folder")
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--refusals", type=int, default=100, help="refused images before space is made")
    parser.add_argument("--cases", nargs="*", default=[case.name for case in CASES])
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        figures["machine"] = machine(Path(folder))
        for case in CASES:
            if case.name in arguments.cases:
                figures[case.name] = node(Path(folder), case, senders=arguments.senders, refusals=arguments.refusals)
        if arguments.peer:
            figures["orthanc_blocks"] = peer(
                Path(folder), CASES[0], senders=arguments.senders, refusals=arguments.refusals
            )
    failures = {name: missed(figures[name]) for name in figures if name in arguments.cases}
    figures["missed"] = {name: bars for name, bars in failures.items() if bars}
    return end(figures, as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
