"""A lost index made again from the files: are all rows back, and how long does it take? And what a sweep costs.

Measured, on a folder of synthetic exams (four images of a real mammogram's header and few pixels, their analyses, an
answer of ten objects each), written through the node's own functions:

- `record_ms`: what the record of one analysis costs when it is made (a small file, two fsyncs);
- `rebuild_seconds_per_1000_instances`, and whether every row of every table is back but for what the files do not tell;
- `sweep_seconds` over these files when nothing is amiss.

Then on an index with `--rows` instances and as many (empty) files:

- `seconds_per_million_files`, the memory the sweep needs, and `longest_wait_ms`: how long another process that wants
  to write once every 20 ms had to wait at most, beside the same without a sweep.

Run: `python -m benchmarks.rebuild --json`. Not measured: reading of pixels (no rebuild does), the disk's part with
files of 27 MB (`sweep --verify` reads all of them). There is no peer: Orthanc and DCMTK have no such command; Orthanc's
files can be sent to a new instance.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import insert

from benchmarks.machine import machine, peak_mb
from dcis_node.config import Configuration
from dcis_node.operate.upkeep import describe_file
from dcis_node.receive.describe import describe
from storage.database import Database, open_database, upgrade
from storage.files import FileStore
from storage.findings import AnalysisKey, StoredAnalysis, finish_view
from storage.index import record_instance
from storage.rebuild import rebuild_index
from storage.records import RecordedAnalysis, RecordedImage, RecordedReport, Records
from storage.reports import NewReport, NewResult, save_report
from storage.schema import Base, Exam, Instance, Patient, Study
from storage.sweep import Broom, sweep
from storage.work import claim_exam, claim_instance
from tests.analyse.objects import encoded, mammogram

VIEWS = ("R CC", "L CC", "R MLO", "L MLO")
RESULTS = 10
BUNDLE, SETTINGS = "b" * 64, "c" * 64
# Tables and columns of which the files tell nothing (see `storage.rebuild`).
UNTOLD = frozenset(
    {"association", "heartbeat", "maintenance", "commitment", "commitment_item", "destination_state", "retrieval"}
)
NOT_TOLD = {
    "association_id", "duplicates", "attempts", "next_try_at", "state", "last_status", "last_error", "first_try_at",
    "sent_at", "proof_due_at", "proof_attempts", "proof_error", "proven_at", "proven_by", "dismissed_at",
}  # fmt: skip
WRITER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
connection.execute("PRAGMA synchronous=FULL")
longest = 0.0
print("ready", flush=True)
end = time.monotonic() + float(sys.argv[2]) if len(sys.argv) > 2 else None
while not (end and time.monotonic() > end) and not __import__("select").select([sys.stdin], [], [], 0.02)[0]:
    began = time.monotonic()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO heartbeat VALUES ('writer', 0, 0, 0, '') ON CONFLICT DO UPDATE SET pid = pid + 1")
    connection.execute("COMMIT")
    longest = max(longest, time.monotonic() - began)
print(longest * 1000, flush=True)
"""


class Writer:
    """A process that writes once every 20 ms and knows how long it had to wait at most."""

    def __init__(self, index: Path) -> None:
        command = [sys.executable, "-c", WRITER, str(index)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._process.stdout.readline()

    def longest_ms(self) -> float:
        out, _ = self._process.communicate("stop\n")
        return round(float(out), 1)


def fill(db: Database, files: FileStore, exams: int, now: float, *, first: int = 0) -> list[float]:
    """Write exams as the node does, counted from `first`; gives the seconds that each record of an analysis took."""
    records, seconds = Records(files), []
    for number in range(first, first + exams):
        images = [receive(db, files, 4 * number + view, name, number, now) for view, name in enumerate(VIEWS)]
        for _ in images:
            claim = claim_instance(db, owner="w", now=now, lease_seconds=1e9)
            analysis = StoredAnalysis(
                {"probability": 0.5, "fold_probabilities": [0.5] * 5, "candidates": [{"box": [1, 2, 3, 4]}] * 5},
                "",
                files.put(b"\x89PNG\r\n\x1a\n" + os.urandom(2000)),
                1.0,
            )
            record = RecordedAnalysis(AnalysisKey(claim.sha256, BUNDLE, SETTINGS), analysis, time.time())
            began = time.perf_counter()
            records.keep_analysis(record)
            seconds.append(time.perf_counter() - began)
            finish_view(db, claim, record.key, analysis, now=record.analysed_at)
        decide(db, files, records, images, number)
    return seconds


def receive(db: Database, files: FileStore, number: int, view: str, exam: int, now: float) -> str:
    ds = mammogram(number, view, patient=f"P{exam}")
    ds.StudyInstanceUID = f"1.2.7.{exam}"
    data = encoded(ds)
    moment = now + number / 1000
    sha256 = files.put(data, moment=moment)
    with db.write() as session:
        record_instance(session, describe(ds, sha256=sha256, size_bytes=len(data), calling_aet=""), now=moment)
        session.query(Exam).filter(Exam.state == "open").update({"state": "due", "completeness": "quiet"})
    return sha256


def decide(db: Database, files: FileStore, records: Records, images: list[str], number: int) -> None:
    now = time.time()
    inputs = hashlib.sha256("".join(images).encode()).hexdigest()
    results = tuple(
        NewResult(
            f"kind {n}", f"2.25.{number}.{n}", "1.2", f"1.2.7.{number}", "1.4", "1.2.840.10008.1.2.1", "SR",
            files.put(os.urandom(3000)),
        )
        for n in range(RESULTS)
    )  # fmt: skip
    record = RecordedReport(
        inputs, BUNDLE, 1, now, images[0], tuple(RecordedImage(i, "eligible", "analysed") for i in images),
        {"risk": "high"}, [{"sop_instance_uid": i} for i in images], results,
        {"pacs": tuple(result.kind for result in results)}, "quiet",
    )  # fmt: skip
    records.keep_report(record)
    claim = claim_exam(db, owner="w", now=time.time(), lease_seconds=1e9)
    save_report(db, claim, NewReport(1, inputs, BUNDLE, record.decision, record.views, now, results, record.deliveries))
    with db.write() as session:
        session.get_one(Exam, claim.id).bundle_sha256 = BUNDLE


def rows_of(db: Database) -> dict[str, list[tuple]]:
    """Give all rows but for what the files do not tell."""
    tables = [t for t in Base.metadata.sorted_tables if t.name not in UNTOLD]
    with db.read() as session:
        return {
            table.name: [
                tuple(row)
                for row in session.execute(
                    table.select()
                    .with_only_columns(*(c for c in table.c if table.name == "exam" or c.name not in NOT_TOLD))
                    .order_by(table.c.id)
                )
            ]
            for table in tables
        }


def measure_rebuild(folder: Path, exams: int) -> dict[str, object]:
    configuration = Configuration(base=folder)
    folder.mkdir(parents=True)
    url, files = f"sqlite:///{folder / 'index.sqlite'}", FileStore(folder / "store")
    upgrade(url)
    db = open_database(url)
    seconds = fill(db, files, exams, time.time() - 7200)
    before = rows_of(db)
    db.close()
    began = time.monotonic()
    rebuilt = rebuild_index(url, files, describe_file(configuration), stamp="old")
    took = time.monotonic() - began
    db = open_database(url)
    after = rows_of(db)
    began = time.monotonic()
    swept = sweep(Broom(db, files, describe_file(configuration), now=time.time()))
    swept_in = time.monotonic() - began
    db.close()
    instances = 4 * exams
    return {
        "exams": exams,
        "instances": instances,
        "rows": {name: len(found) for name, found in before.items()},
        "rows_equal": after == before,
        "rows_that_differ": {
            name: sum(a != b for a, b in zip(before[name], after[name], strict=False))
            for name in before
            if before[name] != after[name]
        },
        "rebuild_ok": rebuilt.ok,
        "rebuild_seconds": round(took, 2),
        "rebuild_seconds_per_1000_instances": round(took / instances * 1000, 2),
        "record_ms": {
            "median": round(sorted(seconds)[len(seconds) // 2] * 1000, 2),
            "most": round(max(seconds) * 1000, 2),
        },
        "sweep_seconds": round(swept_in, 2),
        "sweep_ok": swept.ok,
    }


def measure_sweep(folder: Path, rows: int) -> dict[str, object]:
    folder.mkdir(parents=True)
    url, files = f"sqlite:///{folder / 'index.sqlite'}", FileStore(folder / "store")
    upgrade(url)
    db = open_database(url)
    with db.write() as session:
        session.add(Patient(id=1, patient_id="P", issuer=""))
        session.flush()
        session.add(Exam(id=1, patient_id=1, study_date="", state="idle", opened_at=0, last_image_at=0))
        session.flush()
        session.add(Study(id=1, study_instance_uid="1.2", exam_id=1))
        session.flush()
        for start in range(0, rows, 10000):
            session.execute(insert(Instance), [instance(n) for n in range(start, min(rows, start + 10000))])
    for number in range(rows):
        files.path(digest(number)).touch()
    index = folder / "index.sqlite"
    alone = Writer(index)
    time.sleep(3)
    alone_ms = alone.longest_ms()
    db.close()
    beside = Writer(index)
    # In a process of its own: the memory of this one has had the rows in it.
    child = subprocess.run(
        [sys.executable, "-m", "benchmarks.rebuild", "--sweep-only", str(folder)],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    waited = beside.longest_ms()
    took = json.loads(child.stdout)
    return {
        "files": rows,
        "seconds": took["seconds"],
        "seconds_per_million_files": round(took["seconds"] / rows * 1e6, 1),
        "memory_mb_more_at_most": took["memory_mb"],
        "longest_wait_ms": waited,
        "longest_wait_ms_without_sweep": alone_ms,
        "ok": took["ok"],
    }


def sweep_only(folder: Path) -> dict[str, object]:
    """Sweep a folder that `measure_sweep` has filled."""
    db, files = open_database(f"sqlite:///{folder / 'index.sqlite'}"), FileStore(folder / "store")
    memory, began = peak_mb(os.getpid()), time.monotonic()
    swept = sweep(Broom(db, files, describe_file(Configuration(base=folder)), now=time.time()))
    db.close()
    return {
        "seconds": round(time.monotonic() - began, 2),
        "memory_mb": round(peak_mb(os.getpid()) - memory, 1),
        "ok": swept.ok,
    }


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def instance(number: int) -> dict[str, object]:
    return {
        "sop_instance_uid": f"1.2.{number}", "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.2",
        "series_instance_uid": "1.3", "study_id": 1, "exam_id": 1, "sha256": digest(number), "size_bytes": 1,
        "transfer_syntax_uid": "1.2.840.10008.1.2.1", "received_at": float(number), "facts": {"view": "CC"} ,
        "eligible": False, "reason": "eligible", "analysis": "analysed",
    }  # fmt: skip


def main() -> int:
    """Measure, print, and fail if a row is not back or a sweep finds fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--exams", type=int, default=400)
    parser.add_argument("--rows", type=int, default=200_000, help="of the second part")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="on the disk to measure")
    parser.add_argument("--sweep-only", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.sweep_only:
        print(json.dumps(sweep_only(arguments.sweep_only)))
        return 0
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        folder = Path(scratch)
        figures = {"sweep": measure_sweep(folder / "many", arguments.rows)}
        figures |= {"rebuild": measure_rebuild(folder / "exams", arguments.exams), "machine": machine(folder)}
    if arguments.json:
        print(json.dumps(figures, default=str))
    else:
        for part, values in figures.items():
            for name, value in values.items():
                print(f"{part} {name}: {value}")
    good = figures["rebuild"]["rows_equal"] and figures["rebuild"]["sweep_ok"] and figures["sweep"]["ok"]
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
