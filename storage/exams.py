"""What an exam holds, and the sweep that makes complete exams due."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from storage.database import Database
from storage.schema import Association, Exam, Instance, Study
from storage.work import changed

# Values of `dcis_node.mammogram.facts.Reason`: objects that are not images make no exam and no report.
NOT_IMAGES = ("not_an_image", "own_result")


@dataclass(frozen=True)
class ExamInstance:
    """One received object of an exam.

    Parameters
    ----------
    facts
        `MammogramHeader.to_json()`.
    reason
        A value of `Reason`.
    analysis
        `not_applicable`, `pending`, `leased`, `analysed` or `failed`.
    removed_at
        When its file left by the rule of retention; None while it is here.
    """

    id: int
    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    sha256: str
    received_at: float
    facts: dict[str, Any]
    eligible: bool
    reason: str
    analysis: str
    removed_at: float | None = None

    @property
    def is_image(self) -> bool:
        """True unless it is a report, a mark, a key object selection or one of our own results."""
        return self.reason not in NOT_IMAGES


@dataclass(frozen=True)
class OpenExam:
    """An open exam as the completeness rule needs it; times are Unix seconds.

    Parameters
    ----------
    images
        Its images, at least one.
    open_associations
        How many associations that sent for it are open.
    last_closed_at
        When the last of the others closed; None if there is none.
    """

    id: int
    opened_at: float
    last_image_at: float
    images: tuple[ExamInstance, ...]
    open_associations: int
    last_closed_at: float | None


# Gives the name of the rule by which an exam is complete, or None if it has to wait.
Judge = Callable[[OpenExam], str | None]


def sweep_exams(db: Database, judge: Judge) -> int:
    """Make `due` every open exam that is complete.

    An exam is changed only if it is as it was when judged; one that got an image meanwhile is looked at again in the
    next sweep. An exam without any image is never judged: there is nothing to report on.

    Parameters
    ----------
    judge
        A rule over one exam; it knows the time itself.

    Returns
    -------
    int
        How many exams became due.
    """
    with db.read() as session:
        exams = _open_exams(session)
    complete = [(exam, name) for exam in exams if (name := judge(exam)) is not None]
    return sum(_set_due(db, exam, name) for exam, name in complete)


def _set_due(db: Database, exam: OpenExam, name: str) -> bool:
    # The lease of a decision that was under way when an image came ends here: it must not be saved.
    fresh = {"state": "due", "completeness": name, "lease_owner": "", "lease_until": 0.0, "attempts": 0, "failure": ""}
    with db.write() as session:
        return changed(
            session,
            update(Exam)
            .where(Exam.id == exam.id, Exam.state == "open", Exam.last_image_at == exam.last_image_at)
            .values(**fresh),
        )


def exam_senders(session: Session, exam_id: int) -> frozenset[str]:
    """Give the AE titles that called us to send images of an exam; empty if nobody knows them any more.

    A sender is the calling AE title of the association that brought an image first. An index that was made again from
    the files has no associations.
    """
    rows = session.scalars(
        select(Association.calling_aet)
        .join(Instance, Instance.association_id == Association.id)
        .where(Instance.exam_id == exam_id, Instance.reason.not_in(NOT_IMAGES))
        .distinct()
    )
    return frozenset(rows)


def exam_instances(session: Session, exam_id: int) -> tuple[ExamInstance, ...]:
    """List everything received for an exam, in the order of arrival."""
    rows = session.execute(
        select(Instance, Study.study_instance_uid)
        .join(Study, Study.id == Instance.study_id)
        .where(Instance.exam_id == exam_id)
        .order_by(Instance.received_at, Instance.id)
    )
    return tuple(_instance(row, study_uid) for row, study_uid in rows)


def _open_exams(session: Session) -> tuple[OpenExam, ...]:
    exams = session.scalars(select(Exam).where(Exam.state == "open").order_by(Exam.id)).all()
    found = (_open_exam(session, exam) for exam in exams)
    return tuple(exam for exam in found if exam.images)


def _open_exam(session: Session, exam: Exam) -> OpenExam:
    images = tuple(instance for instance in exam_instances(session, exam.id) if instance.is_image)
    senders = select(Instance.association_id).where(Instance.exam_id == exam.id)
    still_open, last_closed_at = session.execute(
        select(func.count(Association.id) - func.count(Association.closed_at), func.max(Association.closed_at)).where(
            Association.id.in_(senders)
        )
    ).one()
    return OpenExam(exam.id, exam.opened_at, exam.last_image_at, images, still_open, last_closed_at)


def _instance(row: Instance, study_instance_uid: str) -> ExamInstance:
    return ExamInstance(
        id=row.id,
        sop_instance_uid=row.sop_instance_uid,
        sop_class_uid=row.sop_class_uid,
        series_instance_uid=row.series_instance_uid,
        study_instance_uid=study_instance_uid,
        sha256=row.sha256,
        received_at=row.received_at,
        facts=row.facts,
        eligible=row.eligible,
        reason=row.reason,
        analysis=row.analysis,
        removed_at=row.removed_at,
    )
