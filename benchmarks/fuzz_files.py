"""What becomes of bad files? Bars: docs/reliability.md.

`--count` files (2,200) of tests/fuzz/files.py, each a good object spoiled in one or two of its ways, are

1. sent by C-STORE, each over an association of its own, to two real receiver processes (`dcis-node run receive`) on one
   socket. The sender writes bytes, so what no library would send goes out too;
2. of those stored: the marks of all reports, presentation states and segmentations are read, and of a sample of the
   images (`--decoded`, 200) the pixels are decoded in the children with limits, as the analysis does;
3. a sample of those stored and eligible (`--analysed`, 24) is sent to a whole node (`dcis-node run`), which has to
   answer each of their exams.

Held to: each file is answered, or its association refused or aborted with the reason in the log, within 10 s; so is
each reading; no process dies and no line of the log tells of a fault of ours; nothing lies outside the store but the
index, the log and the audit trail, and no name that a file asked for exists anywhere it could have been made (working
folder, TMPDIR, HOME, /, /tmp); every stored file has the bytes its name says; no receiver's memory ever grows by
512 MiB.

A file depends on `--seed` and its number only: `--only N` writes it to the working folder, and says what is done to it.

Not measured: decoders' own memory (RLIMIT_AS holds it), senders that never end (benchmarks/hostile.py).

    python -m benchmarks.fuzz_files --json
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from benchmarks.machine import machine
from dcis_node.analyse.decode import decode_pixels
from dcis_node.analyse.exam_marks import read_exam_marks
from dcis_node.config import AnalyseSettings
from dcis_node.errors import PixelError
from storage.database import Database, open_database
from storage.exams import NOT_IMAGES, exam_instances
from storage.files import FileStore
from storage.schema import Exam, Instance
from tests.fuzz.files import WAYS, bad_file
from tests.fuzz.nasty import OUTSIDE
from tests.fuzz.peer import END_SECONDS, echo
from tests.fuzz.receivers import Receivers, running_receivers
from tests.fuzz.sending import Sent, calling_aet, reasons, store
from tests.fuzz.watch import Sampler, damaged, faults, named, strays, tree
from tests.peers import wait_until
from tests.whole.nodes import running_node

MEMORY_BYTES = 512 * 1024 * 1024
ANSWER_SECONDS = 600.0
# Of the analysis: what could not be analysed is answered with the reason, which these lines tell too.
NOT_FAULTS = re.compile("event=(view_failed|exam_failed|exam_answered_without_analysis)")
NUMBERS = re.compile(r"\d+")


@dataclass
class Read:
    """One reading of a stored file: what came of it, and the seconds."""

    what: str
    seconds: float


def send_all(receivers: Receivers, numbers: range, *, seed: int, at_once: int) -> tuple[dict, list[Sent]]:
    """Send the files, and judge."""
    outside = (receivers.folder, Path("/"), Path(tempfile.gettempdir()))
    before = tree(receivers.folder)
    named_before = set(named(OUTSIDE, *outside))
    began = time.monotonic()
    with Sampler(receivers.figures) as sampler, ThreadPoolExecutor(at_once) as pool:
        sent = list(pool.map(lambda number: store(receivers.port, bad_file(seed, number)), numbers))
    seconds = time.monotonic() - began
    echoed = echo(receivers.port)
    log = receivers.log()
    why = reasons(log)
    table = Counter(_outcome(one, why) for one in sent)
    database = open_database(receivers.configuration.index_url)
    files = FileStore(receivers.configuration.folder / "store")
    figures = {
        "sent": len(sent),
        "seconds": round(seconds, 1),
        "outcomes": dict(table.most_common()),
        "unanswered": [f"file {one.number}: {one.comment}" for one in sent if not one.is_clean],
        "without_reason": [f"file {one.number}" for one in sent if _is_silent(one, why)],
        "slowest": sorted((round(one.seconds, 2), one.number) for one in sent)[-5:],
        "too_slow": [f"file {one.number}: {one.seconds:.1f} s" for one in sent if one.seconds > END_SECONDS],
        "echo_seconds": round(echoed, 3),
        "died": receivers.died(),
        "log_faults": faults(log)[:50],
        "strays": strays(receivers.folder, before, store=files.root),
        "named_outside": sorted(set(named(OUTSIDE, *outside)) - named_before),
        "damaged": damaged(files.root),
        "left_in_incoming": len(list(files.incoming.iterdir())),
        "memory_peak_growth_mib": round(sampler.peak_growth_bytes() / 2**20, 1),
        "stored": _count(database),
    }
    database.close()
    return figures, sent


def _outcome(one: Sent, why: dict[str, str]) -> str:
    if one.status is not None:
        return f"0x{one.status:04X} {NUMBERS.sub('N', one.comment)}".strip()
    return f"{one.comment}: {NUMBERS.sub('N', why.get(calling_aet(one.number), '(no reason in the log)'))}"


def _is_silent(one: Sent, why: dict[str, str]) -> bool:
    return one.status is None and calling_aet(one.number) not in why


def _count(database: Database) -> int:
    with database.read() as session:
        return len(list(session.scalars(select(Instance.id))))


def read_marks_of_all(database: Database, files: FileStore) -> list[Read]:
    """Read the marks of every exam, as the analysis does for each of its views."""
    read = []
    with database.read() as session:
        exams = list(session.scalars(select(Exam.id)))
    for exam in exams:
        with database.read() as session:
            instances = exam_instances(session, exam)
        began = time.monotonic()
        marks = read_exam_marks(instances, files)
        read.append(Read("marks read" if marks else "no marks", time.monotonic() - began))
    return read


def decode_sample(database: Database, files: FileStore, *, most: int, at_once: int) -> list[Read]:
    """Decode the pixels of some of the images, spread over all of them."""
    with database.read() as session:
        images = select(Instance.sha256).where(Instance.reason.not_in(NOT_IMAGES)).order_by(Instance.id)
        digests = list(session.scalars(images))
    chosen = digests[:: max(1, len(digests) // most)][:most]

    def decode(digest: str) -> Read:
        began = time.monotonic()
        try:
            what = "decoded"
            decode_pixels(files.path(digest), AnalyseSettings(), scratch=files.incoming)
        except PixelError as error:
            what = f"{type(error).__name__}: {error.reason}"
        return Read(what, time.monotonic() - began)

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(decode, chosen))


def eligible_of(database: Database, sent: list[Sent], *, seed: int, most: int) -> list[int]:
    """Choose numbers of files that were stored as eligible views, spread over all of them."""
    with database.read() as session:
        uids = set(session.scalars(select(Instance.sop_instance_uid).where(Instance.eligible)))
    numbers = [one.number for one in sent if one.status == 0 and uid_of(seed, one.number) in uids]
    return numbers[:: max(1, len(numbers) // max(1, most))][:most]


def uid_of(seed: int, number: int) -> str:
    """Give the UID that a file was named by."""
    return bad_file(seed, number).instance.decode("ascii", "replace")


def analyse(folder: Path, numbers: list[int], *, seed: int) -> dict:
    """Send files to a whole node, each as an exam; wait for the answers."""
    with running_node(folder, destinations=[], quiet=1.0) as node:
        sent = [store(node.port, bad_file(seed, number), called="DCIS_NODE") for number in numbers]
        began = time.monotonic()

        def answered() -> bool:
            with node.db.read() as session:
                return not list(session.scalars(select(Exam.id).where(Exam.state.in_(("open", "due")))))

        wait_until(answered, f"the exams are answered (see {folder})", seconds=ANSWER_SECONDS)
        with node.db.read() as session:
            views = Counter(f"{i.analysis}: {i.reason}" for i in session.scalars(select(Instance)))
            exams = Counter(session.scalars(select(Exam.state)))
        restarted = node.log().count("event=child_died")
        log = [line for line in faults(node.log()) if not re.search(NOT_FAULTS, line)]
        without = [line for line in node.log().splitlines() if "event=exam_answered_without_analysis" in line]
    return {
        "sent": Counter(one.status for one in sent),
        "views": dict(views.most_common()),
        "exams": dict(exams),
        "seconds": round(time.monotonic() - began, 1),
        "answered_without_analysis": without,
        "died": restarted,
        "log_faults": log[:50],
    }


def summary(read: list[Read]) -> dict:
    """Count what came of readings."""
    return {
        "count": len(read),
        "outcomes": dict(Counter(one.what for one in read).most_common()),
        "slowest_seconds": round(max((one.seconds for one in read), default=0.0), 2),
    }


def objections(figures: dict) -> list[str]:
    """Say what was missed, in words."""
    received, analysed = figures["received"], figures["analysed"]
    missed = {
        "files were not answered": received["unanswered"] or received["too_slow"],
        "no reason is in the log": received["without_reason"],
        "a process died": received["died"] or analysed.get("died"),
        "the log tells of a fault of ours": received["log_faults"] or analysed.get("log_faults"),
        "something lies outside the store": received["strays"] or received["named_outside"],
        "stored files are not what their names say": received["damaged"],
        "parts are left": received["left_in_incoming"],
        "memory grew too much": received["memory_peak_growth_mib"] * 2**20 > MEMORY_BYTES,
        "marks took too long": figures["marks"]["slowest_seconds"] > END_SECONDS,
        "decoding took too long": figures["decoded"]["slowest_seconds"] > END_SECONDS,
        "exams have no answer": analysed.get("exams", {}).get("failed"),
    }
    return [text for text, found in missed.items() if found]


def measure(arguments: argparse.Namespace, folder: Path) -> dict:
    """Do all three parts."""
    with running_receivers(folder / "node") as receivers:
        numbers = range(arguments.first, arguments.first + arguments.count)
        received, sent = send_all(receivers, numbers, seed=arguments.seed, at_once=arguments.at_once)
        database = open_database(receivers.configuration.index_url)
        files = FileStore(receivers.configuration.folder / "store")
        marks = read_marks_of_all(database, files)
        decoded = decode_sample(database, files, most=arguments.decoded, at_once=2)
        eligible = eligible_of(database, sent, seed=arguments.seed, most=arguments.analysed)
        database.close()
    analysed = analyse(folder / "whole", eligible, seed=arguments.seed) if eligible else {}
    return {"received": received, "marks": summary(marks), "decoded": summary(decoded), "analysed": analysed}


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--count", type=int, default=2_200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--decoded", type=int, default=200)
    parser.add_argument("--analysed", type=int, default=24)
    parser.add_argument("--only", type=int, help="write this file alone")
    arguments = parser.parse_args()
    if arguments.only is not None:
        return write_one(arguments.seed, arguments.only)
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=Path.cwd()) as name:
        facts = machine(Path(name))
        figures = measure(arguments, Path(name))
    figures |= {"objections": objections(figures), "seed": arguments.seed, "ways": len(WAYS), "machine": facts}
    print(json.dumps(figures, indent=None if arguments.json else 2))
    return int(bool(figures["objections"]))


def write_one(seed: int, number: int) -> int:
    """Write one file as PS3.10 has it, and say what it is."""
    file = bad_file(seed, number)
    Path(f"bad-{seed}-{number}.dcm").write_bytes(file.before + file.data_set)
    print(f"{file.seed}: {', '.join(file.ways)}; named {file.sop_class!r} {file.instance[:80]!r} in {file.syntax}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
