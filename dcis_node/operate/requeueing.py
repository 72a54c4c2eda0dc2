"""What `dcis-node requeue` does."""

from dataclasses import dataclass

from dcis_node.config import Configuration
from dcis_node.errors import InputError
from storage import outbox
from storage.database import Database
from storage.destinations import hasten, probe_now
from storage.overview import exam_ids
from storage.undelivered import rows_of_exams


@dataclass(frozen=True)
class Revived:
    """How many dead results are due again, and how many of those that wait are tried at once."""

    dead: int
    waiting: int


def requeue_results(
    configuration: Configuration, db: Database, *, destination: str | None, exam: str | None, now: float
) -> Revived:
    """Revive dead results, and have every destination in question tried at once.

    Raises
    ------
    InputError
        There is no such destination in configuration or outbox, or no such exam.
    StorageError
        The index cannot be used.
    """
    names = {one.name for one in configuration.destinations} | set(outbox.counts(db))
    if destination is not None and destination not in names:
        raise InputError("no_such_destination", f"{destination}: no such destination; there are: {_list(names)}")
    rows = None if exam is None else _rows(db, exam)
    tried = sorted(names) if destination is None else [destination]
    waiting = sum(hasten(db, name, now=now) for name in tried) if exam is None else 0
    dead = outbox.requeue(db, now=now, destination=destination, outbox_ids=rows)
    for name in tried:
        probe_now(db, name, now=now)
    return Revived(dead, waiting)


def _rows(db: Database, exam: str) -> list[int]:
    with db.read() as session:
        found = exam_ids(session, exam)
        if not found:
            raise InputError("no_such_exam", f"{exam}: the index knows no such exam")
        return rows_of_exams(session, found)


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
