"""What a big index costs: receiving into it, asking it, copying it. Bars: receive within 15 %, `status` under 0.5 s.

An index with 1,000,000 instances (benchmarks/filled_index.py: 250,000 exams with reports, results, deliveries, view
analyses) stands beside an EMPTY one on the same disk. Instances are recorded in turn in the one and the other, each in
a durable transaction of its own (`record_instance` through `Database.write`, so with every fsync): four views of one
new exam after another. That is the peer, measured in the same run. Then on the big index: `dcis-node status` as a whole
command (start of Python included), with and without --json; what workers, courier and clock ask all day; and a verified
copy of the index while another process writes it (the time in which nobody can commit, and the longest commit then).

    .venv/bin/python benchmarks/growth.py --json [--instances 1000000] [--folder DIR] [--index FILE]

--folder: where the indices are made, on the disk that matters (5 GB free). --index: keep the big index there, or take
the one that is there. A whole run takes about four minutes, one of them to fill.

Not measured: the image files (their cost does not depend on the index), PostgreSQL, a disk cache that was dropped.
Exit code 1 if a bar is missed.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sqlalchemy import text

from benchmarks.filled_index import FACTS, fill_index
from benchmarks.machine import machine
from benchmarks.verdict import end
from dcis_node.analyse.completeness import sweep_open_exams
from dcis_node.config import ExamSettings
from storage import outbox, overview, work
from storage.database import Database, open_database, upgrade
from storage.engines import journal_mode
from storage.index import ReceivedInstance, record_instance
from storage.index_file import check_index, copy_index

MOST_GROWTH, MOST_STATUS_SECONDS = 1.15, 0.5
BLOCK = 4  # views of an exam


def received(number: int) -> ReceivedInstance:
    """One image of a four-view exam, as the receiver describes it; its UIDs and digest are spread like real ones."""
    spread = f"{(number * 0x9E3779B97F4A7C15) % (1 << 64):020d}"
    exam = number // BLOCK
    study = f"2.25.7{(exam * 0x9E3779B97F4A7C15) % (1 << 64):020d}"
    return ReceivedInstance(
        sop_instance_uid=f"2.25.8{spread}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.1.2",
        study_instance_uid=study,
        series_instance_uid=f"2.25.9{spread}",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        sha256=f"{int(spread):064x}"[::-1],
        size_bytes=27_000_000,
        patient_id=f"NEW-{exam}",
        issuer="HOSPITAL",
        study_date="20261123",
        eligible=True,
        reason="eligible",
        is_image=True,
        facts=dict(FACTS),
    )


def record(db: Database, number: int) -> float:
    """Seconds to record one instance durably."""
    instance = received(number)
    start = time.perf_counter()
    with db.write() as session:
        record_instance(session, instance, now=time.time())
    return time.perf_counter() - start


def receive_cost(empty: Database, big: Database, instances: int, first: int) -> dict[str, object]:
    """Record the same instances in both, an exam here, an exam there, and who begins changes."""
    seconds: dict[str, list[float]] = {"empty": [], "big": []}
    for block in range(instances // BLOCK):
        order = (("empty", empty), ("big", big)) if block % 2 else (("big", big), ("empty", empty))
        for name, db in order:
            seconds[name] += [record(db, first + block * BLOCK + view) for view in range(BLOCK)]
    # The first ones of each open its files and warm its cache.
    figures = {name: spread(values[BLOCK * 4 :]) for name, values in seconds.items()}
    return {**figures, "growth": round(figures["big"]["median_ms"] / figures["empty"]["median_ms"], 3)}


def spread(seconds: list[float]) -> dict[str, float]:
    """Median, mean and the slowest percent, in milliseconds."""
    slow = statistics.quantiles(seconds, n=100)[98]
    values = {"median_ms": statistics.median(seconds), "mean_ms": statistics.fmean(seconds), "p99_ms": slow}
    return {name: round(1000 * value, 3) for name, value in values.items()}


def status_seconds(config: Path, arguments: tuple[str, ...], repeats: int) -> dict[str, float]:
    """Time the whole command as a shell would start it."""
    command = (sys.executable, "-m", "dcis_node", "status", "--config", str(config), *arguments)
    took = []
    for _ in range(repeats):
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, check=False)
        took.append(time.perf_counter() - start)
        if done.returncode not in (0, 1) or not done.stdout:
            raise SystemExit(done.stderr.decode())
    return {"median": round(statistics.median(took), 3), "fastest": round(min(took), 3), "first": round(took[0], 3)}


def ask(db: Database) -> dict[str, float]:
    """Milliseconds of what is asked again and again, second time of two."""
    now = time.time()
    with db.read() as session:
        study, series = (
            session.execute(text("SELECT study_instance_uid FROM study WHERE id = 77")).scalar_one(),
            session.execute(text("SELECT series_instance_uid FROM instance WHERE id = 77")).scalar_one(),
        )
    claims: dict[str, Callable[[], object]] = {
        "status_queries": lambda: reading(db, lambda s: (overview.queues(s), overview.last_exams(s))),
        "failed_exams": lambda: reading(db, overview.failed_exams),
        "exams": lambda: reading(db, lambda s: overview.last_exams(s, limit=20)),
        "trace_by_study": lambda: reading(db, lambda s: overview.trace(s, study)),
        "trace_by_series": lambda: reading(db, lambda s: overview.trace(s, series)),
        "trace_of_unknown": lambda: reading(db, lambda s: overview.trace(s, "1.2.3")),
        "claim_instance": lambda: work.claim_instance(db, owner="growth", now=now, lease_seconds=300),
        "claim_exam": lambda: work.claim_exam(db, owner="growth", now=now, lease_seconds=300),
        "claim_of_outbox": lambda: outbox.claim(db, owner="growth", now=now, lease_seconds=0),
        "sweep_open_exams": lambda: sweep_open_exams(db, ExamSettings(), now=now - 3600),
        "leases_given_back_at_start": lambda: work.release_leases(db, "growth"),
    }
    return {name: milliseconds(call) for name, call in claims.items()}


def reading(db: Database, call: Callable[..., object]) -> object:
    with db.read() as session:
        return call(session)


def milliseconds(call: Callable[[], object]) -> float:
    call()
    start = time.perf_counter()
    call()
    return round(1000 * (time.perf_counter() - start), 2)


def copy_while_written(path: Path, db: Database, first: int) -> dict[str, float]:
    """Copy and check the big index while instances are recorded in it."""
    waits: list[float] = []
    stop = threading.Event()

    def write() -> None:
        number = first
        while not stop.is_set():
            waits.append(record(db, number))
            number += 1

    target = path.with_name("copied.sqlite")
    target.unlink(missing_ok=True)
    writer = threading.Thread(target=write)
    writer.start()
    start = time.perf_counter()
    try:
        held = copy_index(path, target)
    finally:
        copied = time.perf_counter() - start
        stop.set()
        writer.join()
    start = time.perf_counter()
    facts = check_index(target)
    checked = time.perf_counter() - start
    target.unlink()
    return {
        "copy_seconds": round(copied, 2),
        "nobody_could_commit_seconds": held,
        "longest_commit_seconds": round(max(waits), 3),
        "recorded_meanwhile": len(waits),
        "check_seconds": round(checked, 2),
        "instances_in_copy": facts.rows["instance"],
    }


def configuration_for(index: Path, folder: Path) -> Path:
    config = folder / "config.toml"
    config.write_text(f'[storage]\nfolder = "{folder / "data"}"\nindex_url = "sqlite:///{index}"\n')
    (folder / "data").mkdir(exist_ok=True)
    return config


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, object]:
    index = arguments.index or folder / "big.sqlite"
    start = time.perf_counter()
    if not index.exists():
        fill_index(index, arguments.instances, now=time.time())
    filled = time.perf_counter() - start
    upgrade(f"sqlite:///{folder / 'empty.sqlite'}")
    empty, big = open_database(f"sqlite:///{folder / 'empty.sqlite'}"), open_database(f"sqlite:///{index}")
    try:
        with big.read() as session:
            counted = overview.queues(session)
        first = time.time_ns() // 1_000_000 * BLOCK  # other UIDs in every run on a kept index
        figures = {
            "machine": {**machine(folder), "journal_mode": journal_mode()},
            "index": {
                "bytes": index.stat().st_size,
                "fill_seconds": round(filled, 1),
                "instances": counted["instances"],
            },
            "queries_ms": ask(big),
            "receive": receive_cost(empty, big, arguments.received, first),
            "copy_while_written": copy_while_written(index, big, first + arguments.received),
        }
    finally:
        empty.close()
        big.close()
    config = configuration_for(index, folder)
    figures["status_seconds"] = {
        "plain": status_seconds(config, (), arguments.repeats),
        "json": status_seconds(config, ("--json",), arguments.repeats),
    }
    empty_config = configuration_for(folder / "empty.sqlite", folder)
    figures["status_of_empty_seconds"] = status_seconds(empty_config, ("--json",), arguments.repeats)
    return figures


def missed(figures: dict[str, object]) -> list[str]:
    growth = figures["receive"]["growth"]
    slow = [name for name, took in figures["status_seconds"].items() if took["median"] >= MOST_STATUS_SECONDS]
    return [
        *([f"receive: {growth} of an empty index, bar {MOST_GROWTH}"] if growth > MOST_GROWTH else []),
        *(f"status ({name}): bar {MOST_STATUS_SECONDS} s" for name in slow),
    ]


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--instances", type=int, default=1_000_000)
    parser.add_argument("--received", type=int, default=2000, help="instances recorded in each of the two")
    parser.add_argument("--repeats", type=int, default=9, help="of the whole command")
    parser.add_argument("--folder", type=Path, help="where the indices are made; a temporary folder if left out")
    parser.add_argument("--index", type=Path, help="the big index: taken if it is there, made and kept if not")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder, prefix="growth-"))
    try:
        figures = measure(arguments, folder)
    finally:
        shutil.rmtree(folder)
    figures["missed"] = missed(figures)
    return end(figures, as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
