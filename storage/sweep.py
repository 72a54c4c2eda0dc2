"""Index and files held against each other: what a crash left between them is finished, what is gone is told.

Files come first and rows after, so what a process that died leaves behind is a file without a row. The index is read in
short pages and the folders one by one: nobody waits for the sweep, whatever its length.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import update

from dcis_node.errors import StorageError
from storage.database import Database
from storage.digests import Digests
from storage.durable import file_sha256
from storage.files import QUARANTINE, FileStore
from storage.index_records import analysis_record, report_record
from storage.leaving import unlink
from storage.named import Named, analysis_rows, file_rows, read_named, report_rows
from storage.records import ANALYSIS, REPORT, Record, RecordedAnalysis, RecordedReport, Records
from storage.removals import REMOVED, RecordedRemoval
from storage.replay import Describe, Event, Looked, Replay, Stray, rank_of
from storage.schema import Instance

# From its first file to its row an item takes an hour at most: so long is a lease renewed (`dcis_node.analyse.lease`).
GRACE_SECONDS = 7200.0
MOST_NAMED = 20  # of each sort of fault, in the report of a sweep


@dataclass
class Swept:
    """What a sweep came to: counts, and of each fault the first few by the digest or name of the file.

    Parameters
    ----------
    files, records
        How many there are.
    adopted
        Files and records that got the rows they lacked.
    removed
        Files of work that was never finished, which nobody needs.
    left
        Files, records and rows whose leaving by the rule of retention a kill or a restored backup had left undone.
    waiting
        Without a row, but too young to be judged.
    kept
        Records of answers that were never saved, or whose images are not here: kept with their results, as the same
        inputs must have the same objects if they come back.
    records_written
        Records that rows of an older program lacked.
    missing
        `<table> <row> <digest>` of rows whose file is gone.
    damaged
        Names of files and records whose bytes are not those that were stored.
    set_aside
        Names of files in `quarantine/`, from this and earlier sweeps: neither received nor made by this node, or
        damaged before they had a row.
    verified
        Whether every file was read.
    stopped
        True if the node was told to leave before the sweep was done.
    """

    files: int = 0
    records: int = 0
    adopted: int = 0
    removed: int = 0
    left: int = 0
    waiting: int = 0
    kept: int = 0
    records_written: int = 0
    missing_count: int = 0
    damaged_count: int = 0
    set_aside_count: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)
    verified: bool = False
    stopped: bool = False

    @property
    def ok(self) -> bool:
        """False if a person has to look."""
        return not (self.missing_count or self.damaged_count or self.set_aside_count)

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self)

    def note_missing(self, text: str) -> None:
        """Count a row without its file."""
        self.missing_count += 1
        self.missing += [text] if len(self.missing) < MOST_NAMED else []

    def note_damaged(self, name: str) -> None:
        """Count a file whose bytes are others."""
        self.damaged_count += 1
        self.damaged += [name] if len(self.damaged) < MOST_NAMED else []


@dataclass(frozen=True)
class Broom:
    """What a sweep works with.

    Parameters
    ----------
    describe
        Says what a file is.
    now
        Unix seconds.
    merge_same_day
        As for `storage.index.record_instance`.
    grace_seconds
        How long a file may be without its row before it is judged.
    verify
        Read every file, and hold it to its digest.
    should_stop
        Asked again and again; what is left is done by the next sweep.
    progress
        Called with how many of the 256 folders are done.
    """

    db: Database
    files: FileStore
    describe: Describe
    now: float
    merge_same_day: bool = True
    grace_seconds: float = GRACE_SECONDS
    verify: bool = False
    should_stop: Callable[[], bool] = lambda: False
    progress: Callable[[int], object] = lambda _: None

    @property
    def records(self) -> Records:
        """Give the records beside the files."""
        return Records(self.files)


@dataclass
class Differences:
    """What is on one side only.

    Parameters
    ----------
    files, records
        Names without a row.
    leaving
        Digests of files that are here though rows say that they have left.
    lost
        Keys (see `storage.digests`) that rows name and no file has.
    unrecorded
        Keys of analyses and reports without a record, by the kind of the record.
    """

    files: list[str] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    leaving: list[str] = field(default_factory=list)
    lost: set[bytes] = field(default_factory=set)
    unrecorded: dict[str, set[bytes]] = field(default_factory=lambda: {ANALYSIS: set(), REPORT: set()})


def compare(there: Iterable[str], named: frozenset[bytes]) -> tuple[list[str], frozenset[bytes]]:
    """Give the names that are there and that nobody names, and the keys that are named and not there."""
    by_key = {Digests.key(name): name for name in there}
    return sorted(name for key, name in by_key.items() if key not in named), named - by_key.keys()


def sweep(broom: Broom) -> Swept:
    """Hold index and files against each other, and mend what can be mended.

    A received file without its row is received again by the rule of reception; a record without its rows gets them;
    what a process left that died before its record is removed; anything else is moved to `quarantine/`. All that only
    after the grace time. Nothing that a row or a record names is ever removed.

    Raises
    ------
    StorageError
        The index cannot be used.
    OSError
        A folder cannot be read.
    """
    swept = Swept(verified=broom.verify)
    broom.files.restore_trash()
    # The index first: a file that gets its row meanwhile is young.
    differences = _compare(broom, read_named(broom.db), swept)
    if not swept.stopped:
        _tell_missing(broom, differences.lost, swept)
        swept.left += unlink(broom.db, broom.files, differences.leaving)
        _mend(broom, differences, swept)
        _write_records(broom, differences.unrecorded, swept)
    _list_quarantine(broom.files, swept)
    return swept


def _compare(broom: Broom, named: Named, swept: Swept) -> Differences:
    """Go through the folders; with `verify`, through the bytes of each file."""
    found = Differences()
    for number in range(256):
        if broom.should_stop():
            swept.stopped = True
            break
        digests = list(broom.files.digests_of(number))
        without_row, without_file = compare(digests, named.files.of(number))
        removed = named.removed.of(number)
        for sha256 in without_row:
            (found.leaving if Digests.key(sha256) in removed else found.files).append(sha256)
        found.lost |= without_file
        names = list(broom.records.names_of(number))
        for kind, known in ((ANALYSIS, named.analyses), (REPORT, named.reports), (REMOVED, named.removed)):
            without_row, without_record = compare((n for n in names if n.endswith(kind)), known.of(number))
            found.records += without_row
            if kind in found.unrecorded:
                found.unrecorded[kind] |= without_record
        swept.files += len(digests)
        swept.records += len(names)
        if broom.verify:
            _verify(broom, digests, names, swept)
        broom.progress(number + 1)
    return found


def _verify(broom: Broom, digests: Iterable[str], names: Iterable[str], swept: Swept) -> None:
    for sha256 in digests:
        if broom.should_stop():
            return
        if _is_damaged(broom.files.path(sha256), sha256):
            swept.note_damaged(sha256)
    for name in names:
        _read_record(broom.records, name, swept)


def _is_damaged(path: Path, sha256: str) -> bool:
    """Tell whether the bytes of a file are others than were stored, or cannot be read; a file that is gone is not."""
    try:
        return file_sha256(path) != sha256
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _read_record(records: Records, name: str, swept: Swept) -> Record | None:
    """Read a record; None if it is damaged."""
    try:
        return records.read(name)
    except StorageError:
        swept.note_damaged(name)
        return None


def _tell_missing(broom: Broom, lost: set[bytes], swept: Swept) -> None:
    if not lost:
        return
    for row, sha256 in file_rows(broom.db):
        if Digests.key(sha256) in lost and not broom.files.exists(sha256):
            if _has_left(broom, row, sha256):
                swept.left += 1
            else:
                swept.note_missing(f"{row} {sha256}")


def _has_left(broom: Broom, row: str, sha256: str) -> bool:
    """Let a row that is older than the leaving of its file (a restored backup) say so."""
    table, _, number = row.partition(" ")
    removal = broom.records.removal(sha256) if table == Instance.__tablename__ else None
    left_at = broom.records.retired_at(sha256) if removal is None else removal.removed_at
    if table != Instance.__tablename__ or left_at is None:
        return False
    here = (Instance.id == int(number), Instance.removed_at.is_(None))
    with broom.db.write() as session:
        session.execute(update(Instance).where(*here).values(removed_at=left_at))
    return True


def _mend(broom: Broom, found: Differences, swept: Swept) -> None:
    """Give rows to what lacks them, in the order in which it came; remove or set aside the rest."""
    records = broom.records
    events: list[Event] = []
    of_records: set[str] = set()
    for name in found.records:
        record = _read_record(records, name, swept)
        if record is None:
            continue
        if _is_retired(records, record):
            records.remove(name)
            swept.left += 1
            continue
        of_records.update(record.files)
        if not (isinstance(record, RecordedRemoval) and broom.files.exists(record.sha256)):
            events += _if_old(broom, records.named_at, Event(record.moment, rank_of(name), name), swept)
    for sha256 in found.files:
        if sha256 not in of_records:
            with suppress(FileNotFoundError):
                event = Event(broom.files.moment(sha256), 0, sha256)
                events += _if_old(broom, broom.files.named_at, event, swept)
    replay = Replay(broom.db, records, _whole_only(broom.describe), merge_same_day=broom.merge_same_day)
    tally = replay.apply(sorted(events))
    swept.adopted = tally.instances + tally.conflicts + tally.analyses + tally.reports
    swept.kept = tally.overtaken + tally.unplaced
    before = broom.now - broom.grace_seconds
    swept.removed = sum(broom.files.remove(sha256, named_before=before) for sha256 in tally.own)
    for sha256 in tally.foreign:
        with suppress(FileNotFoundError):
            broom.files.set_aside(sha256)


def _is_retired(records: Records, record: Record) -> bool:
    """Tell whether a record without its row is of something of which the last has left since."""
    match record:
        case RecordedReport():
            images = [image.sha256 for image in record.images] or [record.exam]
        case RecordedAnalysis():
            images = [record.key.instance_sha256]
        case _:
            images = [record.sha256]
    since = record.removed_at if isinstance(record, RecordedRemoval) else record.moment
    left = [records.retired_at(sha256) for sha256 in images]
    return all(moment is not None and moment >= since for moment in left)


def _if_old(broom: Broom, named_at: Callable[[str], float], event: Event, swept: Swept) -> list[Event]:
    """Give the event if its file has its name for longer than the grace time."""
    try:
        if named_at(event.name) < broom.now - broom.grace_seconds:
            return [event]
    except FileNotFoundError:
        return []
    swept.waiting += 1
    return []


def _whole_only(describe: Describe) -> Describe:
    """Take for foreign what is not whole: it would be analysed as what it is not."""

    def described(path: Path, sha256: str) -> Looked | Stray:
        return Stray.FOREIGN if _is_damaged(path, sha256) else describe(path, sha256)

    return described


def _write_records(broom: Broom, unrecorded: dict[str, set[bytes]], swept: Swept) -> None:
    """Write the records that rows lack; each is a file, so that what was written before a stop stays."""
    records = broom.records
    if unrecorded[ANALYSIS]:
        for row_id, digest in analysis_rows(broom.db):
            if Digests.key(digest) in unrecorded[ANALYSIS] and not broom.should_stop():
                with broom.db.read() as session:
                    analysis = analysis_record(session, row_id)
                records.keep_analysis(analysis)
                swept.records_written += 1
    if unrecorded[REPORT]:
        for row_id, digest in report_rows(broom.db):
            if Digests.key(digest) in unrecorded[REPORT] and not broom.should_stop():
                with broom.db.read() as session:
                    report = report_record(session, row_id)
                records.keep_report(report)
                swept.records_written += 1


def _list_quarantine(files: FileStore, swept: Swept) -> None:
    with suppress(FileNotFoundError):
        names = sorted(path.name for path in (files.root / QUARANTINE).iterdir())
        swept.set_aside_count, swept.set_aside = len(names), names[:MOST_NAMED]
