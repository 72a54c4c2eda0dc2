"""How what retention has chosen leaves: the row says so first, then the file goes, and a sweep ends what a kill left.

- An image: what a late view will need of it goes on disk (`storage.removals`), one transaction says `removed_at` if the
  rule still holds, then the file is unlinked.
- The rest of an exam's files: that it is retired goes on disk, one transaction says `removed_at` and forgets the
  analyses, then files and records are unlinked.
- The rows: one transaction; there is no file then.

A file is unlinked under the index's lock, after a look at the rows that name it. Whoever has received the same bytes at
that moment and has no row yet finds the file gone when it writes the row, and asks its sender to send again: so nothing
that was acknowledged is ever unlinked.
"""

import base64
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Select, delete, exists, or_, select, update
from sqlalchemy.orm import Session

from storage.database import Database
from storage.files import FileStore
from storage.findings import AnalysisKey
from storage.records import ANALYSIS, REPORT, Records, key_digest
from storage.removals import REMOVED, RecordedRemoval, RecordedRetirement
from storage.retention_facts import is_image, kept_exam
from storage.retention_rule import KeptExam
from storage.schema import Conflict, Instance, Report, Result, Study, ViewAnalysis

# Says whether an exam may still lose what was chosen.
StillMay = Callable[[KeptExam], bool]
# Gives the bytes of an image's file before its pixels, b"" where they cannot be read; never raises.
HeaderOf = Callable[[Path], bytes]


@dataclass(frozen=True)
class Left:
    """What has left with one step of one exam.

    Parameters
    ----------
    studies
        For each Study Instance UID: SOP Class UID and number of instances, sorted.
    whole
        True if no instance of the exam is here any more.
    """

    exam_id: int
    files: int
    size_bytes: int
    studies: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
    whole: bool = False


@dataclass(frozen=True)
class Door:
    """Where things leave by.

    Parameters
    ----------
    held
        Digests of images that stay.
    now
        Unix seconds.
    grace_seconds
        Outlines and pictures that got their name in this time stay for the sweep: a worker may be about to name them.
    """

    db: Database
    files: FileStore
    header_of: HeaderOf
    now: float
    held: frozenset[str] = frozenset()
    grace_seconds: float = 7200.0

    @property
    def records(self) -> Records:
        """Give the records beside the files."""
        return Records(self.files)


def lose_images(door: Door, exam_id: int, may: StillMay) -> Left | None:
    """Let the images of an exam leave; None if they may not any more.

    Other bytes that came under the UID of one of them leave with it.

    Raises
    ------
    StorageError
        The index cannot be used.
    OSError
        The disk is full or failed. What has left has left; the rest is as it was.
    """
    here = _instances(door, exam_id, is_image())
    chosen = [row for row in here if row.sha256 not in door.held]
    for row in chosen:
        _remember(door, row)
    ids = [row.id for row in chosen]
    with door.db.write() as session:
        exam = kept_exam(session, exam_id, held=door.held)
        if exam is None or not may(exam):
            return None
        of_these = Conflict.instance_id.in_(ids)
        others = session.execute(select(Conflict.sha256, Conflict.size_bytes).where(of_these)).all()
        session.execute(delete(Conflict).where(of_these))
        session.execute(update(Instance).where(Instance.id.in_(ids)).values(removed_at=door.now))
        whole = len(chosen) == len(here) and not exam.others
        studies = _studies(session, chosen)
    unlink(door.db, door.files, [row.sha256 for row in chosen] + [row.sha256 for row in others])
    size = sum(row.size_bytes for row in chosen) + sum(row.size_bytes for row in others)
    return Left(exam_id, len(chosen) + len(others), size, studies, whole)


def lose_results(door: Door, exam_id: int, may: StillMay) -> Left | None:
    """Let all that is left of an exam's files leave; None if they may not any more.

    Raises
    ------
    StorageError, OSError
        As `lose_images`.
    """
    with door.db.read() as session:
        exam = kept_exam(session, exam_id, held=door.held)
        every = session.scalars(select(Instance.sha256).where(Instance.exam_id == exam_id)).all()
    if exam is None or not may(exam):
        return None
    for sha256 in every:
        door.records.replace(RecordedRetirement(sha256, door.now))
    with door.db.write() as session:
        exam = kept_exam(session, exam_id, held=door.held)
        if exam is None or not may(exam):
            return None
        objects = _here(session, exam_id)
        results = session.scalars(select(Result).where(_of_exam(exam_id), Result.removed_at.is_(None))).all()
        reports = session.scalars(select(Report.inputs_sha256).where(Report.exam_id == exam_id)).all()
        analyses = session.scalars(select(ViewAnalysis).where(ViewAnalysis.instance_id.in_(_of(exam_id)))).all()
        studies = _studies(session, objects, results)
        for gone in objects:
            gone.removed_at = door.now
        for result in results:
            result.removed_at = door.now
        session.execute(delete(ViewAnalysis).where(ViewAnalysis.id.in_([row.id for row in analyses])))
    digests = [row.sha256 for row in objects] + [row.sha256 for row in results]
    pictures = {name for row in analyses for name in (row.mask_sha256, row.picture_sha256) if name}
    size = sum(_size(door.files, sha256) for sha256 in (*digests, *pictures))
    unlink(door.db, door.files, digests)
    for name in _record_names(every, reports, analyses):
        door.records.remove(name)
    outlines = sum(
        door.files.remove(name, named_before=door.now - door.grace_seconds) for name in _unnamed(door, pictures)
    )
    return Left(exam_id, len(digests) + outlines, size, studies, whole=True)


def unlink(db: Database, files: FileStore, digests: Iterable[str]) -> int:
    """Unlink files that no row names as being here; gives how many it was.

    Parameters
    ----------
    digests
        Of files that rows name as removed.

    Raises
    ------
    StorageError
        The index cannot be used.
    OSError
        The disk refused.
    """
    gone = 0
    for sha256 in digests:
        # The lock for each anew: whoever wants to receive is not kept waiting for a whole exam.
        with db.write() as session:
            if files.exists(sha256) and not _is_named(session, sha256):
                files.path(sha256).unlink(missing_ok=True)
                gone += 1
    return gone


def _is_named(session: Session, sha256: str) -> bool:
    """Tell whether a row says that a file is here.

    Only rows of the same SOP Instance UID can name the same bytes, as it stands in them: so no table is searched whole.
    """
    instances = session.scalars(select(Instance).where(Instance.sha256 == sha256)).all()
    if any(row.removed_at is None for row in instances):
        return True
    uids = [row.sop_instance_uid for row in instances]
    same = (Result.sha256 == sha256, Result.removed_at.is_(None))
    return bool(session.scalar(select(exists().where(Result.sop_instance_uid.in_(uids), *same)))) if uids else False


def _unnamed(door: Door, pictures: Collection[str]) -> list[str]:
    """Give the outlines and pictures that no other analysis shares."""
    if not pictures:
        return []
    of_these = or_(ViewAnalysis.mask_sha256.in_(pictures), ViewAnalysis.picture_sha256.in_(pictures))
    with door.db.read() as session:
        rows = session.execute(select(ViewAnalysis.mask_sha256, ViewAnalysis.picture_sha256).where(of_these))
        named = {name for row in rows for name in row}
    return sorted(set(pictures) - named)


def _instances(door: Door, exam_id: int, *chosen: ColumnElement[bool]) -> list[Instance]:
    with door.db.read() as session:
        return _here(session, exam_id, *chosen)


def _here(session: Session, exam_id: int, *chosen: ColumnElement[bool]) -> list[Instance]:
    here = select(Instance).where(Instance.exam_id == exam_id, Instance.removed_at.is_(None), *chosen)
    return list(session.scalars(here.order_by(Instance.id)))


def _remember(door: Door, row: Instance) -> None:
    header = base64.b64encode(door.header_of(door.files.path(row.sha256))).decode("ascii")
    door.records.replace(RecordedRemoval(row.sha256, row.size_bytes, row.received_at, door.now, header))


def _record_names(every: Iterable[str], reports: Iterable[str], analyses: Iterable[ViewAnalysis]) -> Iterable[str]:
    yield from (f"{sha256}.{REMOVED}" for sha256 in every)
    yield from (f"{inputs}.{REPORT}" for inputs in reports)
    keys = (AnalysisKey(row.instance_sha256, row.bundle_sha256, row.settings_sha256) for row in analyses)
    yield from (f"{key_digest(key)}.{ANALYSIS}" for key in keys)


def _studies(
    session: Session, objects: Iterable[Instance], results: Iterable[Result] = ()
) -> tuple[tuple[str, tuple[tuple[str, int], ...]], ...]:
    """Count what leaves by study and SOP class."""
    named = {row.study_id for row in objects}
    of_them = select(Study.id, Study.study_instance_uid).where(Study.id.in_(named))
    uids = {row.id: row.study_instance_uid for row in session.execute(of_them)}
    counted: dict[str, Counter[str]] = {}
    for row in objects:
        counted.setdefault(uids[row.study_id], Counter())[row.sop_class_uid] += 1
    for result in results:
        counted.setdefault(result.study_instance_uid, Counter())[result.sop_class_uid] += 1
    return tuple((study, tuple(sorted(classes.items()))) for study, classes in sorted(counted.items()))


def _of_exam(exam_id: int) -> ColumnElement[bool]:
    return Result.report_id.in_(select(Report.id).where(Report.exam_id == exam_id))


def _of(exam_id: int) -> Select[int]:
    return select(Instance.id).where(Instance.exam_id == exam_id)


def _size(files: FileStore, sha256: str) -> int:
    try:
        return files.path(sha256).stat().st_size
    except OSError:
        return 0
