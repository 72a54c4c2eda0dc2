"""The exams of the index as the rule of retention sees them, read in short pages so that nobody waits."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from storage.database import Database
from storage.exams import NOT_IMAGES
from storage.retention_rule import KeptExam, Parcel
from storage.schema import Exam, Instance, Outbox, Report, Result, Retrieval, ViewAnalysis

PAGE = 200  # exams that are read at once: some 10 ms in which nobody can commit
AT_WORK = frozenset({"pending", "leased"})

NOTHING_HELD: frozenset[str] = frozenset()


def kept_exams(db: Database, *, held: Collection[str] = NOTHING_HELD) -> Iterator[KeptExam]:
    """Go through all exams.

    Parameters
    ----------
    held
        Digests of images that stay.

    Raises
    ------
    StorageError
        The index cannot be read.
    """
    last = 0
    while True:
        with db.read() as session:
            page = session.scalars(select(Exam).where(Exam.id > last).order_by(Exam.id).limit(PAGE)).all()
            found = _facts(session, page, held)
        yield from found
        if not page:
            return
        last = page[-1].id


def kept_exam(session: Session, exam_id: int, *, held: Collection[str] = NOTHING_HELD) -> KeptExam | None:
    """Read one exam; None if the index has forgotten it."""
    row = session.get(Exam, exam_id)
    return None if row is None else _facts(session, [row], held)[0]


def is_image() -> Any:  # noqa: ANN401 -- a condition
    """Give the condition that an instance is an image, not a report, a mark or one of our own results."""
    return Instance.reason.not_in(NOT_IMAGES)


def _facts(session: Session, exams: Sequence[Exam], held: Collection[str]) -> list[KeptExam]:
    ids = [exam.id for exam in exams]
    instances = _grouped(session, select(
        Instance.exam_id, Instance.sha256, Instance.size_bytes, Instance.received_at, Instance.removed_at,
        Instance.analysis, is_image().label("is_image"),
    ).where(Instance.exam_id.in_(ids)))  # fmt: skip
    of_reports = select(Report.exam_id, func.max(Report.made_at).label("made_at")).where(Report.exam_id.in_(ids))
    reports = {row.exam_id: row.made_at for row in session.execute(of_reports.group_by(Report.exam_id))}
    parcels = _grouped(session, select(
        Report.exam_id, Outbox.destination, Outbox.state, Outbox.proven_at, Outbox.sent_at, Outbox.dismissed_at
    ).join(Result, Result.id == Outbox.result_id).join(Report).where(Report.exam_id.in_(ids)))  # fmt: skip
    of_results = select(Report.exam_id, func.count()).join(Result, Result.report_id == Report.id)
    of_analyses = select(Instance.exam_id, func.count()).join(ViewAnalysis, ViewAnalysis.instance_id == Instance.id)
    results = _counted(session, of_results.where(Result.removed_at.is_(None)), Report.exam_id, ids)
    analyses = _counted(session, of_analyses, Instance.exam_id, ids)
    under_way = select(Retrieval.exam_id, func.count()).where(Retrieval.state.in_(("due", "leased")))
    retrieved = _counted(session, under_way, Retrieval.exam_id, ids)
    return [
        _exam(
            exam,
            instances[exam.id],
            tuple(_parcel(row) for row in parcels[exam.id]),
            held,
            reported_at=reports.get(exam.id),
            others=results[exam.id] + analyses[exam.id],
            is_retrieved=retrieved[exam.id] > 0,
        )
        for exam in exams
    ]


def _exam(
    exam: Exam,
    instances: Sequence[Row[Any]],
    parcels: tuple[Parcel, ...],
    held: Collection[str],
    *,
    reported_at: float | None,
    others: int,
    is_retrieved: bool,
) -> KeptExam:
    here = [row for row in instances if row.removed_at is None]
    images = [row for row in here if row.is_image]
    free = [row for row in images if row.sha256 not in held]
    return KeptExam(
        id=exam.id,
        state=exam.state,
        last_at=max([exam.last_image_at, *(row.received_at for row in instances)]),
        reported_at=reported_at,
        at_work=bool(exam.lease_owner) or is_retrieved or any(row.analysis in AT_WORK for row in instances),
        failed=exam.state == "reported" and exam.failure != "",
        dismissed_at=exam.dismissed_at,
        parcels=parcels,
        images=len(free),
        image_bytes=sum(row.size_bytes for row in free),
        held=len(images) - len(free),
        others=others + len(here) - len(images),
    )


def _parcel(row: Row[Any]) -> Parcel:
    settled_at = row.dismissed_at if row.state == "dismissed" else row.proven_at or row.sent_at
    return Parcel(row.destination, row.state, settled_at or 0.0)


def _grouped(session: Session, statement: Any) -> defaultdict[int, list[Row[Any]]]:  # noqa: ANN401 -- a select
    found: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in session.execute(statement):
        found[row.exam_id].append(row)
    return found


def _counted(session: Session, statement: Any, column: Any, ids: Collection[int]) -> defaultdict[int, int]:  # noqa: ANN401
    rows = session.execute(statement.where(column.in_(ids)).group_by(column))
    return defaultdict(int, {row[0]: row[1] for row in rows})
