"""Earlier mammograms that are here only because they were asked for: exams that are kept and never decided.

Such an exam has the state `prior`, its images the analysis `prior`. It becomes an exam like others when somebody sends
it: when an image of it comes though none was asked for lately.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from storage.database import Database
from storage.exams import NOT_IMAGES
from storage.retrievals import PRIORS, UNFINISHED, Errand, held
from storage.schema import Exam, Instance, Report, Retrieval, Study
from storage.work import affected

PRIOR = "prior"  # state of the exam, and analysis of its images
# A source may go on sending after its answer was given up, and after it said that it is done.
STILL_COMING_SECONDS = 3600.0
# No question is waited for longer (the most that `retrieve.wait_seconds` takes), whatever became of its row.
LONGEST_WAIT_SECONDS = 86400.0
# A mammogram that is younger belongs to the same episode; it is not fetched, as it may still be on its way to us.
YOUNGEST_DAYS = 30
DAY_SECONDS = 86400.0


@dataclass(frozen=True)
class PriorStudy:
    """An earlier study of a patient; `study_date` as YYYYMMDD."""

    study_instance_uid: str
    study_date: str


def expect_priors(db: Database, errand: Errand, studies: Iterable[PriorStudy], *, now: float) -> tuple[str, ...]:
    """Note which earlier studies are about to come, so that they open no exam.

    A study is left out whose day has an exam of the patient here already: its images would open that one again.

    Returns
    -------
    tuple[str, ...]
        Study Instance UIDs of those to fetch, in the order given; empty if the errand was lost.
    """
    with db.write() as session:
        if session.scalar(select(Retrieval.id).where(held(errand))) is None:
            return ()
        patient = select(Exam.patient_id).where(Exam.id == errand.exam_id).scalar_subquery()
        wanted = []
        for study in studies:
            known = session.scalar(select(Study).where(Study.study_instance_uid == study.study_instance_uid))
            of_the_day = select(Exam.state).where(Exam.patient_id == patient, Exam.study_date == study.study_date)
            if known is not None:
                expected = session.get_one(Exam, known.exam_id).state == PRIOR
            else:
                expected = set(session.scalars(of_the_day)) <= {PRIOR}
            if expected and known is None:
                _expect(session, errand, study, now=now)
            wanted += [study.study_instance_uid] if expected else []
    return tuple(wanted)


def _expect(session: Session, errand: Errand, study: PriorStudy, *, now: float) -> None:
    asking = session.get_one(Exam, errand.exam_id)
    exam = Exam(
        patient_id=asking.patient_id, study_date=study.study_date, state=PRIOR, opened_at=now, last_image_at=now
    )
    session.add(exam)
    session.flush()
    session.add(Study(study_instance_uid=study.study_instance_uid, exam_id=exam.id))
    session.flush()


def is_fetched(session: Session, study: Study, *, now: float) -> bool:
    """Tell whether what comes of a study comes because it was asked for as a prior.

    A study that was noted for one patient and turns out to be another's counts, too: nobody sent that either. A
    question that was never closed, or was asked by a clock that was ahead, counts only as long as a source may be
    sending: what somebody sends later has to be answered.
    """
    noted, asking = aliased(Exam), aliased(Exam)
    lately, soon = now - STILL_COMING_SECONDS, now + STILL_COMING_SECONDS
    return bool(
        session.scalar(
            select(
                exists()
                .where(noted.id == study.exam_id, noted.state == PRIOR, asking.patient_id == noted.patient_id)
                .where(Retrieval.exam_id == asking.id, Retrieval.purpose == PRIORS)
                .where(Retrieval.asked_at.between(lately - LONGEST_WAIT_SECONDS, soon))
                .where(or_(Retrieval.state.in_(UNFINISHED), Retrieval.finished_at.between(lately, soon)))
            )
        )
    )


def open_prior(session: Session, exam: Exam, *, now: float) -> None:
    """Make an exam like others of a prior, in the caller's transaction: its images are analysed, and it is decided."""
    exam.state, exam.opened_at, exam.last_image_at = "open", now, now
    session.flush()
    kept = update(Instance).where(Instance.exam_id == exam.id, Instance.analysis == PRIOR)
    affected(session, kept.values(analysis="pending"))


def prior_dates(session: Session, exam_id: int, *, until: float) -> tuple[str, ...] | None:
    """Give the days (YYYYMMDD) of the patient's earlier mammograms that are here, newest first.

    Parameters
    ----------
    until
        What came later (Unix seconds) does not count.

    Returns
    -------
    tuple[str, ...] | None
        None if no priors were asked for with this exam.
    """
    asked = select(Retrieval.id).where(Retrieval.exam_id == exam_id, Retrieval.purpose == PRIORS).limit(1)
    if session.scalar(asked) is None:
        return None
    exam = session.get_one(Exam, exam_id)
    has_image = exists().where(Instance.exam_id == Exam.id, is_image(), Instance.received_at <= until)
    days = session.scalars(
        select(Exam.study_date)
        .where(Exam.patient_id == exam.patient_id, Exam.study_date < exam.study_date, Exam.study_date != "")
        .where(has_image.correlate(Exam))
        .distinct()
        .order_by(Exam.study_date.desc())
    )
    return tuple(days)


def is_image() -> ColumnElement[bool]:
    """Give the condition under which an instance is an image."""
    return Instance.reason.not_in(NOT_IMAGES)


def recognise_priors(session: Session, *, newest: float) -> int:
    """Find the priors in an index that was made again from the files, which do not tell; gives how many there are.

    A prior is an exam for which nothing was ever done, long after it came, and that was old when it came: none of its
    views was analysed, it has no report, its last image came a day before the newest event, and `YOUNGEST_DAYS` after
    its study.

    Parameters
    ----------
    newest
        Unix seconds of the last thing that happened before the index was lost.
    """
    untouched = and_(
        ~exists().where(Report.exam_id == Exam.id).correlate(Exam),
        ~exists().where(Instance.exam_id == Exam.id, Instance.analysis == "analysed").correlate(Exam),
    )
    old = select(Exam).where(Exam.state == "open", Exam.last_image_at < newest - DAY_SECONDS, untouched)
    found = [exam for exam in session.scalars(old) if _was_old(exam)]
    for exam in found:
        exam.state = PRIOR
        kept = update(Instance).where(Instance.exam_id == exam.id, Instance.analysis == "pending")
        affected(session, kept.values(analysis=PRIOR))
    session.flush()
    return len(found)


def _was_old(exam: Exam) -> bool:
    if not exam.study_date:
        return False
    came = datetime.fromtimestamp(exam.opened_at, tz=UTC) - timedelta(days=YOUNGEST_DAYS - 1)
    return exam.study_date <= f"{came:%Y%m%d}"
