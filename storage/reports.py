"""The answer to an exam: report, result objects and their deliveries in one transaction with the exam's state."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from storage.database import Database
from storage.outbox import enqueue
from storage.schema import Exam, Report, Result
from storage.work import ExamClaim, changed, held_exam


class Saved(StrEnum):
    """What became of a report."""

    NEW = "new"
    SAME_INPUTS = "same_inputs"
    LEASE_LOST = "lease_lost"


@dataclass(frozen=True)
class NewResult:
    """One result object whose bytes lie in the files under `sha256`; `kind` as in `storage.schema.Result`."""

    kind: str
    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    modality: str
    sha256: str


@dataclass(frozen=True)
class NewReport:
    """One version of an exam's answer, as plain values (see `storage.schema.Report`).

    Parameters
    ----------
    deliveries
        For each destination the kinds of results that go there.
    """

    version: int
    inputs_sha256: str
    bundle_sha256: str
    decision: dict[str, Any]
    views: list[dict[str, Any]]
    made_at: float
    results: tuple[NewResult, ...]
    deliveries: Mapping[str, Collection[str]]


@dataclass(frozen=True)
class EarlierReport:
    """The last report of an exam: what a new version follows."""

    version: int
    bundle_sha256: str
    decision: dict[str, Any]
    views: list[dict[str, Any]]
    results: tuple[NewResult, ...]


def last_report(session: Session, exam_id: int) -> EarlierReport | None:
    """Give the newest report of an exam; None if there is none yet."""
    row = session.scalars(
        select(Report).where(Report.exam_id == exam_id).order_by(Report.version.desc()).limit(1)
    ).first()
    return None if row is None else report_values(session, row)


def report_values(session: Session, row: Report) -> EarlierReport:
    """Give a report with its results as plain values."""
    results = session.scalars(select(Result).where(Result.report_id == row.id).order_by(Result.id))
    return EarlierReport(
        version=row.version,
        bundle_sha256=row.bundle_sha256,
        decision=row.decision,
        views=row.views,
        results=tuple(_values(result) for result in results),
    )


def save_report(db: Database, claim: ExamClaim, report: NewReport, *, failure: str = "") -> Saved:
    """Store a report with its results and put them into the outbox; the exam is `reported` then.

    All of it happens or nothing does. Nothing is written if the lease was lost, as it is when an image came meanwhile.
    If the exam already has a report of the same inputs, it only becomes `reported` again.

    Parameters
    ----------
    failure
        Why this report is one without the analysis that the exam should have had; kept with the exam.
    """
    with db.write() as session:
        if not _set_reported(session, claim, failure):
            return Saved.LEASE_LOST
        if is_reported(session, claim.id, report.inputs_sha256):
            return Saved.SAME_INPUTS
        row = _report_row(claim.id, report)
        session.add(row)
        session.flush()
        rows = [Result(report_id=row.id, **vars(result)) for result in report.results]
        session.add_all(rows)
        session.flush()
        for destination, kinds in report.deliveries.items():
            enqueue(session, [row.id for row in rows if row.kind in kinds], (destination,), now=report.made_at)
    return Saved.NEW


def keep_report(db: Database, claim: ExamClaim, *, failure: str = "") -> Saved:
    """Set an exam `reported` again whose inputs have a report already: SAME_INPUTS, or LEASE_LOST."""
    with db.write() as session:
        return Saved.SAME_INPUTS if _set_reported(session, claim, failure) else Saved.LEASE_LOST


def is_reported(session: Session, exam_id: int, inputs_sha256: str) -> bool:
    """Tell whether an exam has a report of these inputs."""
    found = select(Report.id).where(Report.exam_id == exam_id, Report.inputs_sha256 == inputs_sha256)
    return session.scalar(found) is not None


def _set_reported(session: Session, claim: ExamClaim, failure: str) -> bool:
    done = {"state": "reported", "lease_owner": "", "lease_until": 0.0, "attempts": 0, "failure": failure}
    return changed(session, update(Exam).where(held_exam(claim)).values(**done))


def _report_row(exam_id: int, report: NewReport) -> Report:
    return Report(
        exam_id=exam_id,
        version=report.version,
        inputs_sha256=report.inputs_sha256,
        bundle_sha256=report.bundle_sha256,
        decision=report.decision,
        views=report.views,
        made_at=report.made_at,
    )


def _values(row: Result) -> NewResult:
    return NewResult(
        kind=row.kind,
        sop_instance_uid=row.sop_instance_uid,
        sop_class_uid=row.sop_class_uid,
        study_instance_uid=row.study_instance_uid,
        series_instance_uid=row.series_instance_uid,
        transfer_syntax_uid=row.transfer_syntax_uid,
        modality=row.modality,
        sha256=row.sha256,
    )


def last_judged_by(session: Session) -> str:
    """Give the SHA-256 of the bundle of the newest report; "" if there is none."""
    return session.scalar(select(Report.bundle_sha256).order_by(Report.id.desc()).limit(1)) or ""
