"""The last report of an exam with all that it was made from, so that it can be looked at or made again."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.reports import EarlierReport, report_values
from storage.schema import Exam, Report


@dataclass(frozen=True)
class KeptReport:
    """The last report of an exam.

    Parameters
    ----------
    inputs_sha256
        Digest of what it was made from.
    made_at
        Unix seconds.
    completeness
        Name of the rule that ended the waiting for images.
    before
        The report of the version before; None for the first.
    """

    report: EarlierReport
    inputs_sha256: str
    made_at: float
    completeness: str
    before: EarlierReport | None


def kept_report(session: Session, exam_id: int) -> KeptReport | None:
    """Give the newest report of an exam; None if there is none yet."""
    newest = select(Report).where(Report.exam_id == exam_id).order_by(Report.version.desc())
    rows = session.scalars(newest.limit(2)).all()
    if not rows:
        return None
    exam = session.get_one(Exam, exam_id)
    return KeptReport(
        report=report_values(session, rows[0]),
        inputs_sha256=rows[0].inputs_sha256,
        made_at=rows[0].made_at,
        completeness=exam.completeness,
        before=report_values(session, rows[1]) if len(rows) > 1 else None,
    )
