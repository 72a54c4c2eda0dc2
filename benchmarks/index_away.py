"""The server of an index is away for minutes under a whole node, in the middle of its work: stopped, or standing still.

    python -m benchmarks.index_away --json

A PostgreSQL server of its own is first shut down, then, in another run, frozen (SIGSTOP to all its processes: it takes
connections and answers nothing). Exams come before and meanwhile, from modalities that try again until they are taken.

Bars, for each: while the server is away no image is acknowledged; no process of the node ends; afterwards every
acknowledged image is in the index, each exam is answered and has one current report, every result is at the PACS once;
no view is set aside and no exam answered without its analysis; each process writes at most two lines a minute of it,
and six more.

Told beside it: how long a sender waited for its refusal, and how soon after the return everything was answered.
"""

import argparse
import contextlib
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import accounts
from benchmarks.exactly_once import CONFIG, DATE
from benchmarks.hospital import AET, VIEWS, Acknowledged, Modalities, Parcel, view
from benchmarks.machine import descendants, machine, made_folder
from benchmarks.recording_pacs import RecordingPacs
from benchmarks.verdict import end
from benchmarks.whole_node import WholeNode
from storage.database import Database
from tests.analyse.tiny import write_tiny_bundle
from tests.indexes import Cluster, cluster
from tests.peers import wait_until

AWAY_SECONDS = 200.0
EXAMS_BEFORE, EXAMS_MEANWHILE = 6, 4
BACK_SECONDS = 300.0
# It is said twice (what is waited for, the sign of life): at once, each minute, and when it is over.
LINES_A_MINUTE, LINES_MORE = 2, 6


@contextlib.contextmanager
def frozen(server: Cluster) -> Iterator[None]:
    """Let the server stand still."""
    pids = [server.server.pid, *descendants(server.server.pid)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


WAYS: dict[str, Callable[[Cluster], contextlib.AbstractContextManager[None]]] = {
    "stopped": Cluster.away,
    "frozen": frozen,
}


def run(folder: Path, away: Callable[[Cluster], contextlib.AbstractContextManager[None]], seconds: float) -> dict:
    """Send, let the server be away, wait until nothing waits, and hold everything together."""
    acknowledged = Acknowledged()
    exams = range(1, EXAMS_BEFORE + EXAMS_MEANWHILE + 1)
    with RecordingPacs() as pacs, cluster() as server, server.empty_index() as url:
        bundle = write_tiny_bundle(folder / "bundle", threshold=0.3)
        node = WholeNode(folder / "node", CONFIG.format(aet=AET, bundle=bundle, pacs=pacs.port, index=url))
        node.start()
        try:
            with node.index() as db, Modalities(node.port, folder / "sent", acknowledged) as modalities:
                before = node.pids()
                _send(modalities, exams[:EXAMS_BEFORE])
                wait_until(lambda: "event=view_analysed" in node.log(), "it works", seconds=120)
                with away(server):
                    time.sleep(1.0)  # what was on its way has arrived
                    taken = len(acknowledged.images)
                    _send(modalities, exams[EXAMS_BEFORE:])
                    time.sleep(seconds)
                    taken = len(acknowledged.images) - taken
                back = time.monotonic()
                wait_until(lambda: _is_done(modalities, db), "all is answered", seconds=BACK_SECONDS)
                answered = time.monotonic() - back
                with db.read() as session:
                    figures = {
                        "images": accounts.of_images(session, node.files, acknowledged.images),
                        "results": accounts.of_results(session, node.files, pacs),
                        "answered": accounts.of_exams(session, pacs, exams),
                    }
                after = node.pids()
        finally:
            exit_code = node.stop()
    return {
        "away_seconds": seconds,
        "taken_while_away": taken,
        "answers_of_the_node": acknowledged.answers,
        "all_answered_seconds_after_return": round(answered, 1),
        "processes_that_ended": sorted(name for name, pid in before.items() if after.get(name) != pid),
        "lines_of_the_outage": _lines(node.log()),
        "exit_code": exit_code,
        **figures,
    }


def _send(modalities: Modalities, exams: range) -> None:
    for number in exams:
        files = tuple(view(number, place, date=DATE) for place in range(len(VIEWS)))
        modalities.send(Parcel(f"exam-{number}", files))


def _is_done(modalities: Modalities, db: Database) -> bool:
    left = accounts.waiting(db)
    return not modalities.busy and not any(left[name] for name in ("views", "exams", "outbox", "unproven"))


def _lines(log: str) -> dict[str, int]:
    """Count what each process has written of it."""
    counts: dict[str, int] = {}
    for name in re.findall(r" process=(\S+) event=(?:index_unusable|beat_not_written) ", log):
        counts[name] = counts.get(name, 0) + 1
    return counts


def bars(figures: dict) -> dict[str, bool]:
    """Say of each bar whether it was held."""
    images, results, answered = figures["images"], figures["results"], figures["answered"]
    exams = EXAMS_BEFORE + EXAMS_MEANWHILE
    most = LINES_A_MINUTE * figures["away_seconds"] / 60 + LINES_MORE
    return {
        "nothing was acknowledged meanwhile": not figures["taken_while_away"],
        "senders were told to try again": figures["answers_of_the_node"].get("0xA700", 0) > 0,
        "no process ended": not figures["processes_that_ended"] and figures["exit_code"] == 0,
        "every image was taken, and is in the index, whole": images["acknowledged"] == exams * len(VIEWS)
        and not images["lost"] + images["altered"],
        "each exam is answered by one current report": answered["states"] == {"reported": exams}
        and not answered["not_exactly_one_current"] + answered["without_answer"],
        "nothing was given up": not answered["views_set_aside"] + answered["answered_without_analysis"],
        "every result is at the PACS, with the same bytes": not results["lost"] + results["not_delivered_in_index"]
        and not results["uids_with_differing_bytes"] + results["altered"],
        "the log stays short": max(figures["lines_of_the_outage"].values()) <= most,
    }


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", type=made_folder, default=None, help="where the data lie; a temporary folder")
    parser.add_argument("--seconds", type=float, default=AWAY_SECONDS, help="for which the server is away")
    parser.add_argument("--way", choices=tuple(WAYS), action="append", help="how; both")
    arguments = parser.parse_args()
    figures, held = {}, {}
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="away-") as name:
        facts = machine(Path(name))
        for way in arguments.way or WAYS:
            (Path(name) / way).mkdir()
            figures[way] = run(Path(name) / way, WAYS[way], arguments.seconds)
            held |= {f"{way}: {bar}": is_held for bar, is_held in bars(figures[way]).items()}
    return end({**figures, "machine": facts}, as_json=arguments.json, held=held)


if __name__ == "__main__":
    sys.exit(main())
