"""What lies in the files, written into an index in the order in which it happened, by the rules of that time.

Used for a whole index that was lost, and for the little that a crash left without its row.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from pathlib import Path

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from dcis_node.errors import StorageError
from storage.database import Database
from storage.files import FileStore
from storage.findings import find_analysis
from storage.index import ReceivedInstance, record_instance
from storage.outbox import enqueue
from storage.records import ANALYSIS, REPORT, RecordedAnalysis, RecordedReport, Records
from storage.removals import REMOVED, RecordedRemoval
from storage.reports import is_reported
from storage.schema import Conflict, Exam, Instance, Outbox, Report, Result, ViewAnalysis

# What is read beside the index is written into it in one go: short enough for nobody to wait, long enough to be cheap.
BATCH = 100
NOT_KNOWN = "taken as delivered: the index was made again from the files, which do not tell"


class Stray(StrEnum):
    """What a file can be that is no DICOM object that could have been received."""

    PICTURE = "picture"  # of an analysis that no record names: its maker died before
    FOREIGN = "foreign"  # nothing that the node could have received or made


@dataclass(frozen=True)
class Looked:
    """A DICOM object as reception describes it.

    Parameters
    ----------
    made_here
        True if it says that this node made it: received only if it came back, which its record tells.
    """

    received: ReceivedInstance
    made_here: bool = False


# Says what a file of a digest is; never raises for what is in it.
Describe = Callable[[Path, str], Looked | Stray]


@dataclass(frozen=True, order=True)
class Event:
    """Something that happened: an object came (rank 0), a view was analysed (1), an exam was answered (2).

    Parameters
    ----------
    moment
        Unix seconds.
    name
        Digest of the object, or name of the record.
    """

    moment: float
    rank: int
    name: str


@dataclass
class Tally:
    """Counts of a replay.

    Parameters
    ----------
    known
        Already in the index.
    unplaced
        Analyses and answers whose images are not there.
    overtaken
        Answers that were never saved: another of the same version was.
    own
        Files that this node made and that no record names: their maker died before.
    foreign
        Files that are nothing of ours (see `Stray`).
    damaged_records
        Names of records that cannot be read.
    """

    instances: int = 0
    conflicts: int = 0
    analyses: int = 0
    reports: int = 0
    results: int = 0
    known: int = 0
    unplaced: int = 0
    overtaken: int = 0
    own: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    damaged_records: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Remembered:
    """An image that has left by the rule of retention, as what is kept of it tells."""

    received: ReceivedInstance
    received_at: float
    removed_at: float


Loaded = tuple[float, Looked] | Remembered | RecordedAnalysis | RecordedReport


class Replay:
    """Writes events into an index.

    Parameters
    ----------
    describe
        Says what a file is.
    merge_same_day
        As for `storage.index.record_instance`.
    fresh
        True if the index is made anew and holds nothing but what was replayed: nobody else writes it then.
    """

    def __init__(
        self, db: Database, records: Records, describe: Describe, *, merge_same_day: bool = True, fresh: bool = False
    ) -> None:
        self.tally = Tally()
        self._db = db
        self._files: FileStore = records.files
        self._records = records
        self._describe = describe
        self._merge_same_day = merge_same_day
        self._fresh = fresh
        self._newest: dict[int, int] = {}

    def apply(self, events: Iterable[Event], *, progress: Callable[[int], object] = lambda _: None) -> Tally:
        """Write events, given in their order.

        Parameters
        ----------
        progress
            Called with the number of events done since the last call.

        Raises
        ------
        StorageError
            The index cannot be written. What was written before stays.
        """
        left = iter(events)
        while batch := list(islice(left, BATCH)):
            loaded = list(self._load(batch))
            with self._db.write() as session:
                for thing in loaded:
                    self._write(session, thing)
            progress(len(batch))
        return self.tally

    def _load(self, batch: Iterable[Event]) -> Iterator[Loaded]:
        """Read what the events tell of; nobody waits for it, as no transaction is open."""
        for event in batch:
            if "." in event.name:
                yield from self._loaded_record(event.name)
                continue
            described = self._describe(self._files.path(event.name), event.name)
            if isinstance(described, Stray):
                (self.tally.own if described is Stray.PICTURE else self.tally.foreign).append(event.name)
            else:
                yield event.moment, described

    def _loaded_record(self, name: str) -> Iterator[Loaded]:
        try:
            record = self._records.read(name)
        except StorageError:
            self.tally.damaged_records.append(name)
            return
        if isinstance(record, RecordedAnalysis | RecordedReport):
            yield record
        elif isinstance(record, RecordedRemoval) and not self._files.exists(record.sha256):
            yield from self._remembered(record)

    def _remembered(self, record: RecordedRemoval) -> Iterator[Remembered]:
        """Describe an image that has left by the header that is kept of it."""
        part, descriptor = self._files.new_part()
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(record.header_bytes)
            described = self._describe(part, record.sha256)
        finally:
            part.unlink(missing_ok=True)
        if isinstance(described, Stray):
            self.tally.unplaced += 1
            return
        received = replace(described.received, size_bytes=record.size_bytes)
        yield Remembered(received, record.received_at, record.removed_at)

    def _write(self, session: Session, thing: Loaded) -> None:
        if isinstance(thing, RecordedAnalysis):
            self._write_analysis(session, thing)
        elif isinstance(thing, Remembered):
            self._write_remembered(session, thing)
        elif isinstance(thing, RecordedReport):
            self._write_report(session, thing)
        else:
            self._write_instance(session, *thing)

    def _write_instance(self, session: Session, moment: float, looked: Looked) -> None:
        received = looked.received
        if is_indexed(session, received.sha256):
            self.tally.known += 1
            return
        if looked.made_here and not _has_result(session, [received.sop_instance_uid]):
            self.tally.own.append(received.sha256)
            return
        recorded = record_instance(session, received, now=moment, merge_same_day=self._merge_same_day)
        if recorded.outcome == "conflict":
            self.tally.conflicts += 1
        else:
            self.tally.instances += 1

    def _write_remembered(self, session: Session, thing: Remembered) -> None:
        if is_indexed(session, thing.received.sha256):
            self.tally.known += 1
            return
        recorded = record_instance(session, thing.received, now=thing.received_at, merge_same_day=self._merge_same_day)
        if recorded.outcome == "new":
            session.get_one(Instance, recorded.instance_id).removed_at = thing.removed_at
            self.tally.instances += 1

    def _write_analysis(self, session: Session, record: RecordedAnalysis) -> None:
        instance = _instance(session, record.key.instance_sha256)
        if instance is None:
            self.tally.unplaced += 1
            return
        if find_analysis(session, record.key) is not None:
            self.tally.known += 1
            return
        self.tally.analyses += 1
        session.add(
            ViewAnalysis(
                instance_id=instance.id, analysed_at=record.analysed_at, **vars(record.key), **vars(record.analysis)
            )
        )
        if instance.analysis == "pending":
            instance.analysis = "analysed"
        exam = session.get_one(Exam, instance.exam_id)
        # The bundle that judged an exam's view last is the one that it is bound to; a running worker binds it itself.
        if self._fresh or not exam.bundle_sha256:
            exam.bundle_sha256 = record.key.bundle_sha256
        session.flush()

    def _write_report(self, session: Session, record: RecordedReport) -> None:
        exam = _exam(session, record)
        if exam is None:
            self.tally.unplaced += 1
            return
        if is_reported(session, exam.id, record.inputs_sha256):
            self.tally.known += 1
            return
        newest = session.scalar(select(func.max(Report.version)).where(Report.exam_id == exam.id)) or 0
        overtaken = record.version <= newest or (not self._fresh and exam.last_image_at > record.made_at)
        if overtaken or _has_result(session, [result.sop_instance_uid for result in record.results]):
            self.tally.overtaken += 1
            return
        self._add_report(session, exam, record)

    def _add_report(self, session: Session, exam: Exam, record: RecordedReport) -> None:
        row = Report(
            exam_id=exam.id,
            version=record.version,
            inputs_sha256=record.inputs_sha256,
            bundle_sha256=record.bundle_sha256,
            decision=record.decision,
            views=record.views,
            made_at=record.made_at,
        )
        session.add(row)
        session.flush()
        results = [Result(report_id=row.id, **vars(result)) for result in record.results]
        session.add_all(results)
        session.flush()
        for destination, kinds in record.deliveries.items():
            enqueue(session, [result.id for result in results if result.kind in kinds], (destination,), now=row.made_at)
        _set_reported(session, exam, record)
        self._close_earlier(session, exam.id, row.id)
        self.tally.reports += 1
        self.tally.results += len(results)

    def _close_earlier(self, session: Session, exam_id: int, newest: int) -> None:
        """Send of several answers that were found again only the last, which names the others."""
        earlier = self._newest.get(exam_id)
        self._newest[exam_id] = newest
        if earlier is not None:
            _close(session, select(Outbox).join(Result).where(Result.report_id == earlier))


def assume_delivered(session: Session) -> int:
    """Take everything in a fresh index as delivered; gives how many parcels that was."""
    return _close(session, select(Outbox).where(Outbox.state == "due"))


def _close(session: Session, chosen: Select[Outbox]) -> int:
    rows = session.scalars(chosen).all()
    for row in rows:
        row.state, row.last_error = "sent", NOT_KNOWN
    return len(rows)


def is_indexed(session: Session, sha256: str) -> bool:
    """Tell whether a received file has its row."""
    return (
        session.scalar(select(Instance.id).where(Instance.sha256 == sha256)) is not None
        or session.scalar(select(Conflict.id).where(Conflict.sha256 == sha256)) is not None
    )


def rank_of(record_name: str) -> int:
    """Give the rank of the event that a record tells of: that of an image that has left is its arrival."""
    return {REMOVED: 0, ANALYSIS: 1, REPORT: 2}[record_name.rpartition(".")[2]]


def _instance(session: Session, sha256: str) -> Instance | None:
    return session.scalars(select(Instance).where(Instance.sha256 == sha256)).first()


def _exam(session: Session, record: RecordedReport) -> Exam | None:
    """Find the exam by its first object, else by one of its images."""
    for sha256 in (record.exam, *(image.sha256 for image in record.images)):
        instance = _instance(session, sha256)
        if instance is not None:
            return session.get_one(Exam, instance.exam_id)
    return None


def _has_result(session: Session, uids: Sequence[str]) -> bool:
    return session.scalar(select(Result.id).where(Result.sop_instance_uid.in_(uids)).limit(1)) is not None


def _set_reported(session: Session, exam: Exam, record: RecordedReport) -> None:
    failed = {image.sha256: image.reason for image in record.images if image.analysis == "failed"}
    for instance in session.scalars(select(Instance).where(Instance.sha256.in_(failed))):
        if instance.analysis == "pending":
            instance.analysis, instance.reason = "failed", failed[instance.sha256]
    # An image that came since has opened the exam again.
    if exam.last_image_at <= record.made_at:
        exam.state, exam.completeness, exam.failure = "reported", record.completeness, record.failure
        exam.attempts, exam.lease_owner, exam.lease_until = 0, "", 0.0
    session.flush()
