"""Records of what an older program has left in the index without one."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.findings import AnalysisKey, StoredAnalysis
from storage.records import RecordedAnalysis, RecordedImage, RecordedReport
from storage.reports import report_values
from storage.schema import Exam, Instance, Outbox, Report, Result, ViewAnalysis


def analysis_record(session: Session, row_id: int) -> RecordedAnalysis:
    """Give the record of an analysis."""
    row = session.get_one(ViewAnalysis, row_id)
    return RecordedAnalysis(
        AnalysisKey(row.instance_sha256, row.bundle_sha256, row.settings_sha256),
        StoredAnalysis(row.prediction, row.mask_sha256, row.picture_sha256, row.seconds),
        row.analysed_at,
    )


def report_record(session: Session, row_id: int) -> RecordedReport:
    """Give the record of a report; why an earlier version of an answer was made when it was is no longer known."""
    row = session.get_one(Report, row_id)
    exam = session.get_one(Exam, row.exam_id)
    values = report_values(session, row)
    newest = session.scalar(select(Report.version).where(Report.exam_id == exam.id).order_by(Report.version.desc()))
    is_answer = row.version == newest
    return RecordedReport(
        inputs_sha256=row.inputs_sha256,
        bundle_sha256=row.bundle_sha256,
        version=row.version,
        made_at=row.made_at,
        exam=_first(session, exam.id),
        images=_images(session, [str(view["sop_instance_uid"]) for view in row.views]),
        decision=row.decision,
        views=row.views,
        results=values.results,
        deliveries=_deliveries(session, row.id),
        completeness=exam.completeness if is_answer else "",
        failure=exam.failure if is_answer and exam.state == "reported" else "",
    )


def _first(session: Session, exam_id: int) -> str:
    first = select(Instance.sha256).where(Instance.exam_id == exam_id).order_by(Instance.received_at, Instance.id)
    return session.scalars(first.limit(1)).one()


def _images(session: Session, uids: Sequence[str]) -> tuple[RecordedImage, ...]:
    rows = session.scalars(select(Instance).where(Instance.sop_instance_uid.in_(uids)).order_by(Instance.id))
    return tuple(RecordedImage(row.sha256, row.reason, row.analysis) for row in rows)


def _deliveries(session: Session, report_id: int) -> dict[str, tuple[str, ...]]:
    rows = session.execute(
        select(Outbox.destination, Result.kind).join(Result).where(Result.report_id == report_id).distinct()
    )
    kinds: dict[str, set[str]] = {}
    for destination, kind in rows:
        kinds.setdefault(destination, set()).add(kind)
    return {destination: tuple(sorted(found)) for destination, found in sorted(kinds.items())}
