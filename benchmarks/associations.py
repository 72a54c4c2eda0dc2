"""Associations: how many a second, and whether 200 at once lose anything.

Echo: associate, C-ECHO, release, by one sender after the other and by eight at once. Burst: 200 associations are
requested at the same moment, each with 4 images; who is refused asks again, with a pause, as a modality does. Each
refusal has to be a clean A-ASSOCIATE-RJ, and each image has to arrive. The node runs with its default limits (25
associations from one address), so that most of the 200 meet them at first.

The peer, in turns with this node in the same run and by the same sender: Orthanc. It has no limit of associations:
what exceeds its threads waits in the kernel's backlog (or is lost there, and asked for again).

    .venv/bin/python benchmarks/associations.py --json

Exit code 1 if an image is lost, an association of this node fails in another way than by a clean refusal, or an echo
fails. Not measured: TLS, a network.
"""

import argparse
import collections
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

# Run as a file, python looks for modules in benchmarks/ only.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import machine
from benchmarks.raw_scu import (
    ECHO_CONTEXT,
    RawScu,
    Refused,
    command_pdu,
    echo_command,
    new_uid,
    request_pdu,
    sendable,
    template,
)
from benchmarks.storage_scps import NODE, ORTHANC, Scp, started

ECHOES, AT_ONCE = 200, 8
BURST, IMAGES, IMAGE_BYTES = 200, 4, 500_000
# Between two tries, with as much again at random; what senders have as their shortest is a few seconds.
RETRY_SECONDS, GIVE_UP_SECONDS = 1.0, 120.0
LIMIT = (2, 3, 2)  # PS3.8 9.3.4: transient, presentation layer, local limit exceeded


@dataclass
class Counts:
    """What became of the requests of all senders."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    refused: collections.Counter = field(default_factory=collections.Counter)
    failed: collections.Counter = field(default_factory=collections.Counter)
    delivered: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, counter: collections.Counter, what: str) -> None:
        """Count one."""
        with self.lock:
            counter[what] += 1


def echo_once(scp: Scp, request: bytes, echo: bytes) -> None:
    """Associate, echo, release."""
    with RawScu(scp.port, request, timeout_seconds=30.0) as scu:
        if scu.echo(echo) != 0x0000:
            raise ConnectionError("an echo was not answered with success")
        scu.release()


def echoes(scp: Scp, *, number: int, at_once: int) -> dict[str, object]:
    """Time `number` associations with an echo, by so many senders."""
    request, echo = request_pdu(scp.aet, "BENCH"), command_pdu(echo_command(), ECHO_CONTEXT)
    counts = Counts()

    def work() -> None:
        for _ in range(number // at_once):
            began = time.monotonic()
            try:
                echo_once(scp, request, echo)
            except (OSError, Refused) as error:
                counts.add(counts.failed, f"{type(error).__name__}: {error}")
            counts.seconds.append(time.monotonic() - began)

    began = time.monotonic()
    in_threads([work] * at_once)
    took = time.monotonic() - began
    return {
        "associations_per_second": round(number / took, 1),
        "median_ms": round(1000 * statistics.median(counts.seconds), 2),
        "worst_ms": round(1000 * max(counts.seconds), 1),
        "failed": dict(counts.failed),
    }


def burst(scp: Scp, *, associations: int) -> dict[str, object]:
    """Request all associations at once, send the images of each, and ask again where one was refused."""
    generator = random.Random(os.urandom(8))  # noqa: S311 -- UIDs of a benchmark
    request = request_pdu(scp.aet, "BENCH")
    part = template(IMAGE_BYTES)
    cut = sendable(part, 16384)  # every peer takes PDUs of this length
    counts = Counts()
    start = threading.Barrier(associations)
    before = scp.kept()

    def sender(uids: list[str]) -> Callable[[], None]:
        def work() -> None:
            start.wait(60)
            until = time.monotonic() + GIVE_UP_SECONDS
            left = list(uids)
            while left and time.monotonic() < until:
                try:
                    with RawScu(scp.port, request, timeout_seconds=60.0) as scu:
                        while left:
                            if scu.store(cut.pdus(left[0])) != 0x0000:
                                raise ConnectionError("an image was not taken")
                            left.pop(0)
                            with counts.lock:
                                counts.delivered += 1
                        scu.release()
                except Refused as refused:
                    counts.add(counts.refused, "/".join(map(str, refused.answer)))
                    time.sleep(RETRY_SECONDS * (1 + random.random()))  # noqa: S311 -- a pause
                except OSError as error:
                    counts.add(counts.failed, f"{type(error).__name__}: {error}")
                    time.sleep(RETRY_SECONDS * (1 + random.random()))  # noqa: S311 -- a pause

        return work

    began = time.monotonic()
    in_threads([sender([new_uid(generator) for _ in range(IMAGES)]) for _ in range(associations)])
    took = time.monotonic() - began
    wanted = associations * IMAGES
    return {
        "seconds": round(took, 2),
        "images_per_second": round(wanted / took, 1),
        "refused": dict(counts.refused),
        "failed": dict(counts.failed),
        "not_delivered": wanted - counts.delivered,
        "lost": before + wanted - scp.kept(),
        "peaks_mb": scp.peaks_mb(),
    }


def in_threads(works: list[Callable[[], None]]) -> None:
    """Do all at the same time."""
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measured(arguments: argparse.Namespace) -> dict[str, dict[str, list[dict[str, object]]]]:
    """Give both their turns."""
    found: dict[str, dict[str, list[dict[str, object]]]] = {NODE: {}, ORTHANC: {}}
    for _ in range(arguments.rounds):
        for peer, turns_of in found.items():
            folder = Path(tempfile.mkdtemp(prefix="dcis-associations-", dir=arguments.scratch))
            try:
                with started(peer, folder / "scp") as scp:
                    echoes(scp, number=AT_ONCE, at_once=AT_ONCE)
                    turns = {
                        "echo_one_sender": echoes(scp, number=arguments.echoes, at_once=1),
                        "echo_8_senders": echoes(scp, number=arguments.echoes, at_once=AT_ONCE),
                        "burst": burst(scp, associations=arguments.associations),
                    }
            finally:
                shutil.rmtree(folder)
                os.sync()
            for name, figures in turns.items():
                turns_of.setdefault(name, []).append(figures)
                print(f"{peer:8} {name:16} {figures}", file=sys.stderr, flush=True)
    return found


def missed(turns: dict[str, list[dict[str, object]]]) -> list[str]:
    """Name what this node failed in."""
    out = [f"{name}: {one['failed']}" for name, list_of in turns.items() for one in list_of if one["failed"]]
    for one in turns["burst"]:
        if one["lost"] or one["not_delivered"]:
            out.append(f"burst: {one['lost']} lost, {one['not_delivered']} not delivered")
        if set(one["refused"]) - {"/".join(map(str, LIMIT))}:
            out.append(f"burst: refused otherwise than by {LIMIT}: {one['refused']}")
    return out


def medians(turns: dict[str, list[dict[str, object]]]) -> dict[str, float]:
    """Give the median rate of each kind of turn."""
    rates = {
        name: [one.get("associations_per_second", one.get("images_per_second")) for one in turns[name]]
        for name in turns
    }
    return {name: statistics.median(values) for name, values in rates.items()}


def main() -> int:
    """Measure, print, and fail if something was lost or not clean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object; progress goes to standard error")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--echoes", type=int, default=ECHOES, help="associations with an echo, in each turn")
    parser.add_argument("--associations", type=int, default=BURST, help="associations of the burst")
    parser.add_argument("--scratch", default=None, help="folder for the files; the system's by default")
    arguments = parser.parse_args()
    facts = machine(Path(arguments.scratch or tempfile.gettempdir()))
    found = measured(arguments)
    short = missed(found[NODE])
    result = {
        "machine": facts,
        "per_second_median": {peer: medians(turns) for peer, turns in found.items()},
        "missed": short,
        "turns": found,
    }
    shown = result if arguments.json else {name: value for name, value in result.items() if name != "turns"}
    print(json.dumps(shown, indent=None if arguments.json else 1))
    return int(bool(short))


if __name__ == "__main__":
    sys.exit(main())
