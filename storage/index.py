"""What the index does with one received object: whose it is, which exam it belongs to, and whether it is new.

Everything for one object happens in the caller's one write transaction, so that it is in the index whole or not at all.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from storage.schema import Association, Conflict, Exam, Instance, Patient, Result, Study

Outcome = Literal["new", "duplicate", "conflict"]

# A value of `dcis_node.mammogram.facts.Reason`; storage does not import that package.
OWN_RESULT = "own_result"
LONGEST_ID = 64  # PS3.5 6.2: LO holds 64 characters


@dataclass(frozen=True)
class ReceivedInstance:
    """One object whose file is on disk already, as its header describes it.

    Parameters
    ----------
    sha256, size_bytes
        Of the whole file.
    patient_id, issuer
        Patient ID (0010,0020) and Issuer of Patient ID (0010,0021); "" where absent.
    study_date
        Study Date (0008,0020) as YYYYMMDD; "" where absent or not a date.
    facts
        `MammogramHeader.to_json()`.
    eligible, reason
        The judgement over the header.
    is_image
        True for every image, eligible or not: an exam with images gets an answer.
    may_carry_marks
        True for SEG, SR and presentation states, and for a note that rejects images: they change the answer of an exam
        that has images.
    calling_aet
        AE title of the sender.
    """

    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    sha256: str
    size_bytes: int
    patient_id: str
    issuer: str
    study_date: str
    eligible: bool
    reason: str
    is_image: bool
    may_carry_marks: bool = False
    calling_aet: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recorded:
    """What became of one received object.

    Parameters
    ----------
    outcome
        `new`; `duplicate` (the same bytes were here: no new work); `conflict` (other bytes under a known SOP Instance
        UID: the first stay in use, the others are kept aside and counted).
    exam_id
        The exam of the instance in use.
    """

    outcome: Outcome
    instance_id: int
    exam_id: int


def record_instance(
    session: Session,
    received: ReceivedInstance,
    *,
    now: float,
    merge_same_day: bool = True,
    association_id: int | None = None,
) -> Recorded:
    """Write one received object into the index.

    An exam is the images of one StudyInstanceUID and, with `merge_same_day`, other studies of the same patient (ID and
    issuer) on the same study date. An exam never mixes patients: objects of one study under two Patient IDs make two
    exams, and each gets its own answer. Objects without a Patient ID are only grouped by study.

    An image opens its exam, or opens it again; an object that may carry marks opens an exam again that has images.
    What this node has made itself (its UID is in `result`) is kept as `own_result` and opens nothing.

    Parameters
    ----------
    session
        A writing session; the caller commits.
    now
        Unix seconds.
    merge_same_day
        Whether studies of one day make one exam.
    association_id
        The row of the association it came by, or None.

    Returns
    -------
    Recorded
        What became of it.
    """
    known = session.scalar(select(Instance).where(Instance.sop_instance_uid == received.sop_instance_uid))
    if known is not None:
        return _record_again(session, known, received, now)
    own = session.scalar(select(exists().where(Result.sop_instance_uid == received.sop_instance_uid))) or False
    patient = _patient(session, received)
    study, exam = _place(session, received, patient, now=now, merge_same_day=merge_same_day)
    instance = _instance(received, own=own, study=study, exam=exam, association_id=association_id, now=now)
    session.add(instance)
    if not own:
        _open_exam(exam, received, now)
    session.flush()
    return Recorded("new", instance.id, exam.id)


def _record_again(session: Session, known: Instance, received: ReceivedInstance, now: float) -> Recorded:
    if known.sha256 == received.sha256:
        known.duplicates += 1
        # It had left by the rule of retention and is here again; it leaves again with the next run.
        known.removed_at = None
        return Recorded("duplicate", known.id, known.exam_id)
    kept = select(exists().where(Conflict.instance_id == known.id, Conflict.sha256 == received.sha256))
    if not session.scalar(kept):
        session.add(
            Conflict(
                instance_id=known.id,
                sha256=received.sha256,
                size_bytes=received.size_bytes,
                received_at=now,
                calling_aet=received.calling_aet,
            )
        )
    return Recorded("conflict", known.id, known.exam_id)


def _instance(
    received: ReceivedInstance, *, own: bool, study: Study, exam: Exam, association_id: int | None, now: float
) -> Instance:
    eligible = received.eligible and not own
    return Instance(
        sop_instance_uid=received.sop_instance_uid,
        sop_class_uid=received.sop_class_uid,
        series_instance_uid=received.series_instance_uid,
        study_id=study.id,
        exam_id=exam.id,
        association_id=association_id,
        sha256=received.sha256,
        size_bytes=received.size_bytes,
        transfer_syntax_uid=received.transfer_syntax_uid,
        received_at=now,
        facts=received.facts,
        eligible=eligible,
        reason=OWN_RESULT if own else received.reason,
        analysis="pending" if eligible else "not_applicable",
    )


def _patient(session: Session, received: ReceivedInstance) -> Patient:
    patient_id, issuer = _bounded(received.patient_id), _bounded(received.issuer)
    found = session.scalar(select(Patient).where(Patient.patient_id == patient_id, Patient.issuer == issuer))
    if found is not None:
        return found
    patient = Patient(patient_id=patient_id, issuer=issuer)
    session.add(patient)
    session.flush()
    return patient


def _bounded(text: str) -> str:
    """Fit an ID into its column so that two different ones stay different."""
    if len(text) <= LONGEST_ID:
        return text
    return f"{text[:31]}~{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _place(
    session: Session, received: ReceivedInstance, patient: Patient, *, now: float, merge_same_day: bool
) -> tuple[Study, Exam]:
    """Find study and exam, or make them."""
    study = session.scalar(select(Study).where(Study.study_instance_uid == received.study_instance_uid))
    exam = _exam_of_study(session, study, patient) if study else None
    if exam is None and merge_same_day and received.study_date and patient.patient_id:
        exam = session.scalar(
            select(Exam)
            .where(Exam.patient_id == patient.id, Exam.study_date == received.study_date)
            .order_by(Exam.id.desc())
            .limit(1)
        )
    if exam is None:
        exam = Exam(
            patient_id=patient.id, study_date=received.study_date, state="idle", opened_at=now, last_image_at=now
        )
        session.add(exam)
        session.flush()
    if study is None:
        study = Study(study_instance_uid=received.study_instance_uid, exam_id=exam.id)
        session.add(study)
        session.flush()
    return study, exam


def _exam_of_study(session: Session, study: Study, patient: Patient) -> Exam | None:
    """Find the exam that has this study's objects of this patient.

    Within one study the same ID with and without an issuer is one patient: not every sender knows the issuer.
    """
    same_issuer = or_(Patient.issuer == patient.issuer, Patient.issuer == "")
    if not patient.issuer:
        same_issuer = or_(same_issuer, Patient.issuer != "")
    has_this_study = exists().where(Instance.exam_id == Exam.id, Instance.study_id == study.id)
    return session.scalar(
        select(Exam)
        .join(Patient, Patient.id == Exam.patient_id)
        .where(Patient.patient_id == patient.patient_id, same_issuer)
        .where(or_(Exam.id == study.exam_id, has_this_study))
        .order_by(Exam.id)
        .limit(1)
    )


def _open_exam(exam: Exam, received: ReceivedInstance, now: float) -> None:
    """Open the exam if the object changes its answer.

    The state alone ends a decision that is under way: its compare-and-set asks for `due`.
    """
    if not received.is_image and (not received.may_carry_marks or exam.state == "idle"):
        return
    if exam.state not in {"open", "due"}:
        exam.opened_at = now
    exam.state = "open"
    exam.last_image_at = now
    exam.attempts = 0
    exam.failure = ""


def open_association(session: Session, *, owner: str, calling_aet: str, address: str, now: float) -> int:
    """Note that an association has begun to store.

    Parameters
    ----------
    owner
        The receiving process, so that its rows can be closed after its death.

    Returns
    -------
    int
        The row.
    """
    row = Association(owner=owner, calling_aet=calling_aet, address=address, opened_at=now)
    session.add(row)
    session.flush()
    return row.id


def close_association(session: Session, association_id: int, *, now: float) -> None:
    """Note that an association has ended; one that is closed already stays as it is."""
    row = session.get(Association, association_id)
    if row is not None and row.closed_at is None:
        row.closed_at = now


def close_associations_of(session: Session, owner: str, *, now: float) -> int:
    """Close what a process left open: at its start, for a predecessor that was killed, and at its end.

    Returns
    -------
    int
        How many were open.
    """
    rows = session.scalars(select(Association).where(Association.owner == owner, Association.closed_at.is_(None))).all()
    for row in rows:
        row.closed_at = now
    return len(rows)
