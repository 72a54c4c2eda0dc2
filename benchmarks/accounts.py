"""The accounts at the end: what senders were told, what the index says, and what the PACS was sent, held together."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pydicom import Dataset
from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from benchmarks.durability import data_set_begins
from benchmarks.recording_pacs import Cut, RecordingPacs
from dcis_node.errors import StorageError
from dcis_node.results.kinds import ResultKind
from storage.database import Database
from storage.files import FileStore
from storage.schema import Exam, Instance, Outbox, Patient, Report, Result, Study

# A parcel that the peer has: sent, or proven to be there.
DELIVERED = ("sent", "proven")


@dataclass(frozen=True)
class Answered:
    """One exam and its answers, oldest first: for each the UIDs of its results, and that of its readable report."""

    exam_id: int
    state: str
    study: str
    versions: tuple[int, ...]
    results: tuple[frozenset[str], ...]
    readable: tuple[str, ...]


def of_images(
    session: Session, files: FileStore, acknowledged: dict[str, str], *, keep_seconds: float = 0.0
) -> dict[str, int]:
    """Hold what senders were told against index and files; what retention has removed is not read.

    Parameters
    ----------
    keep_seconds
        How long at least an image is kept.
    """
    rows = session.execute(select(Instance.sop_instance_uid, Instance.sha256, Instance.removed_at))
    known = {row.sop_instance_uid: row for row in rows}
    here = {uid: known[uid].sha256 for uid in acknowledged if uid in known and known[uid].removed_at is None}
    digests = {uid: _data_set_sha256(files, sha256) for uid, sha256 in here.items()}
    return {
        "acknowledged": len(acknowledged),
        "in_index": len(known),
        "lost": len(acknowledged.keys() - known.keys()) + sum(digest == "" for digest in digests.values()),
        "altered": sum(digest not in ("", acknowledged[uid]) for uid, digest in digests.items()),
        "removed_by_retention": sum(row.removed_at is not None for row in known.values()),
        "removed_too_early": len(_removed_too_early(session, keep_seconds)),
    }


def of_results(session: Session, files: FileStore, pacs: RecordingPacs) -> dict[str, int]:
    """Hold the outbox against what the PACS keeps, and against every request that it got."""
    rows = session.execute(
        select(Outbox.state, Result.sop_instance_uid, Result.sha256, Result.removed_at).join(
            Result, Result.id == Outbox.result_id
        )
    ).all()
    due = {row.sop_instance_uid: row for row in rows}
    here = {uid: _data_set_sha256(files, row.sha256) for uid, row in due.items() if row.removed_at is None}
    by_uid: dict[str, list[str]] = {}
    for request in pacs.requests:
        by_uid.setdefault(request.sop_instance_uid, []).append(request.sha256)
    return {
        "results": len(due),
        "at_the_pacs": len(pacs.kept),
        "lost": len(due.keys() - pacs.kept.keys()),
        "not_delivered_in_index": sum(row.state not in DELIVERED for row in rows),
        "proven_in_index": sum(row.state == "proven" for row in rows),
        "unknown_to_the_index": len(pacs.kept.keys() - due.keys()),
        "altered": sum(here[uid] != pacs.kept[uid].sha256 for uid in here if uid in pacs.kept),
        "uids_with_differing_bytes": sum(len(set(digests)) > 1 for digests in by_uid.values()),
        "uids_sent_more_than_once": sum(len(digests) > 1 for digests in by_uid.values()),
        "requests": len(pacs.requests),
        **{f"requests_{cut.name.lower()}": sum(one.cut is cut for one in pacs.requests) for cut in Cut},
    }


def of_exams(session: Session, pacs: RecordingPacs, exams: Iterable[int]) -> dict[str, object]:
    """Hold the answers against what the PACS keeps: each exam has one report that no other replaces, the newest.

    Parameters
    ----------
    exams
        Numbers of the exams whose images were sent (see `benchmarks.hospital`).
    """
    answered = {f"P{patient.removeprefix('P')}": one for patient, one in _answered(session)}
    wanted = [f"P{number}" for number in exams]
    found = [answered[name] for name in wanted if name in answered]
    failed_views = select(func.count()).where(Instance.analysis == "failed")
    set_aside = select(func.count()).select_from(Exam).where(Exam.failure != "", Exam.state == "reported")
    return {
        "sent": len(wanted),
        "not_in_index": len(wanted) - len(found),
        "states": dict(Counter(one.state for one in found)),
        "without_answer": sum(not one.versions for one in found),
        "answers": sum(len(one.versions) for one in found),
        "not_exactly_one_current": sum(not is_one_current(one, pacs) for one in found if one.versions),
        "views_set_aside": session.scalar(failed_views) or 0,
        "answered_without_analysis": session.scalar(set_aside) or 0,
    }


def index_faults(session: Session) -> int:
    """Let SQLite look for faults of its file; a server looks after its own."""
    if session.get_bind().dialect.name != "sqlite":
        return 0
    found = session.execute(text("PRAGMA quick_check")).scalars().all()
    return 0 if found == ["ok"] else len(found)


def waiting(db: Database) -> dict[str, int]:
    """Count what still waits: views, exams that are open or due, parcels, parcels that nobody tries any more."""
    with db.read() as session:

        def count(column: object, *states: str) -> int:
            return session.scalar(select(func.count()).where(column.in_(states))) or 0  # type: ignore[attr-defined]

        return {
            "views": count(Instance.analysis, "pending", "leased"),
            "exams": count(Exam.state, "open", "due"),
            "outbox": count(Outbox.state, "due", "leased"),
            "dead": count(Outbox.state, "dead"),
            "unproven": session.scalar(select(func.count()).where(Outbox.proof_due_at.is_not(None))) or 0,
        }


def predecessors(report: Dataset) -> set[str]:
    """Give the documents that a report says it follows (Predecessor Documents Sequence, PS3.3 C.17.2)."""
    return {
        str(item.ReferencedSOPInstanceUID)
        for study in report.get("PredecessorDocumentsSequence", ())
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }


def _removed_too_early(session: Session, keep_seconds: float) -> list[int]:
    """Give the images that were removed before their time, or before every result of their exam had arrived."""
    unarrived = (
        select(Outbox.id)
        .join(Result, Result.id == Outbox.result_id)
        .join(Report, Report.id == Result.report_id)
        .where(Report.exam_id == Instance.exam_id)
        .where(or_(Outbox.sent_at.is_(None), Outbox.sent_at > Instance.removed_at))
    )
    young = Instance.removed_at < Instance.received_at + keep_seconds
    return list(
        session.scalars(select(Instance.id).where(Instance.removed_at.is_not(None), or_(young, unarrived.exists())))
    )


def is_one_current(one: Answered, pacs: RecordingPacs) -> bool:
    """Tell whether versions count up from 1, each names what it follows, no other, and none follows the newest.

    Read from the data sets that the PACS keeps, not from the index.
    """
    if one.state != "reported" or one.versions != tuple(range(1, len(one.versions) + 1)):
        return False
    kept = [pacs.kept.get(uid) for uid in one.readable]
    if any(report is None or report.report is None for report in kept):
        return False
    follows = [predecessors(report.report) for report in kept]
    right = all(bool(names) and names <= before for names, before in zip(follows[1:], one.results, strict=False))
    followed = set().union(*follows)
    current = [uid for uid in one.readable if uid not in followed]
    return right and not follows[0] and current == [one.readable[-1]]


def _answered(session: Session) -> list[tuple[str, Answered]]:
    found = []
    rows = session.execute(
        select(Exam.id, Exam.state, Patient.patient_id, func.min(Study.study_instance_uid))
        .join(Patient, Patient.id == Exam.patient_id)
        .join(Study, Study.exam_id == Exam.id)
        .group_by(Exam.id, Exam.state, Patient.patient_id)
    ).all()
    made: dict[int, dict[int, list[tuple[str, str]]]] = {}
    for exam, version, kind, uid in session.execute(
        select(Report.exam_id, Report.version, Result.kind, Result.sop_instance_uid)
        .join(Result, Result.report_id == Report.id)
        .order_by(Report.exam_id, Report.version)
    ):
        made.setdefault(exam, {}).setdefault(version, []).append((kind, uid))
    for exam_id, state, patient, study in rows:
        versions = made.get(exam_id, {})
        readable = [uid for one in versions.values() for kind, uid in one if kind == ResultKind.READABLE_REPORT.value]
        results = tuple(frozenset(uid for _, uid in one) for one in versions.values())
        found.append((patient, Answered(exam_id, state, study, tuple(versions), results, tuple(readable))))
    return found


def _data_set_sha256(files: FileStore, sha256: str) -> str:
    """Digest the data set of a file, whose own digest is checked; "" if it is damaged or gone."""
    try:
        data = files.read(sha256)
    except StorageError:
        return ""
    return hashlib.sha256(data[data_set_begins(data) :]).hexdigest()
