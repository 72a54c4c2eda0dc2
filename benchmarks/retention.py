"""Retention on a full node, killed at random: is anything removed that must stay, is anything lost or left lying?

    python -m benchmarks.retention --json

An index and its files are filled with exams of all ages and all states of delivery; some images are named by a training
cohort. Then `run_retention` is started again and again in a process of its own and killed (kill -9) at random moments;
after each kill every row that says that its file is here must find it. In the end one run is left to finish, and a
sweep as at the node's start ends what the kills left. Bars:

- 0 files without a row and 0 rows whose file is missing, after the sweep; no row without its file after any kill;
- 0 images removed that must stay, and none kept that may go: by an oracle of its own, in SQL, that knows nothing of the
  rule (`storage.retention_rule`);
- then, on a disk made too small, so much is removed early that `free_bytes` are free, the oldest first, and nothing of
  the last day.

The files are small (4 kB) and the disk is simulated: its capacity is a number. There is no peer: Orthanc's "Recycle"
removes the oldest patient whatever became of the results, and has no rule to compare with (read, not measured).
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

from benchmarks.machine import machine
from benchmarks.verdict import end
from dcis_node.config import Configuration, configuration_from
from dcis_node.operate.retention import RetentionOrder, run_retention
from storage.database import open_database
from storage.files import FileStore
from storage.schema import Exam, Instance
from storage.space import Space
from storage.sweep import Broom, sweep
from tests.operate.retained import DAY, Node, retained_node
from training.cohort import CohortView, write_cohort

DAYS, LEAST_DAYS, SIZE_BYTES, VIEWS = 30.0, 1.0, 4096, 4
LEAST_KILLS = 50
AMPLE_BYTES = 10**15
# How long a run is left alone at the most before its kill, at first; and how many runs there may be for each kill.
FIRST_MOST_SECONDS, MOST_RUNS = 1.0, 4
# How often each state of delivery comes.
STATES = ("proven",) * 14 + ("due", "dead", "sent", "leased")
# What an exam is beside: mostly nothing in particular.
ODDITIES = ("",) * 15 + ("open", "failed", "pending", "leased")


def settings_of(folder: Path, *, free_bytes: int = 0) -> Configuration:
    """Give the settings of the node to be measured."""
    retention = {
        "images_days": DAYS, "least_days": LEAST_DAYS, "free_bytes": free_bytes, "cohorts": [str(folder / "cohort")],
    }  # fmt: skip
    destination = {"name": "pacs", "host": "h", "port": 1, "aet": "A"}
    values = {"storage": {"folder": str(folder)}, "retention": retention, "destinations": [destination]}
    return configuration_from(values, folder / "config.toml")


def fill(folder: Path, exams: int, source: random.Random) -> None:
    """Fill a node; nothing is put on disk durably meanwhile, as a fill that is killed starts anew."""
    with retained_node(folder) as node, patch("os.fsync"), patch("storage.engines._pragmas", _careless):
        node.db.close()
        node.db = open_database(node.configuration.index_url)
        for _ in range(exams):
            state = source.choice(STATES)
            exam = node.answered(days_ago=source.uniform(0.0, 90.0), state=state, size=SIZE_BYTES, views=VIEWS)
            make_odd(node, exam, source.choice(ODDITIES))
        _hold(node, source)


def _careless() -> dict[str, str]:
    return {"busy_timeout": "10000", "journal_mode": "MEMORY", "synchronous": "OFF", "foreign_keys": "ON"}


def make_odd(node: Node, exam: int, oddity: str) -> None:
    """Let an exam be at work, or have failed."""
    with node.db.write() as session:
        row = session.get_one(Exam, exam)
        first = session.query(Instance).filter(Instance.exam_id == exam).first()
        if oddity == "open":
            row.state = "open"
        elif oddity == "failed":
            row.failure = "the results failed their check"
        elif oddity == "pending":
            first.analysis = "pending"
        elif oddity == "leased":
            row.lease_owner, row.lease_until = "analyse-0@h", node.now() + 300


def _hold(node: Node, source: random.Random) -> None:
    """Let a training cohort name one image in twenty."""
    digests = [row.sha256 for exam in range(1, node.numbers // VIEWS + 1) for row in node.instances(exam)]
    held = source.sample(digests, len(digests) // 20)
    views = [
        CohortView("p", "L", "CC", 3, upstaged=False, image=f"i{n}", sha256=sha256) for n, sha256 in enumerate(held)
    ]
    (node.root / "cohort").mkdir()
    write_cohort(node.root / "cohort", images=node.root, synthetic=False, views=views)


# Of each image: its digest, when its exam was done, and whether something says that it must stay.
ORACLE = """
SELECT i.sha256, i.size_bytes, i.removed_at IS NOT NULL,
  max((SELECT max(received_at) FROM instance WHERE exam_id = e.id), e.last_image_at,
      (SELECT max(made_at) FROM report WHERE exam_id = e.id),
      (SELECT max(coalesce(proven_at, 0)) FROM outbox o JOIN result s ON s.id = o.result_id
       JOIN report p ON p.id = s.report_id WHERE p.exam_id = e.id)),
  e.state <> 'reported' OR e.failure <> '' OR e.lease_owner <> ''
  OR EXISTS (SELECT 1 FROM instance x WHERE x.exam_id = e.id AND x.analysis IN ('pending', 'leased'))
  OR EXISTS (SELECT 1 FROM outbox o JOIN result s ON s.id = o.result_id JOIN report p ON p.id = s.report_id
             WHERE p.exam_id = e.id AND o.state <> 'proven'), e.id
FROM instance i JOIN exam e ON e.id = i.exam_id
"""


def images(folder: Path) -> list[tuple[str, int, bool, float, bool, int]]:
    """Ask the oracle: digest, bytes, removed, done at, must stay (a cohort's too), exam."""
    held = {view["sha256"] for view in json.loads((folder / "cohort" / "cohort.json").read_text())["views"]}
    with closing(sqlite3.connect(folder / "index.sqlite")) as connection:
        rows = connection.execute(ORACLE).fetchall()
    return [(sha, size, bool(gone), at, bool(stay) or sha in held, exam) for sha, size, gone, at, stay, exam in rows]


def missing_files(folder: Path) -> int:
    """Count rows that say that their file is here, and it is not."""
    statements = (
        "SELECT sha256 FROM instance WHERE removed_at IS NULL", "SELECT sha256 FROM result WHERE removed_at IS NULL",
        "SELECT mask_sha256 FROM view_analysis WHERE mask_sha256 <> ''",
    )  # fmt: skip
    with closing(sqlite3.connect(folder / "index.sqlite", timeout=60)) as connection:
        named = [row[0] for statement in statements for row in connection.execute(statement)]
    return sum(not (folder / "store" / name[:2] / name).exists() for name in named)


def strays(folder: Path) -> int:
    """Count files that no row names as being here."""
    statements = (
        "SELECT sha256 FROM instance WHERE removed_at IS NULL", "SELECT sha256 FROM result WHERE removed_at IS NULL",
        "SELECT mask_sha256 FROM view_analysis",
    )  # fmt: skip
    with closing(sqlite3.connect(folder / "index.sqlite", timeout=60)) as connection:
        named = {row[0] for statement in statements for row in connection.execute(statement)}
    return sum(digest not in named for digest in FileStore(folder / "store").digests())


def child(folder: Path, capacity: int, free_bytes: int) -> None:
    """Run retention once; says when it begins, and in the end what it came to."""
    configuration = settings_of(folder, free_bytes=free_bytes)
    files = FileStore(folder / "store")
    db = open_database(configuration.index_url)

    def space(_: Path) -> Space:
        return Space(capacity - sum(files.path(digest).stat().st_size for digest in files.digests()))

    print("begun", flush=True)
    done = run_retention(configuration, db, files, RetentionOrder(space=space, grace_seconds=-1.0))
    print(json.dumps(done.to_json()), flush=True)


def start(folder: Path, *, capacity: int = AMPLE_BYTES, free_bytes: int = 0) -> subprocess.Popen[str]:
    """Start retention in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.retention", "--child", str(folder), str(capacity), str(free_bytes)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if process.stdout is None or process.stdout.readline() != "begun\n":
        raise RuntimeError("retention did not begin")
    return process


def finished(process: subprocess.Popen[str]) -> dict[str, object]:
    """Let it finish."""
    out, _ = process.communicate(timeout=3600)
    if process.returncode:
        raise RuntimeError("retention failed")
    return json.loads(out)


def kill_often(folder: Path, kills: int, source: random.Random) -> dict[str, object]:
    """Start and kill; count the rows without a file after each kill, and the kills that met it at work.

    A run that has ended by itself counts for none; the next is killed sooner.
    """
    wrong, at_work, runs, removed, most_seconds = 0, 0, 0, _removed(folder), FIRST_MOST_SECONDS
    while at_work < kills and runs < MOST_RUNS * kills:
        runs += 1
        process = start(folder)
        time.sleep(source.uniform(0.0, most_seconds))
        os.kill(process.pid, signal.SIGKILL)
        met = process.wait() == -signal.SIGKILL
        process.communicate()
        at_work += met
        most_seconds *= 1.0 if met else 0.7
        wrong += missing_files(folder)
    return {"kills": kills, "runs": runs, "met_at_work": at_work, "removed_meanwhile": _removed(folder) - removed,
            "rows_without_file": wrong}  # fmt: skip


def _removed(folder: Path) -> int:
    return sum(gone for _, _, gone, _, _, _ in images(folder))


def verdict_of(before: list[tuple[str, int, bool, float, bool, int]], folder: Path, limit: float) -> dict[str, int]:
    """Hold what has left to the oracle: what was done before `limit` and need not stay should be gone."""
    store = FileStore(folder / "store")
    should = {sha for sha, _, _, at, stay, _ in before if not stay and at <= limit}
    gone = {sha for sha, *_ in before if not store.exists(sha)}
    return {"removed": len(gone), "removed_wrongly": len(gone - should), "kept_wrongly": len(should - gone)}


def measure(folder: Path, *, exams: int, kills: int, seed: int) -> dict[str, object]:
    """Do all of it."""
    source = random.Random(seed)  # noqa: S311 -- moments, no secret
    timed = Timed()
    timed("fill", lambda: fill(folder, exams, source))
    before = images(folder)
    now = time.time()
    killed = timed("kills", lambda: kill_often(folder, kills, source))
    done = timed("last_run", lambda: finished(start(folder)))
    swept = timed("sweep", lambda: swept_after(folder))
    figures: dict[str, object] = {
        "exams": exams, "images": len(before), "killed": killed, "last_run": done, "sweep": swept,
        "oracle": verdict_of(before, folder, now - DAYS * DAY),
        "files_without_row": strays(folder), "rows_without_file": missing_files(folder),
    }  # fmt: skip
    figures["full_disk"] = timed("full_disk", lambda: full_disk(folder))
    figures["seconds"] = timed.seconds
    return figures


def swept_after(folder: Path) -> dict[str, object]:
    """Sweep as at the node's start, after the grace time."""
    with closing_node(folder) as node:
        done = sweep(Broom(node.db, node.files, node.describe, now=time.time() + 3 * 3600))
        return {"ok": done.ok, "left": done.left, "adopted": done.adopted, "removed": done.removed}


class closing_node:  # noqa: N801 -- used as a function
    """Open a node that is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Node:
        db = open_database(settings_of(self._folder).index_url)
        self._node = Node(self._folder, db, FileStore(self._folder / "store"))
        return self._node

    def __exit__(self, *_: object) -> None:
        self._node.db.close()


def full_disk(folder: Path) -> dict[str, object]:
    """Make the disk too small by a third of what may still go early, and look which images go."""
    before = [row for row in images(folder) if not row[2]]
    now = time.time()
    may = sorted((at, exam, size) for _, size, _, at, stay, exam in before if not stay and at <= now - LEAST_DAYS * DAY)
    used = sum(path.stat().st_size for path in (folder / "store").glob("??/*"))
    wanted = sum(size for _, _, size in may) // 3
    done = finished(start(folder, capacity=used, free_bytes=wanted))
    store = FileStore(folder / "store")
    gone = {sha for sha, *_ in before if not store.exists(sha)}
    last = max((at for sha, _, _, at, _, _ in before if sha in gone), default=0.0)
    older = {sha for sha, _, _, at, stay, _ in before if not stay and at <= last}
    stay = {sha for sha, _, _, at, stay, _ in before if stay or at > now - LEAST_DAYS * DAY}
    return {
        "wanted_bytes": wanted, "freed_bytes": len(gone) * SIZE_BYTES, "early_exams": done["early"],
        "removed_wrongly": len(gone & stay), "not_the_oldest": len(older - gone),
        "short_bytes_after": done["short_bytes"],
    }  # fmt: skip


class Timed:
    """Runs parts of a measurement and keeps their seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, work: Callable[[], dict[str, object] | None]) -> dict[str, object]:
        began = time.monotonic()
        found = work()
        self.seconds[name] = round(time.monotonic() - began, 1)
        return found or {}


def bars(figures: dict[str, object], *, least_kills: int) -> dict[str, bool]:
    """Say which bars were held."""
    killed, oracle, full = (figures[name] for name in ("killed", "oracle", "full_disk"))
    return {
        "enough kills": killed["kills"] >= least_kills,
        "the kills met it at work": killed["met_at_work"] == killed["kills"],
        "no row without its file after a kill": killed["rows_without_file"] == 0,
        "no file without its row": figures["files_without_row"] == 0,
        "no row without its file": figures["rows_without_file"] == 0,
        "nothing removed that must stay": oracle["removed_wrongly"] == 0 and full["removed_wrongly"] == 0,
        "nothing kept that may go": oracle["kept_wrongly"] == 0,
        "the sweep finds no fault and brings nothing back": figures["sweep"]["ok"] and not figures["sweep"]["adopted"],
        "the disk is in bounds": full["short_bytes_after"] == 0 and full["early_exams"] > 0,
        "the oldest went first": full["not_the_oldest"] == 0,
    }


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--exams", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=LEAST_KILLS)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--folder", type=Path, default=None, help="where the data lie; a temporary folder")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(Path(arguments.child[0]), int(arguments.child[1]), int(arguments.child[2]))
        return 0
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        figures = measure(Path(scratch), exams=arguments.exams, kills=arguments.kills, seed=arguments.seed)
        figures |= {"seed": arguments.seed, "machine": machine(Path(scratch))}
    return end(figures, as_json=arguments.json, held=bars(figures, least_kills=LEAST_KILLS))


if __name__ == "__main__":
    sys.exit(main())
