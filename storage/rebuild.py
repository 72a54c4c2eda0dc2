"""The index made again from the files alone, beside the old one, and put in its place in one step.

What the files do not tell stays empty: associations and which instance came by which, the AE titles that sent
conflicts, how often the same object came, attempts and their answers, proofs and what was asked for them, what is known
of a destination, what other archives were asked for, signs of life, the nightly work.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

from sqlalchemy import select

from dcis_node.errors import StorageError
from storage.database import Database, open_database, upgrade
from storage.digests import Digests
from storage.engines import sqlite_file
from storage.files import FileStore, sync_folder
from storage.index_file import beside, check_index, settle
from storage.priors import recognise_priors
from storage.records import REPORT, RecordedReport, Records
from storage.removals import RETIRED, RecordedRemoval, RecordedRetirement
from storage.replay import Describe, Event, Replay, Tally, assume_delivered, rank_of
from storage.schema import Instance

REBUILDING = ".rebuilding"

# Called with how many events are done, and of how many.
Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class History:
    """All that the files tell, in the order in which it happened.

    Parameters
    ----------
    overtaken
        Records of answers that were never saved: of the answers of one exam with one version the one made last counts,
        since nobody can save one after another worker has begun to make the next.
    damaged_records
        Names of records that cannot be read.
    """

    events: list[Event]
    overtaken: int = 0
    damaged_records: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild came to.

    Parameters
    ----------
    rows
        Number of rows of each table.
    aside
        Where the old index lies now; None if there was none.
    assumed_delivered
        Parcels that are taken as delivered because that was asked for.
    """

    tally: Tally
    rows: dict[str, int]
    aside: Path | None
    assumed_delivered: int = 0

    @property
    def ok(self) -> bool:
        """False if a person has to look: not all that lies in the files could be read or placed."""
        return not (self.tally.damaged_records or self.tally.foreign or self.tally.unplaced)


def read_history(files: FileStore, records: Records) -> History:
    """Look through all files and records; of the received files only names and times are read.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    of_records = Digests()
    damaged: list[str] = []
    events: list[Event] = []
    last: dict[tuple[str, int], Event] = {}
    for name in records.names():
        try:
            record = records.read(name)
        except StorageError:
            damaged.append(name)
            continue
        if isinstance(record, RecordedRetirement) or (isinstance(record, RecordedRemoval) and _is_here(files, record)):
            continue
        for sha256 in record.files:
            of_records.add(sha256)
        event = Event(record.moment, rank_of(name), name)
        if isinstance(record, RecordedReport):
            last[record.exam, record.version] = max(event, last.get((record.exam, record.version), event))
        events.append(event)
    kept = set(last.values())
    told = [event for event in events if event.rank != rank_of(f".{REPORT}") or event in kept]
    received = list(_received(files, of_records))
    return History(sorted(told + received), overtaken=len(events) - len(told), damaged_records=damaged)


def _is_here(files: FileStore, record: RecordedRemoval) -> bool:
    """Tell whether an image is here that its record says has left: it came again, or was about to leave."""
    return files.exists(record.sha256)


def _received(files: FileStore, of_records: Digests) -> Iterator[Event]:
    for number in range(256):
        made_here = of_records.of(number)
        for sha256 in files.digests_of(number):
            if Digests.key(sha256) not in made_here:
                yield Event(files.moment(sha256), 0, sha256)


def rebuild_index(
    url: str,
    files: FileStore,
    describe: Describe,
    *,
    stamp: str,
    merge_same_day: bool = True,
    delivered: bool = False,
    priors: bool = False,
    progress: Progress = lambda _done, _all: None,
) -> Rebuilt:
    """Make the index again. Nobody else may use index or files meanwhile: the caller vouches for that.

    A process that is killed at any line leaves the old index or the new one, and never removes the old one.

    Parameters
    ----------
    url
        Of the index.
    describe
        Says what a file is.
    stamp
        Ends the name under which the old index is kept.
    delivered
        Take all results as delivered. Otherwise those of the newest answer of each exam are sent once more, the same
        bytes under the same UIDs.

    priors
        Look for exams that are here only because others had asked for them: they are not decided.

    Raises
    ------
    StorageError
        The index is no SQLite file, or the new one cannot be written or is not whole.
    OSError
        The disk is full or failed.
    """
    index = sqlite_file(url)
    if index is None:
        raise StorageError("only an index in a SQLite file is made again; restore another database by its own means")
    new = index.with_name(index.name + REBUILDING)
    _remove(new)
    new_url = f"sqlite:///{new}"
    upgrade(new_url)
    db = open_database(new_url)
    try:
        tally, assumed = _fill(
            db,
            files,
            describe,
            merge_same_day=merge_same_day,
            delivered=delivered,
            priors=priors,
            progress=progress,
        )
    finally:
        db.close()
    settle(new)
    facts = check_index(new)
    aside = put_in_place(new, index, aside=_free(index.with_name(f"{index.name}.{stamp}")))
    return Rebuilt(tally, facts.rows, aside, assumed)


def _fill(
    db: Database,
    files: FileStore,
    describe: Describe,
    *,
    merge_same_day: bool,
    delivered: bool,
    priors: bool,
    progress: Progress,
) -> tuple[Tally, int]:
    records = Records(files)
    history = read_history(files, records)
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        progress(done, len(history.events))

    replay = Replay(db, records, describe, merge_same_day=merge_same_day, fresh=True)
    tally = replay.apply(history.events, progress=tell)
    tally.overtaken += history.overtaken
    tally.damaged_records += history.damaged_records
    if priors and history.events:
        with db.write() as session:
            recognise_priors(session, newest=history.events[-1].moment)
    if not delivered:
        return tally, 0
    with db.write() as session:
        return tally, assume_delivered(session)


def put_in_place(new: Path, index: Path, *, aside: Path) -> Path | None:
    """Let a whole index take the place of another in one step, and keep that one aside.

    Returns
    -------
    Path | None
        Where the old one is; None if there was none.

    Raises
    ------
    OSError
        The disk refused, or there is something at `aside`; the old index is in its place.
    """
    _sync_file(new)
    kept = None
    if index.exists():
        settle(index)
        aside.hardlink_to(index)
        kept = aside
        for left in beside(index):
            # What SQLite left beside a damaged index would be taken for a part of the new one.
            if left.exists():
                left.replace(aside.with_name(aside.name + left.name.removeprefix(index.name)))
        sync_folder(index.parent)
    new.replace(index)
    for left in beside(new):
        left.unlink(missing_ok=True)
    sync_folder(index.parent)
    return kept


def is_index_lost(db: Database, files: FileStore) -> bool:
    """Tell whether an index holds nothing although there are records: it is not the one of these files."""
    # What is kept of exams that have left wholly is no sign of a lost index.
    if next((name for name in Records(files).names() if not name.endswith(RETIRED)), None) is None:
        return False
    with db.read() as session:
        return session.scalar(select(Instance.id).limit(1)) is None


def _remove(new: Path) -> None:
    """Remove what a rebuild that was killed has left."""
    for path in (new, *beside(new)):
        path.unlink(missing_ok=True)


def _free(path: Path) -> Path:
    """Give a name that nothing has yet."""
    names = chain([path], (path.with_name(f"{path.name}.{number}") for number in count(2)))
    return next(name for name in names if not name.exists())


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
