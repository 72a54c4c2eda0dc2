"""What `status`, `exams` and `trace` show: plain values of the index, without any patient's name or number."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, union
from sqlalchemy.orm import Session

from storage.outbox import count_parcels
from storage.proofs import requests_for, waiting
from storage.retrievals import STATES as RETRIEVAL_STATES
from storage.retrievals import asked_of
from storage.schema import (
    Base,
    Conflict,
    DeliveryAttempt,
    Exam,
    Instance,
    Outbox,
    Report,
    Result,
    Retrieval,
    Study,
    ViewAnalysis,
)
from storage.work import has_failed, set_aside

# Every state that work passes through, and last the one in which nearly all of it ends.
VIEW_STATES = ("pending", "leased", "failed", "not_applicable", "prior", "analysed")
EXAM_STATES = ("idle", "open", "due", "failed", "prior", "reported")


def queues(session: Session) -> dict[str, Any]:
    """Count what waits, runs, failed and is done, in a time that hardly grows with what is done."""
    instances = _every(session, Instance)
    return {
        "views": _counts(session, Instance.analysis, VIEW_STATES, every=instances),
        "exams": _counts(session, Exam.state, EXAM_STATES, every=_every(session, Exam)),
        "outbox": count_parcels(session),
        "proofs": waiting(session),
        "instances": instances,
        "conflicts": _every(session, Conflict),
        "retrievals": _counts(session, Retrieval.state, RETRIEVAL_STATES, every=_every(session, Retrieval)),
    }


def _every(session: Session, table: type[Base]) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def _counts(session: Session, column: Any, states: Sequence[str], *, every: int) -> dict[str, int]:  # noqa: ANN401 -- any mapped column
    """Count each state in the index but the last, which is the rest: very many rows are never looked at."""
    chosen = select(func.count()).select_from(column.class_)
    found = {state: session.scalar(chosen.where(column == state)) or 0 for state in states[:-1]}
    found[states[-1]] = every - sum(found.values())
    return {state: count for state, count in found.items() if count}


def last_exams(session: Session, *, limit: int = 10) -> list[dict[str, Any]]:
    """Give the exams whose last image came most recently, newest first."""
    exams = session.scalars(select(Exam).order_by(Exam.last_image_at.desc(), Exam.id.desc()).limit(limit))
    return [exam_summary(session, exam) for exam in exams]


def failed_exams(session: Session, *, limit: int = 20) -> list[dict[str, Any]]:
    """Give the exams at which a person has to look, newest first.

    Those without any answer (`failed`), and those answered without their analysis, or without that of some of their
    views (`reported`); `failure` says why. What another try cannot change (pixels at fault) is not among them, nor
    what a person has dismissed.
    """
    newest_first = (Exam.last_image_at.desc(), Exam.id.desc())
    exams = [
        exam
        for chosen in _wanting_a_person()
        for exam in session.scalars(select(Exam).where(*chosen).order_by(*newest_first).limit(limit))
    ]
    exams.sort(key=lambda exam: (exam.last_image_at, exam.id), reverse=True)
    return [
        {
            "exam": exam.id,
            "studies": _studies(session, exam.id),
            "state": exam.state,
            "failure": exam.failure or _views_set_aside(session, exam.id),
        }
        for exam in exams[:limit]
    ]


def unanswered(session: Session, *, before: float | None = None) -> tuple[int, float | None]:
    """Count the exams that wait for their views or their decision, and say when the oldest got its last image.

    Parameters
    ----------
    before
        Only those whose last image came before this moment (Unix seconds); None for all.
    """
    chosen = [Exam.state.in_(("open", "due"))] + ([] if before is None else [Exam.last_image_at < before])
    count, since = session.execute(select(func.count(), func.min(Exam.last_image_at)).where(*chosen)).one()
    return int(count), since


def count_failed(session: Session) -> int:
    """Count the exams of which `failed_exams` lists the newest."""
    return sum(
        session.scalar(select(func.count()).select_from(Exam).where(*chosen)) or 0 for chosen in _wanting_a_person()
    )


def _wanting_a_person() -> tuple[tuple[ColumnElement[bool], ...], ...]:
    """Give two questions, each of an index of its own; joined by "or" every exam would be looked at."""
    lacking = select(Instance.exam_id).where(set_aside())
    in_part = (Exam.state == "reported", Exam.failure == "", Exam.id.in_(lacking))
    return tuple((*chosen, Exam.dismissed_at.is_(None)) for chosen in ((has_failed(),), in_part))


def _views_set_aside(session: Session, exam_id: int) -> str:
    reasons = session.scalars(select(Instance.reason).where(Instance.exam_id == exam_id, set_aside())).all()
    what = ", ".join(f"{count} x {reason}" for reason, count in sorted(Counter(reasons).items()))
    return f"answered without views that were set aside: {what}"


def exam_summary(session: Session, exam: Exam) -> dict[str, Any]:
    """Give one exam in a line: studies, images, state, decision, deliveries."""
    report = _last_report(session, exam.id)
    images, eligible = session.execute(
        select(func.count(), func.coalesce(func.sum(Instance.eligible.cast(_INTEGER)), 0)).where(
            Instance.exam_id == exam.id
        )
    ).one()
    return {
        "exam": exam.id,
        "studies": _studies(session, exam.id),
        "study_date": exam.study_date,
        "state": exam.state,
        "completeness": exam.completeness,
        "instances": images,
        "eligible": int(eligible),
        "last_image_at": exam.last_image_at,
        "failure": exam.failure,
        "dismissed_at": exam.dismissed_at,
        "report": None if report is None else {"version": report.version, "made_at": report.made_at, **report.decision},
        "deliveries": _delivery_states(session, exam.id),
    }


_INTEGER = Instance.id.type


def _studies(session: Session, exam_id: int) -> list[str]:
    return list(session.scalars(select(Study.study_instance_uid).where(Study.exam_id == exam_id).order_by(Study.id)))


def _last_report(session: Session, exam_id: int) -> Report | None:
    return session.scalars(
        select(Report).where(Report.exam_id == exam_id).order_by(Report.version.desc()).limit(1)
    ).first()


def _delivery_states(session: Session, exam_id: int) -> dict[str, int]:
    rows = session.execute(
        select(Outbox.state, func.count())
        .join(Result, Result.id == Outbox.result_id)
        .join(Report, Report.id == Result.report_id)
        .where(Report.exam_id == exam_id)
        .group_by(Outbox.state)
    )
    return {str(state): int(count) for state, count in rows}


def trace(session: Session, uid: str) -> list[dict[str, Any]]:
    """Tell everything the index knows of the exams that a UID belongs to.

    Parameters
    ----------
    uid
        A study, series or SOP instance UID, of an image or of one of our results; or the number of an exam.

    Returns
    -------
    list[dict[str, Any]]
        One entry an exam; empty if the index does not know the UID.
    """
    exams = session.scalars(select(Exam).where(Exam.id.in_(_belonging(uid))).order_by(Exam.id)).all()
    return [_trace_exam(session, exam) for exam in exams]


def exam_ids(session: Session, uid: str) -> list[int]:
    """Give the numbers of the exams that a UID belongs to (see `trace`)."""
    return list(session.scalars(_belonging(uid).order_by(Exam.id)))


def _belonging(uid: str) -> Select[int]:
    """Select the numbers of the exams: each way a look into one index, which an OR of them all would not be."""
    of_results = select(Report.exam_id).join(Result, Result.report_id == Report.id)
    ways = union(
        select(Exam.id).where(Exam.id == (int(uid) if uid.isdecimal() and len(uid) < 10 else -1)),
        select(Study.exam_id).where(Study.study_instance_uid == uid),
        select(Instance.exam_id).where(Instance.sop_instance_uid == uid),
        select(Instance.exam_id).where(Instance.series_instance_uid == uid),
        of_results.where(Result.sop_instance_uid == uid),
        of_results.where(Result.series_instance_uid == uid),
    )
    return select(Exam.id).where(Exam.id.in_(ways))


def _trace_exam(session: Session, exam: Exam) -> dict[str, Any]:
    instances = session.scalars(select(Instance).where(Instance.exam_id == exam.id).order_by(Instance.id))
    reports = session.scalars(select(Report).where(Report.exam_id == exam.id).order_by(Report.version))
    return {
        **exam_summary(session, exam),
        "instances": [_trace_instance(session, instance) for instance in instances],
        "retrievals": [vars(asked) for asked in asked_of(session, exam.id)],
        "reports": [_trace_report(session, report) for report in reports],
    }


def _trace_instance(session: Session, instance: Instance) -> dict[str, Any]:
    facts = instance.facts
    analyses = session.scalars(
        select(ViewAnalysis).where(ViewAnalysis.instance_sha256 == instance.sha256).order_by(ViewAnalysis.id)
    )
    conflicts = session.scalars(select(Conflict).where(Conflict.instance_id == instance.id).order_by(Conflict.id))
    return {
        "sop_instance_uid": instance.sop_instance_uid,
        "sop_class_uid": instance.sop_class_uid,
        "transfer_syntax_uid": instance.transfer_syntax_uid,
        "sha256": instance.sha256,
        "size_bytes": instance.size_bytes,
        "received_at": instance.received_at,
        "removed_at": instance.removed_at,
        "duplicates": instance.duplicates,
        "conflicts": [{"sha256": c.sha256, "received_at": c.received_at, "from": c.calling_aet} for c in conflicts],
        "eligible": instance.eligible,
        "reason": instance.reason,
        "analysis": instance.analysis,
        "attempts": instance.attempts,
        "facts": facts,
        "analyses": [
            {
                "bundle_sha256": a.bundle_sha256,
                "analysed_at": a.analysed_at,
                "seconds": a.seconds,
                "mask_sha256": a.mask_sha256,
                **a.prediction,
            }
            for a in analyses
        ],
    }


def _trace_report(session: Session, report: Report) -> dict[str, Any]:
    results = session.scalars(select(Result).where(Result.report_id == report.id).order_by(Result.id))
    return {
        "version": report.version,
        "made_at": report.made_at,
        "bundle_sha256": report.bundle_sha256,
        "decision": report.decision,
        "views": report.views,
        "results": [_trace_result(session, result) for result in results],
    }


def _trace_result(session: Session, result: Result) -> dict[str, Any]:
    parcels = session.scalars(select(Outbox).where(Outbox.result_id == result.id).order_by(Outbox.id))
    return {
        "sop_instance_uid": result.sop_instance_uid,
        "sop_class_uid": result.sop_class_uid,
        "kind": result.kind,
        "modality": result.modality,
        "sha256": result.sha256,
        "removed_at": result.removed_at,
        "deliveries": [_trace_parcel(session, parcel) for parcel in parcels],
    }


def _trace_parcel(session: Session, parcel: Outbox) -> dict[str, Any]:
    attempts = session.scalars(
        select(DeliveryAttempt).where(DeliveryAttempt.outbox_id == parcel.id).order_by(DeliveryAttempt.id)
    )
    return {
        "destination": parcel.destination,
        "state": parcel.state,
        "next_try_at": parcel.next_try_at,
        "sent_at": parcel.sent_at,
        "proven_at": parcel.proven_at,
        "proven_by": parcel.proven_by,
        "dismissed_at": parcel.dismissed_at,
        "proof_due_at": parcel.proof_due_at,
        "proof_error": parcel.proof_error,
        "commitments": requests_for(session, parcel.id),
        "attempts": [{"tried_at": a.tried_at, "status": a.status, "error": a.error} for a in attempts],
    }
