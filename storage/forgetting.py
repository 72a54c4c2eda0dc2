"""The rows of an exam leave the index: all of them in one transaction, when no file of it is here any more."""

from sqlalchemy import ColumnElement, delete, exists, select, update
from sqlalchemy.orm import Session

from storage.leaving import Door, Left, StillMay
from storage.removals import REMOVED, RecordedRetirement
from storage.retention_facts import kept_exam
from storage.schema import (
    Association,
    Commitment,
    CommitmentItem,
    Conflict,
    DeliveryAttempt,
    Exam,
    Instance,
    Outbox,
    Patient,
    Report,
    Result,
    Retrieval,
    Study,
    ViewAnalysis,
)

# Tables with rows of one exam, each after those that point at it; a test holds this to the schema.
OF_AN_EXAM = (
    CommitmentItem, DeliveryAttempt, Outbox, Result, Report, Conflict, ViewAnalysis, Instance, Retrieval, Study, Exam,
)  # fmt: skip


def forget_exam(door: Door, exam_id: int, may: StillMay) -> Left | None:
    """Remove an exam's rows, and its patient's if this was the last exam; None if they may not leave any more.

    Requests for commitment that nothing is left of, and associations that brought nothing else, leave with it; and the
    headers that were kept of images of which nothing else was left (of a prior, say): they tell of a patient, and an
    index that is made again would have rows of them again.

    Raises
    ------
    StorageError
        The index cannot be used; no row was removed.
    OSError
        The disk refused. A sweep ends what was begun.
    """
    with door.db.read() as session:
        exam = kept_exam(session, exam_id)
        every = session.scalars(select(Instance.sha256).where(Instance.exam_id == exam_id)).all()
    if exam is None or not may(exam):
        return None
    remembered = [sha256 for sha256 in every if door.records.removal(sha256) is not None]
    for sha256 in remembered:
        door.records.replace(RecordedRetirement(sha256, door.now))
    left = _forget_rows(door, exam_id, may)
    for sha256 in remembered if left is not None else ():
        door.records.remove(f"{sha256}.{REMOVED}")
    return left


def _forget_rows(door: Door, exam_id: int, may: StillMay) -> Left | None:
    with door.db.write() as session:
        exam = kept_exam(session, exam_id)
        if exam is None or not may(exam):
            return None
        patient = session.get_one(Exam, exam_id).patient_id
        studies = session.scalars(select(Study.study_instance_uid).where(Study.exam_id == exam_id)).all()
        associations = set(session.scalars(select(Instance.association_id).where(Instance.exam_id == exam_id))) - {None}
        requests = set(session.scalars(select(CommitmentItem.commitment_id).where(_items(exam_id))))
        _keep_shared_studies(session, exam_id)
        for table, chosen in _rows(exam_id):
            session.execute(delete(table).where(chosen).execution_options(synchronize_session=False))
        _remove_unused(session, requests, associations, patient)
    return Left(exam_id, 0, 0, tuple((study, ()) for study in studies), whole=True)


def _rows(exam_id: int) -> tuple[tuple[type, ColumnElement[bool]], ...]:
    """Give for each table the rows of an exam, in the order in which they can be removed."""
    reports = select(Report.id).where(Report.exam_id == exam_id)
    results = select(Result.id).where(Result.report_id.in_(reports))
    parcels = select(Outbox.id).where(Outbox.result_id.in_(results))
    instances = select(Instance.id).where(Instance.exam_id == exam_id)
    chosen = (
        CommitmentItem.outbox_id.in_(parcels), DeliveryAttempt.outbox_id.in_(parcels), Outbox.result_id.in_(results),
        Result.report_id.in_(reports), Report.exam_id == exam_id, Conflict.instance_id.in_(instances),
        ViewAnalysis.instance_id.in_(instances), Instance.exam_id == exam_id, Retrieval.exam_id == exam_id,
        Study.exam_id == exam_id, Exam.id == exam_id,
    )  # fmt: skip
    return tuple(zip(OF_AN_EXAM, chosen, strict=True))


def _items(exam_id: int) -> ColumnElement[bool]:
    return dict(_rows(exam_id))[CommitmentItem]


def _keep_shared_studies(session: Session, exam_id: int) -> None:
    """Let a study whose objects belong to two exams (two Patient IDs) be the other's from now on."""
    other = (
        select(Instance.exam_id)
        .where(Instance.study_id == Study.id, Instance.exam_id != exam_id)
        .order_by(Instance.exam_id)
        .limit(1)
        .scalar_subquery()
    )
    shared = exists().where(Instance.study_id == Study.id, Instance.exam_id != exam_id)
    statement = update(Study).where(Study.exam_id == exam_id, shared).values(exam_id=other)
    session.execute(statement.execution_options(synchronize_session=False))


def _remove_unused(session: Session, requests: set[int], associations: set[int | None], patient: int) -> None:
    """Remove what only this exam had pointed at."""
    unused = {
        Commitment: (Commitment.id.in_(requests), ~exists().where(CommitmentItem.commitment_id == Commitment.id)),
        Association: (
            Association.id.in_(associations),
            Association.closed_at.is_not(None),
            ~exists().where(Instance.association_id == Association.id),
        ),
        Patient: (Patient.id == patient, ~exists().where(Exam.patient_id == Patient.id)),
    }
    for table, chosen in unused.items():
        session.execute(delete(table).where(*chosen).execution_options(synchronize_session=False))
