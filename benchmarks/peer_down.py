"""A PACS that is away for a day gets every result once it is back.

    python -m benchmarks.peer_down --json

300 results of 30 exams are made while the peer is away for 24 h of a virtual clock: it refuses, resets, swallows,
answers 0xA700, rejects, aborts, in turns; the courier is started again four times meanwhile. Then it is back. Bars:
300 of 300 delivered, each UID once at the peer, never other bytes under a UID in all that was ever sent, and the first
delivery at most 15 min after the return. Several outages with other moments; the worst counts. See `benchmarks.outage`
for what is real and what is virtual.

Orthanc as a sender is measured in the same run: one C-STORE job to a peer that is down; then the peer comes up, and
after some real minutes it has, or has not, got the object.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.outage import Plan, held, outage
from benchmarks.verdict import end
from tests.deliver.helpers import dicom_file
from tests.peers import Orthanc, StoragePeer, free_port, orthanc, wait_until

READ_NOT_MEASURED = {
    "mercure": "5 retries, 15 min apart (retry_max 5, retry_delay 900 s), then the folder goes to `error`: about 1 h "
    "15 min; read in its configuration and retry code, not measured here",
    "orthanc": "a C-STORE job that failed stays failed; resubmitting is left to whoever watches its jobs; read in its "
    "forum and documentation; what was measured of 1.10.1 stands beside",
}


@contextlib.contextmanager
def orthanc_with_a_job(folder: Path, port: int) -> Iterator[Orthanc]:
    """Run Orthanc, and let one of its C-STORE jobs meet a peer that is down."""
    folder.mkdir()
    with orthanc(folder, node=("PACS", port)) as peer:
        instance = peer.upload(dicom_file(folder / "object.dcm").read_bytes())["ID"]
        peer.post("/modalities/node/store", {"Resources": [instance], "Synchronous": False})
        wait_until(lambda: states(peer) == ["Failure"], "its job has failed", seconds=60)
        yield peer


def states(peer: Orthanc) -> list[str]:
    """Give the states of all jobs of an Orthanc."""
    return [job["State"] for job in peer.json("/jobs?expand")]


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", type=Path, default=None, help="where the data lie; a temporary folder")
    parser.add_argument("--outages", type=int, default=3)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="of the first outage")
    parser.add_argument("--peer-minutes", type=float, default=5.0, help="for Orthanc; 0 leaves it out")
    arguments = parser.parse_args()
    plan = Plan(seconds=arguments.hours * 3600.0)
    figures: dict[str, object] = {"hours": arguments.hours, "peers_as_read": READ_NOT_MEASURED}
    bars: dict[str, bool] = {"at least one outage": arguments.outages > 0}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name, contextlib.ExitStack() as peers:
        folder, port = Path(name), free_port()
        figures["machine"] = machine(folder)
        if arguments.peer_minutes:
            sender = peers.enter_context(orthanc_with_a_job(folder / "orthanc", port))
            pacs, since = peers.enter_context(StoragePeer(port=port)), time.monotonic()
        runs = []
        for number in range(arguments.outages):
            with outage(folder / str(number), plan, seed=arguments.seed + number) as run:
                runs.append(run.measure())
            print(json.dumps(runs[-1]), file=sys.stderr)
            bars |= {f"{bar} (seed {run.seed})": is_held for bar, is_held in held(runs[-1]).items()}
        figures["outages"] = runs
        if arguments.peer_minutes:
            time.sleep(max(0.0, arguments.peer_minutes * 60 - (time.monotonic() - since)))
            figures["orthanc"] = {
                "version": sender.json("/system")["Version"],
                "minutes_after_the_return": round((time.monotonic() - since) / 60, 1),
                "jobs": states(sender),
                "objects_at_the_peer": len(pacs.received),
            }
    return end(figures, as_json=arguments.json, held=bars)


if __name__ == "__main__":
    sys.exit(main())
