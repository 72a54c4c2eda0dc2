"""What was acknowledged survives kill -9 of the receivers at random moments.

    python -m benchmarks.kills --json

Real receivers (`dcis-node run receive`, two on one socket) are killed one at a time, 0.2 to 3 s after the last one is
up again, while four senders send images of 0.1 to 8 MB and send again what was not acknowledged. Afterwards every
acknowledged SOP Instance UID must be in the index, its file there with its SHA-256, and the data set in it the one that
was sent, byte for byte; no part may be left after the sweep that each start makes. Bars: at least 50 kills, at least
500 acknowledged, 0 lost.

The peer in the same run is Orthanc (SyncStorageArea, its default), killed the same way, fewer times. A kill leaves the
operating system alive: what was written and not synced survives it. Loss of power is `benchmarks/power_cut.py`, the
order of the system calls `benchmarks/order.py`.
"""

import argparse
import io
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pydicom

from benchmarks.durability import Answers, Receivers, Senders, compare, data_set_digest, lost_in
from benchmarks.machine import descendants, machine
from benchmarks.verdict import end
from tests.peers import Orthanc, free_port, orthanc, wait_until

LEAST_KILLS, LEAST_ACKNOWLEDGED = 50, 500
BETWEEN_SECONDS = (0.2, 3.0)
ORTHANC = "ORTHANC"
ENOUGH_SECONDS = 600.0


def size_of(source: random.Random) -> int:
    """Give the size of an image; small ones are many, and end at other moments than large ones."""
    return source.choice((100_000, 100_000, 500_000, 2_000_000, 8_000_000))


def kill_receivers(folder: Path, *, kills: int, acknowledged: int, senders: int, seed: int) -> dict[str, object]:
    """Kill, start again, compare."""
    answers, source = Answers(), random.Random(seed)  # noqa: S311 -- moments, no secret
    began = time.monotonic()
    with Receivers(folder) as receivers:
        with Senders(receivers.port, answers, count=senders, size_bytes=size_of, seed=seed):
            for _ in range(kills):
                time.sleep(source.uniform(*BETWEEN_SECONDS))
                victim = source.choice(list(receivers.processes))
                receivers.kill(victim)
                receivers.start(victim)
                receivers.wait(victim)
            enough(answers, acknowledged)
        log = receivers.logs()
    return {
        "kills": kills,
        "seconds": round(time.monotonic() - began, 1),
        "answers": answers.told(),
        "requests_cut_off": answers.unknown,
        "receivers_started": log.count("event=receiver_started"),
        **compare(receivers, answers.acknowledged),
    }


def enough(answers: Answers, acknowledged: int) -> None:
    """Wait until so many images are acknowledged."""
    wait_until(lambda: len(answers.acknowledged) >= acknowledged, f"{acknowledged} images", seconds=ENOUGH_SECONDS)


def kill_orthanc(folder: Path, *, kills: int, acknowledged: int, senders: int, seed: int) -> dict[str, object]:
    """Do the same to Orthanc; its one process is started again when it is dead."""
    answers, source = Answers(), random.Random(seed)  # noqa: S311 -- moments, no secret
    ports = {"dicom_port": free_port(), "http_port": free_port()}

    def live(until: Callable[[], None]) -> None:
        with orthanc(folder, aet=ORTHANC, **ports):
            until()
            os.kill(orthanc_pid(), signal.SIGKILL)

    with Senders(ports["dicom_port"], answers, count=senders, size_bytes=size_of, aet=ORTHANC, seed=seed):
        for _ in range(kills):
            live(lambda: time.sleep(source.uniform(*BETWEEN_SECONDS)))
        live(lambda: enough(answers, acknowledged))
    with orthanc(folder, aet=ORTHANC, **ports) as scp:
        kept = stored(scp)
    return {
        "kills": kills + 1,
        "answers": answers.told(),
        "requests_cut_off": answers.unknown,
        "acknowledged": len(answers.acknowledged),
        "not_in_index": len(set(answers.acknowledged) - set(kept)),
        "other_data_set": sum(kept[uid] != digest for uid, digest in answers.acknowledged.items() if uid in kept),
    }


def orthanc_pid() -> int:
    """Find the Orthanc that this process has started."""
    mine = [pid for pid in descendants(os.getpid()) if Path(f"/proc/{pid}/comm").read_text().strip() == "Orthanc"]
    return mine[0]


def stored(scp: Orthanc) -> dict[str, str]:
    """Read everything back: UID, and digest of the data set as it was sent."""
    found = {}
    for name in scp.json("/instances"):
        try:
            ds = pydicom.dcmread(io.BytesIO(scp.file(name)))
            found[str(ds.SOPInstanceUID)] = data_set_digest(ds)
        except OSError:
            continue  # in the index, and its file is not readable: counts as lost
    return found


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", type=Path, default=None, help="where the data lie; a temporary folder")
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--acknowledged", type=int, default=600, help="least images; more are sent if need be")
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="of moments and images")
    parser.add_argument("--peer-kills", type=int, default=10, help="of Orthanc; 0 leaves it out")
    arguments = parser.parse_args()
    figures: dict[str, object] = {"seed": arguments.seed}
    named = {"senders": arguments.senders, "seed": arguments.seed}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        figures["machine"] = machine(Path(folder))
        figures["node"] = kill_receivers(
            Path(folder) / "node", kills=arguments.kills, acknowledged=arguments.acknowledged, **named
        )
        if arguments.peer_kills:
            peer = Path(folder) / "orthanc"
            peer.mkdir()
            least = arguments.acknowledged * arguments.peer_kills // max(1, arguments.kills)
            figures["orthanc"] = kill_orthanc(peer, kills=arguments.peer_kills, acknowledged=least, **named)
    node = figures["node"]
    figures["lost"] = lost_in(node)
    held = {
        "nothing acknowledged is lost": figures["lost"] == 0,
        "no part is left": node["stray_parts"] == 0,
        "the index is sound": node["index_faults"] == 0,
        "enough kills": node["kills"] >= LEAST_KILLS,
        "enough acknowledged": node["acknowledged"] >= LEAST_ACKNOWLEDGED,
    }
    return end(figures, as_json=arguments.json, held=held)


if __name__ == "__main__":
    sys.exit(main())
