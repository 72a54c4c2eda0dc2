"""An index lost, a backup restored, a whole node lost: are all rows back, and how long does each take?

    python -m benchmarks.restore --json

A node with `--exams` exams (1,000: 4,000 images, 10,000 results, their analyses, records and deliveries), written by
the node's own functions; most results sent and proven, some by storage commitment; the images of one exam in ten have
left by the rule of retention. Then, each on a copy of it:

- `rebuilt`: the index is lost and there is no backup; `dcis-node rebuild-index` makes it from the files. All rows are
  equal but for the columns that files do not tell (`NOT_TOLD`, and the tables of `UNTOLD`);
- `restored`: the index is lost, there is last night's backup, and more exams have come since. `dcis-node restore` puts
  it back and takes up what is newer. All rows of the backup are equal, in all columns, and the newer are there;
- `moved`: the whole data folder is lost, and there is a backup with all files. `dcis-node restore` into an empty
  folder: all rows equal, and every file back, read whole.

Not measured: files of 27 MB (these have a few kB), whose copying takes what the disk takes. No peer: Orthanc and DCMTK
have no such command.
"""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Set
from pathlib import Path

from sqlalchemy import select, text

from benchmarks.machine import machine, made_folder
from benchmarks.rebuild import NOT_TOLD, UNTOLD, fill
from benchmarks.verdict import end
from dcis_node.config import Configuration
from dcis_node.operate.backups import back_up, restore_node
from dcis_node.operate.upkeep import SweepOrder, make_index_again, run_sweep
from dcis_node.receive.header import header_bytes
from storage.backup import Scope
from storage.database import Database, open_database, upgrade
from storage.files import FileStore
from storage.leaving import Door, lose_images
from storage.schema import Base, Commitment, CommitmentItem, DestinationState, Exam, Outbox, Retrieval

# What a restore changes by intent: signs of life go, and the sweep behind it is noted.
OF_THE_NODE = {"heartbeat", "maintenance"}
EXAMS_OF_A_REQUEST, RETRIEVAL_ONE_IN = 10, 25
NEWER_SHARE = 20
LEAVES_ONE_IN = 10

Rows = dict[str, dict[int | str, tuple[object, ...]]]


@contextlib.contextmanager
def without_fsync() -> Iterator[None]:
    """Fill faster: what is measured comes later, with fsync."""
    kept, os.fsync = os.fsync, lambda _: None
    try:
        yield
    finally:
        os.fsync = kept


def node(folder: Path, exams: int, newer: int) -> tuple[Configuration, Configuration]:
    """Make a node, and a copy of it in which more exams have come; gives the settings of both."""
    older, later = Configuration(base=folder / "older"), Configuration(base=folder / "later")
    older.folder.mkdir(parents=True)
    upgrade(older.index_url)
    with without_fsync(), opened(older) as db:
        files = FileStore(older.folder / "store")
        fill(db, files, exams, time.time() - 2 * 86400)
        deliver(db)
        let_leave(db, files)
    shutil.copytree(older.base, later.base)
    with without_fsync(), opened(later) as db:
        fill(db, FileStore(later.folder / "store"), newer, time.time() - 3600, first=exams)
    return older, later


def deliver(db: Database) -> None:
    """Let all results be sent, most of them proven, and something be known of each table of delivery and retrieval."""
    now = time.time()
    with db.write() as session:
        session.execute(
            text(
                "UPDATE outbox SET state = 'sent', attempts = 1, first_try_at = :now, sent_at = :now, last_status = 0,"
                " proof_due_at = CASE WHEN id % 50 = 0 THEN :now END"
            ),
            {"now": now},
        )
        session.execute(
            text(
                "UPDATE outbox SET state = 'proven', proven_at = :now, proof_attempts = 1,"
                " proven_by = CASE WHEN id % 2 THEN 'query' ELSE 'commitment' END WHERE id % 50 <> 0"
            ),
            {"now": now},
        )
        session.execute(text("UPDATE instance SET duplicates = 1 WHERE id % 7 = 0"))
        session.add(DestinationState(destination="pacs", breaker="closed", changed_at=now))
        ids = session.scalars(select(Outbox.id).order_by(Outbox.id)).all()
        for number in range(0, len(ids), 10 * EXAMS_OF_A_REQUEST):
            request = Commitment(
                transaction_uid=f"2.25.9.{number}", destination="pacs", state="reported", asked_at=now, due_at=now,
                reported_at=now,
            )  # fmt: skip
            session.add(request)
            session.flush()
            session.add_all(
                CommitmentItem(commitment_id=request.id, outbox_id=row, outcome="committed")
                for row in ids[number : number + 10 * EXAMS_OF_A_REQUEST]
            )
        exams = session.scalars(text("SELECT id FROM exam")).all()
        session.add_all(
            Retrieval(exam_id=exam, source="archive", purpose="views", state="done", asked_at=now, found=1, moved=1)
            for exam in exams[::RETRIEVAL_ONE_IN]
        )


def let_leave(db: Database, files: FileStore) -> None:
    """Let the images of some exams leave, as retention does."""
    door = Door(db, files, header_bytes, now=time.time())
    with db.read() as session:
        exams = session.scalars(select(Exam.id).order_by(Exam.id)).all()
    for exam in exams[::LEAVES_ONE_IN]:
        lose_images(door, exam, lambda _: True)


@contextlib.contextmanager
def opened(configuration: Configuration) -> Iterator[Database]:
    """Open the index of a node for a while."""
    db = open_database(configuration.index_url)
    try:
        yield db
    finally:
        db.close()


def rows_of(configuration: Configuration, *, left_out: Set[str] = frozenset(), columns: Set[str] = frozenset()) -> Rows:
    """Give all rows by their key, but for some tables and columns; an exam keeps all of its columns."""
    found: Rows = {}
    with opened(configuration) as db, db.read() as session:
        for table in Base.metadata.sorted_tables:
            if table.name not in left_out:
                kept = [c for c in table.c if table.name == "exam" or c.name not in columns]
                keys = next(iter(table.primary_key.columns)).name
                rows = session.execute(select(*kept)).mappings()
                found[table.name] = {row[keys]: tuple(row.values()) for row in rows}
    return found


def compared(before: Rows, after: Rows) -> dict[str, object]:
    """Say how many rows of before are there, equal, by table where they are not."""
    different = {
        name: sum(after.get(name, {}).get(key) != row for key, row in rows.items()) for name, rows in before.items()
    }
    return {
        "rows": sum(map(len, before.values())),
        "rows_that_differ": {name: count for name, count in different.items() if count},
        "rows_more": sum(map(len, after.values())) - sum(map(len, before.values())),
    }


def rebuilt(configuration: Configuration) -> dict[str, object]:
    """Lose the index, and make it again."""
    before = rows_of(configuration, left_out=UNTOLD | {"delivery_attempt"}, columns=NOT_TOLD)
    _lose_index(configuration)
    began = time.monotonic()
    made = make_index_again(configuration, delivered=True)
    seconds = time.monotonic() - began
    after = rows_of(configuration, left_out=UNTOLD | {"delivery_attempt"}, columns=NOT_TOLD)
    return {"seconds": round(seconds, 2), "ok": made.ok, **compared(before, after)}


def restored(configuration: Configuration, older: Configuration) -> dict[str, object]:
    """Lose the index, and put back the backup of a node that had less."""
    before, now = rows_of(older, left_out=OF_THE_NODE), rows_of(configuration, left_out=OF_THE_NODE)
    began = time.monotonic()
    backup = back_up(older, scope=Scope.OWN, folder=configuration.backup_folder)
    backed_up = time.monotonic() - began
    _lose_index(configuration)
    told = restore_node(configuration, backup.path)
    after = rows_of(configuration, left_out=OF_THE_NODE)
    newer = {name: len(now[name]) - len(before[name]) for name in ("exam", "instance", "report", "result")}
    came = {name: len(after[name]) - len(before[name]) for name in newer}
    return {
        "backup_seconds": round(backed_up, 2), "seconds": told["seconds"], "in_place_seconds": told["in_place_seconds"],
        "ok": told["ok"], "newer": newer, "newer_taken_up": came, **compared(before, after),
    }  # fmt: skip


def moved(older: Configuration, folder: Path) -> dict[str, object]:
    """Lose the whole folder, and restore a backup with all files into an empty one."""
    other = Configuration(base=folder)
    before, files = rows_of(older, left_out=OF_THE_NODE), _files(older)
    began = time.monotonic()
    backup = back_up(older, scope=Scope.ALL, folder=other.backup_folder)
    backed_up = time.monotonic() - began
    told = restore_node(other, backup.path)
    with opened(other) as db:
        swept = run_sweep(other, db, FileStore(other.folder / "store"), SweepOrder(verify=True))
    return {
        "backup_seconds": round(backed_up, 2), "seconds": told["seconds"], "ok": told["ok"] and swept.ok,
        "files": len(files), "files_missing": len(files - _files(other)),
        **compared(before, rows_of(other, left_out=OF_THE_NODE)),
    }  # fmt: skip


def _files(configuration: Configuration) -> frozenset[str]:
    return frozenset(FileStore(configuration.folder / "store").digests())


def _lose_index(configuration: Configuration) -> None:
    for path in configuration.folder.glob("index.sqlite*"):
        path.unlink()


def missed(figures: dict[str, dict]) -> list[str]:
    """Say which bar was missed."""
    ways = {name: figures[name] for name in ("rebuilt", "restored", "moved")}
    return [
        *(f"{name}: rows differ: {way['rows_that_differ']}" for name, way in ways.items() if way["rows_that_differ"]),
        *(f"{name}: a person has to look" for name, way in ways.items() if not way["ok"]),
        *(f"{name}: rows that nobody wrote" for name in ("rebuilt", "moved") if ways[name]["rows_more"]),
        *(["newer exams were not taken up"] if ways["restored"]["newer"] != ways["restored"]["newer_taken_up"] else []),
        *(["files are missing"] if ways["moved"]["files_missing"] else []),
    ]


def main() -> int:
    """Measure, print, and fail if a row or a file is not back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--exams", type=int, default=1000)
    parser.add_argument("--folder", type=made_folder, default=None, help="on the disk to measure; a temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="restore-") as name:
        folder = Path(name)
        older, later = node(folder, arguments.exams, max(1, arguments.exams // NEWER_SHARE))
        figures: dict[str, object] = {
            "exams": arguments.exams,
            "restored": restored(later, older),
            "moved": moved(older, folder / "moved"),
            "rebuilt": rebuilt(older),
            "machine": machine(folder),
        }
    figures["missed"] = missed(figures)
    return end(figures, as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
