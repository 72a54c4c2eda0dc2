"""Every result arrives once, while worker, courier, clock and supervisor are killed (SIGKILL) at random moments.

    python -m benchmarks.exactly_once --json

The real node (`dcis-node run`) gets 200 exams of four small views; one in ten gets its last view only after it was
answered. It judges them with a tiny bundle, so that many results are made and sent while processes die. One process
after another is killed; a killed supervisor is started again, as systemd would. The PACS keeps the first object under
each UID and remembers every request; now and then it ends the association, before it keeps an object or behind that
and before its answer.

Bars, at the end: every acknowledged image is in the index, whole; each exam is answered and has exactly one report that
no other replaces, the newest, and its predecessors are right (read from what the PACS keeps); every result is at the
PACS and marked so; no two requests under one UID had other bytes; no exam is left without an answer.

Told beside it: how many requests were repeats, and what it cost that an attempt counts although it was the kill that
ended it (`views_set_aside`, `answered_without_analysis`).

There is no peer: neither Orthanc nor mercure makes results. With --exams 12 --kills 8 it takes a minute. With --index
postgresql the index is in a PostgreSQL server of its own, which waits for no disk and is stopped for some seconds
now and then: it is one more victim.
"""

import argparse
import contextlib
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select

from benchmarks import accounts
from benchmarks.hospital import AET, VIEWS, Acknowledged, Modalities, Parcel, view
from benchmarks.machine import machine, made_folder
from benchmarks.recording_pacs import Cut, RecordingPacs
from benchmarks.verdict import end
from benchmarks.whole_node import ROLES, SUPERVISOR, WholeNode
from storage.database import Database
from storage.schema import Exam, Patient
from tests.analyse.tiny import write_tiny_bundle
from tests.indexes import POSTGRESQL, SQLITE, Cluster, cluster

DATE = "20261123"
LATE_ONE_IN = 10
BETWEEN_SECONDS = (0.5, 8.0)
# The supervisor waits longer and longer before it starts what dies again and again: 300 s at most.
UP_SECONDS = 900.0
MOST_WAITING_VIEWS = 40
CUT_SHARE = 0.02
DRAIN_SECONDS = 1800.0
# The worker works most of the time, the others seldom: it is killed twice as often.
VICTIMS = ("analyse", "analyse", "deliver", "clock", SUPERVISOR)
INDEX, AWAY_SECONDS = "index", (1.0, 20.0)
LEAST_EXAMS, LEAST_KILLS = 200, 100

CONFIG = """
[node]
aet = "{aet}"
[storage]
reserve_bytes = 0
index_url = "{index}"
[receive]
port = {{port}}
[exam]
settle_seconds = 0.5
quiet_seconds = 5.0
deadline_seconds = 60.0
[analyse]
bundle = "{bundle}"
threads = 1
lease_seconds = 60.0
[deliver]
timeout_seconds = 10.0
backoff_first_seconds = 0.5
backoff_most_seconds = 5.0
[[destinations]]
name = "pacs"
host = "127.0.0.1"
port = {pacs}
aet = "PACS"
profile = "ohif"
"""


class Hospital:
    """Sends exams as long as few views wait, and the late view of some when they have been answered."""

    def __init__(self, modalities: Modalities, db: Database, exams: int) -> None:
        self._modalities, self._db = modalities, db
        self._left = list(range(1, exams + 1))
        self._late = {number for number in self._left if not number % LATE_ONE_IN}

    @property
    def done(self) -> bool:
        """True when everything was handed to the modalities, and taken."""
        return not self._left and not self._late and not self._modalities.busy

    def turn(self) -> None:
        """Hand on what may be sent now."""
        if self._left and accounts.waiting(self._db)["views"] + 4 * self._modalities.busy < MOST_WAITING_VIEWS:
            number = self._left.pop(0)
            last = len(VIEWS) - (number in self._late)
            self._modalities.send(Parcel(f"exam-{number}", tuple(view(number, n, date=DATE) for n in range(last))))
        for number in list(self._answered()):
            self._late.remove(number)
            self._modalities.send(Parcel(f"late-{number}", (view(number, len(VIEWS) - 1, date=DATE),)))

    def _answered(self) -> Iterator[int]:
        waiting = [f"P{number}" for number in self._late if number not in self._left]
        with self._db.read() as session:
            names = session.scalars(
                select(Patient.patient_id)
                .join(Exam, Exam.patient_id == Patient.id)
                .where(Patient.patient_id.in_(waiting), Exam.state == "reported")
            ).all()
        return (int(name.removeprefix("P")) for name in names)


def run(folder: Path, *, exams: int, kills: int, seed: int, index: str = SQLITE) -> dict[str, object]:
    """Send, kill, wait until nothing waits, and hold everything together."""
    source = random.Random(seed)  # noqa: S311 -- moments and victims, no secret
    moments = random.Random(seed + 1)  # noqa: S311 -- where the PACS cuts

    def cut() -> Cut:
        return moments.choices(list(Cut), (1 - 2 * CUT_SHARE, CUT_SHARE, CUT_SHARE))[0]

    acknowledged, killed = Acknowledged(), Counter()
    began = time.monotonic()
    with RecordingPacs(cut=cut) as pacs, contextlib.ExitStack() as stack:
        server = None if index == SQLITE else stack.enter_context(cluster())
        url = "" if server is None else stack.enter_context(server.empty_index())
        bundle = write_tiny_bundle(folder / "bundle", threshold=0.3)
        node = WholeNode(folder / "node", CONFIG.format(aet=AET, bundle=bundle, pacs=pacs.port, index=url))
        node.start()
        try:
            with (
                node.index() as db,
                Modalities(node.port, folder / "sent", acknowledged) as modalities,
            ):
                hospital = Hospital(modalities, db, exams)
                _kill(node, db, hospital, killed, source, kills, server=server)
                last_kill = time.monotonic()
                _drain(hospital, db)
                drained = time.monotonic()
                figures = _accounts(node, db, pacs, acknowledged, exams)
        finally:
            left_with = node.stop()
    log = node.log()
    return {
        "index": index,
        "exams": exams,
        "kills": sum(killed.values()),
        "kills_by_role": dict(killed),
        "seconds": round(time.monotonic() - began, 1),
        "seconds_behind_last_kill": round(drained - last_kill, 1),
        "seed": seed,
        "supervisor_starts": node.starts,
        "worker_starts_that_found_work_begun": _taken_back(log, "worker_ready"),
        "courier_starts_that_found_work_begun": _taken_back(log, "courier_start"),
        "exit_code": left_with,
        "answers_of_the_node": acknowledged.answers,
        **figures,
    }


def _kill(
    node: WholeNode,
    db: Database,
    hospital: Hospital,
    killed: Counter[str],
    source: random.Random,
    kills: int,
    *,
    server: Cluster | None,
) -> None:
    """Kill one process after another, each some seconds after all are up again, however long that takes here."""
    victims = VICTIMS if server is None else (*VICTIMS, INDEX)
    next_at, until = float("inf"), time.monotonic() + UP_SECONDS
    while killed.total() < kills:
        hospital.turn()
        if next_at == float("inf") and node.is_up(db):
            next_at = time.monotonic() + source.uniform(*BETWEEN_SECONDS)
        if time.monotonic() >= next_at:
            role = source.choice(victims)
            if server is not None and role == INDEX:
                _stop_for_a_while(server, source.uniform(*AWAY_SECONDS))
                killed[INDEX] += 1
            else:
                killed[role] += node.kill(role)
            next_at, until = float("inf"), time.monotonic() + UP_SECONDS
            if not killed.total() % 10:
                print(f"{killed.total()} of {kills} killed", file=sys.stderr)
        if next_at == float("inf") and time.monotonic() > until:
            raise RuntimeError(f"not all processes are up again; see {node.folder / 'node.log'}")
        time.sleep(0.1)


def _stop_for_a_while(server: Cluster, seconds: float) -> None:
    with server.away():
        time.sleep(seconds)


def _drain(hospital: Hospital, db: Database) -> None:
    """Wait until all is sent and nothing waits; what waits for ever shows in the accounts."""
    until = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < until:
        hospital.turn()
        left = accounts.waiting(db)
        if hospital.done and not any(left[name] for name in ("views", "exams", "outbox", "unproven")):
            return
        time.sleep(0.2)


def _accounts(
    node: WholeNode, db: Database, pacs: RecordingPacs, acknowledged: Acknowledged, exams: int
) -> dict[str, object]:
    with db.read() as session:
        return {
            "images": accounts.of_images(session, node.files, acknowledged.images),
            "results": accounts.of_results(session, node.files, pacs),
            "answered": accounts.of_exams(session, pacs, range(1, exams + 1)),
            "waiting": accounts.waiting(db),
            "index_faults": accounts.index_faults(session),
        }


def _taken_back(log: str, event: str) -> int:
    return sum(int(number) > 0 for number in re.findall(rf"event={event} .*leases_returned=(\d+)", log))


def bars(figures: dict) -> dict[str, bool]:
    """Say of each bar whether it was held."""
    images, results, answered = figures["images"], figures["results"], figures["answered"]
    expected = figures["exams"] * len(VIEWS)
    victims = {*ROLES, SUPERVISOR, *((INDEX,) if figures["index"] == POSTGRESQL else ())}
    return {
        "every image was taken, and is in the index, whole": images["acknowledged"] == expected
        and not images["lost"] + images["altered"],
        "every exam is answered": answered["states"] == {"reported": figures["exams"]}
        and not answered["without_answer"],
        "each exam has exactly one current report": not answered["not_exactly_one_current"],
        "every result is at the PACS": not results["lost"] + results["not_delivered_in_index"],
        "nothing else is there": not results["unknown_to_the_index"],
        "no differing bytes under one UID": not results["uids_with_differing_bytes"] + results["altered"],
        "nothing waits for ever": not any(figures["waiting"].values()),
        "the index is sound": not figures["index_faults"],
        "every role was killed, and a server of the index stopped": set(figures["kills_by_role"]) == victims,
    }


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", type=made_folder, default=None, help="where the data lie; a temporary folder")
    parser.add_argument("--exams", type=int, default=LEAST_EXAMS)
    parser.add_argument("--kills", type=int, default=LEAST_KILLS)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="of moments and victims")
    parser.add_argument("--index", choices=(SQLITE, POSTGRESQL), default=SQLITE)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="once-") as name:
        facts = machine(Path(name))
        wanted = {"exams": arguments.exams, "kills": arguments.kills, "seed": arguments.seed, "index": arguments.index}
        figures = run(Path(name), **wanted)
    figures["machine"] = facts
    return end(figures, as_json=arguments.json, held=bars(figures))


if __name__ == "__main__":
    sys.exit(main())
