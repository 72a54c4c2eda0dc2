"""What a person does about exams and results that failed: `dcis-node requeue` and `dcis-node dismiss`."""

from dataclasses import dataclass

from dcis_node.config import Configuration
from dcis_node.errors import InputError
from storage import outbox
from storage.database import Database
from storage.destinations import hasten, probe_now
from storage.dismissal import dismiss_failures, dismiss_results
from storage.overview import exam_ids
from storage.undelivered import rows_of_exams


@dataclass(frozen=True)
class Revived:
    """How many dead results are due again, and how many of those that wait are tried at once."""

    dead: int
    waiting: int


@dataclass(frozen=True)
class Dismissed:
    """How many exams and results are no alarm any more."""

    exams: int
    results: int


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
    names = _named(configuration) | set(outbox.counts(db))
    _require(names, destination)
    rows = None if exam is None else _rows(db, exam)
    tried = sorted(names) if destination is None else [destination]
    waiting = sum(hasten(db, name, now=now) for name in tried) if exam is None else 0
    dead = outbox.requeue(db, now=now, destination=destination, outbox_ids=rows)
    for name in tried:
        probe_now(db, name, now=now)
    return Revived(dead, waiting)


def dismiss(
    configuration: Configuration, db: Database, *, destination: str | None, exam: str | None, now: float
) -> Dismissed:
    """Dismiss the failure of an exam with its dead results, or the dead results for a destination.

    With both, only that exam's results for that destination. What waits for a destination that the settings name no
    more is dismissed like what is dead.

    Raises
    ------
    InputError
        There is no such destination in configuration or outbox, no such exam, or neither was named.
    StorageError
        The index cannot be used.
    """
    if exam is None and destination is None:
        raise InputError("nothing_named", "name an exam or a destination: not everything is dismissed at once")
    named, known = _named(configuration), set(outbox.counts(db))
    _require(named | known, destination)
    found = None if exam is None else _exams(db, exam)
    results = dismiss_results(db, now=now, destination=destination, exam_ids=found, gone=known - named)
    exams = 0 if found is None or destination is not None else dismiss_failures(db, found, now=now)
    return Dismissed(exams, results)


def _named(configuration: Configuration) -> set[str]:
    return {one.name for one in configuration.destinations}


def _require(names: set[str], destination: str | None) -> None:
    if destination is not None and destination not in names:
        there = ", ".join(sorted(names)) or "none"
        raise InputError("no_such_destination", f"{destination}: no such destination; there are: {there}")


def _rows(db: Database, exam: str) -> list[int]:
    found = _exams(db, exam)
    with db.read() as session:
        return rows_of_exams(session, found)


def _exams(db: Database, exam: str) -> list[int]:
    with db.read() as session:
        found = exam_ids(session, exam)
    if not found:
        raise InputError("no_such_exam", f"{exam}: the index knows no such exam")
    return found
