"""What `status` says of the work of the night, and of the index as a file."""

import sqlite3
from collections.abc import Iterable
from typing import Any

from dcis_node.config import Configuration
from storage.engines import journal_mode, sqlite_file
from storage.heartbeat import Beat
from storage.maintenance import WorkDone

# A work of the night is late when a day has passed, and two hours for a change of the clock and a slow disk.
OVERDUE_SECONDS = 26 * 3600.0
SWEEP, BACKUP, INTEGRITY, RETENTION = "sweep", "backup", "integrity", "retention"


def maintenance_status(
    configuration: Configuration, done: Iterable[WorkDone], seen: Iterable[Beat], *, now: float
) -> list[dict[str, Any]]:
    """Say of each work of the night when it was done last and how it went.

    A work is `overdue` if its last run, and the start of the node, are longer ago than a night; a node that does not
    run owes nothing.
    """
    last = {work.name: work for work in done}
    started = min((beat.started_at for beat in seen if beat.process.startswith("clock")), default=now)
    on_sqlite = sqlite_file(configuration.index_url) is not None
    names = (SWEEP, *((BACKUP, INTEGRITY) if on_sqlite else ()), RETENTION)
    return [_work(name, last.get(name), started, now) for name in names]


def _work(name: str, last: WorkDone | None, started: float, now: float) -> dict[str, Any]:
    finished = last.finished_at if last else None
    return {
        "work": name,
        "finished_at": finished,
        "seconds": round(last.finished_at - last.started_at, 1) if last else None,
        "ok": last is None or last.ok,
        "overdue": now - max(started, finished or 0.0) > OVERDUE_SECONDS,
        "detail": last.detail if last else {},
    }


def index_status(configuration: Configuration) -> dict[str, Any]:
    """Say what kind of index it is, and how it is written.

    `note` says why it is not a write-ahead log, "" if it is one.
    """
    file = sqlite_file(configuration.index_url)
    if file is None:
        return {"kind": "PostgreSQL", "version": "", "journal_mode": "", "size_bytes": None, "note": ""}
    mode = journal_mode()
    old = "rollback journal: this SQLite can damage a write-ahead log that several processes write (fixed in 3.51.3)"
    return {
        "kind": "SQLite",
        "version": sqlite3.sqlite_version,
        "journal_mode": mode,
        "size_bytes": file.stat().st_size if file.exists() else 0,
        "note": "" if mode == "WAL" else old,
    }
