"""Images that are asked for elsewhere: what is asked for which exam, handed out by compare-and-set under a lease.

A row is made once for an exam and a source, whatever becomes of it, so nobody is asked twice for one exam. It ends as
`done` or `failed`; the images themselves come by C-STORE and are recorded like all others.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from storage.database import Database
from storage.schema import Exam, Instance, Patient, Result, Retrieval, Study
from storage.work import affected, changed

VIEWS, PRIORS = "views", "priors"
STATES = ("due", "leased", "failed", "done")  # last the one in which nearly all rows end
UNFINISHED = ("due", "leased")
DIED = "the process that asked died each time"
OUT_OF_TIME = "no answer within the time that an exam waits"
LONGEST_TEXT = 500  # characters of a failure that are kept
AHEAD_SECONDS = 60.0  # what was asked for later than this from now was asked by a clock that was ahead


@dataclass(frozen=True)
class Errand:
    """The right to ask one source for one exam's images until `lease_until` (Unix seconds).

    Parameters
    ----------
    purpose
        `VIEWS` or `PRIORS`.
    missing
        The standard views that were missing when it was asked for, such as `R CC, L MLO`.
    attempts
        Counts this one too.
    found, moved
        How many images earlier attempts have found, and how many of them came.
    """

    id: int
    exam_id: int
    source: str
    purpose: str
    missing: str
    asked_at: float
    attempts: int
    found: int
    moved: int
    lease_owner: str
    lease_until: float


@dataclass(frozen=True)
class Asked:
    """What became of one question, as plain values (see `storage.schema.Retrieval`); times are Unix seconds."""

    source: str
    purpose: str
    missing: str
    state: str
    asked_at: float
    finished_at: float | None
    attempts: int
    found: int
    moved: int
    failed: int
    text: str

    @property
    def is_unfinished(self) -> bool:
        """True while it waits for its turn, or is under way."""
        return self.state in UNFINISHED


@dataclass(frozen=True)
class ExamSought:
    """By what an exam's other images are found. Identifies a patient: for queries only, never for logs."""

    studies: tuple[str, ...]
    patient_id: str
    issuer: str
    study_date: str


def ask(
    db: Database,
    exam_id: int,
    sources: Iterable[str],
    *,
    missing: str,
    last_image_at: float,
    now: float,
    purpose: str = VIEWS,
) -> bool:
    """Note that an open exam's missing views (or priors) are to be asked for, from each source that was not asked yet.

    Returns
    -------
    bool
        False if the exam is no longer as it was seen (another image came, or it is not open), or all were asked before.
    """
    as_seen = select(Exam.id).where(Exam.id == exam_id, Exam.state == "open", Exam.last_image_at == last_image_at)
    known = select(Retrieval.source).where(Retrieval.exam_id == exam_id, Retrieval.purpose == purpose)
    with db.write() as session:
        if session.scalar(as_seen) is None:
            return False
        asked = set(session.scalars(known))
        new = [source for source in sources if source not in asked]
        session.add_all(
            Retrieval(
                exam_id=exam_id,
                source=source,
                purpose=purpose,
                missing=missing,
                state="due",
                asked_at=now,
                next_try_at=now,
            )
            for source in new
        )
    return bool(new)


def claim(db: Database, *, source: str, owner: str, now: float, wait_seconds: float, max_tries: int) -> Errand | None:
    """Lease what has waited longest for a source; None if nothing does, then without a write lock.

    The lease lasts as long as the exam waits; one that has run out binds nobody. A question whose tries are spent (its
    process died each time), and one that no exam waits for any more, are closed on the way.
    """
    waits = and_(Retrieval.state == "due", Retrieval.next_try_at <= now)
    ran_out = and_(Retrieval.state == "leased", Retrieval.lease_until <= now)
    while True:
        with db.read() as session:
            row = session.scalars(
                select(Retrieval)
                .where(or_(waits, ran_out), Retrieval.source == source)
                # A missing view keeps a radiologist waiting, an earlier exam nobody.
                .order_by(Retrieval.purpose.desc(), Retrieval.asked_at, Retrieval.id)
                .limit(1)
            ).first()
        if row is None:
            return None
        spent = row.attempts >= max_tries
        closing = spent or not -AHEAD_SECONDS <= now - row.asked_at < wait_seconds
        errand = _errand(row, owner=owner, until=row.asked_at + wait_seconds)
        leased = {"state": "leased", "lease_owner": owner, "lease_until": errand.lease_until}
        text = row.text or (DIED if spent else OUT_OF_TIME)
        with db.write() as session:
            unclaimed = update(Retrieval).where(
                Retrieval.id == row.id, Retrieval.state == row.state, Retrieval.attempts == row.attempts
            )
            values = {**_closed(now), "text": text} if closing else {**leased, "attempts": errand.attempts}
            taken = changed(session, unclaimed.values(**values))
        if taken and not closing:
            return errand


def _errand(row: Retrieval, *, owner: str, until: float) -> Errand:
    return Errand(
        id=row.id,
        exam_id=row.exam_id,
        source=row.source,
        purpose=row.purpose,
        missing=row.missing,
        asked_at=row.asked_at,
        attempts=row.attempts + 1,
        found=row.found,
        moved=row.moved,
        lease_owner=owner,
        lease_until=until,
    )


def note_found(db: Database, errand: Errand, found: int) -> Errand | None:
    """Keep how many images were found, before they are moved; gives the errand to go on with, None if it was lost."""
    with db.write() as session:
        kept = changed(session, update(Retrieval).where(held(errand)).values(found=found))
    return replace(errand, found=found) if kept else None


def finish(db: Database, errand: Errand, *, moved: int, now: float, text: str = "") -> bool:
    """End a question that was answered; False if the lease was lost."""
    return _end(db, errand, moved=moved, values={"state": "done", "finished_at": now, "text": text[:LONGEST_TEXT]})


def fail(db: Database, errand: Errand, *, moved: int, now: float, text: str) -> bool:
    """Give a question up; False if the lease was lost."""
    return _end(db, errand, moved=moved, values={"state": "failed", "finished_at": now, "text": text[:LONGEST_TEXT]})


def retry(db: Database, errand: Errand, *, moved: int, text: str, next_try_at: float) -> bool:
    """Push a question back in time; False if the lease was lost."""
    again = {"state": "due", "next_try_at": next_try_at, "text": text[:LONGEST_TEXT]}
    return _end(db, errand, moved=moved, values=again)


def _end(db: Database, errand: Errand, *, moved: int, values: dict[str, object]) -> bool:
    counted = {"found": errand.found, "moved": moved, "failed": errand.found - moved}
    with db.write() as session:
        ended = update(Retrieval).where(held(errand))
        return changed(session, ended.values(**values, **counted, lease_owner="", lease_until=0.0))


def expire(db: Database, exam_id: int, *, now: float) -> int:
    """Give up what is not finished of an exam's views; whoever is at it loses its lease. Gives how many questions."""
    with db.write() as session:
        return _give_up(session, Retrieval.exam_id == exam_id, Retrieval.purpose == VIEWS, now=now)


def expire_all(db: Database, *, longest_seconds: float, now: float) -> int:
    """Give up whatever nobody can still be at: of any source, also one that left the settings, and for any purpose.

    What is never closed would keep its exam at work for ever, and with it its images.

    Parameters
    ----------
    longest_seconds
        The longest that a question may take from the moment at which it was asked for.

    Returns
    -------
    int
        How many questions; the index is only read if there are none.
    """
    asked_at = Retrieval.asked_at
    stale = (Retrieval.state.in_(UNFINISHED), or_(asked_at <= now - longest_seconds, asked_at > now + AHEAD_SECONDS))
    with db.read() as session:
        if session.scalar(select(Retrieval.id).where(*stale).limit(1)) is None:
            return 0
    with db.write() as session:
        return _give_up(session, *stale, now=now)


def _give_up(session: Session, *chosen: ColumnElement[bool], now: float) -> int:
    unfinished = update(Retrieval).where(Retrieval.state.in_(UNFINISHED), *chosen)
    # What the last try came to says more than that the time is over.
    told = affected(session, unfinished.where(Retrieval.text != "").values(**_closed(now)))
    return told + affected(session, unfinished.values(**_closed(now), text=OUT_OF_TIME))


def _closed(now: float) -> dict[str, object]:
    return {"state": "failed", "finished_at": now, "lease_owner": "", "lease_until": 0.0}


def release_leases(db: Database, owner: str) -> int:
    """Return what a dead owner had leased; its attempts stay counted. Gives how many questions."""
    with db.write() as session:
        mine = update(Retrieval).where(Retrieval.state == "leased", Retrieval.lease_owner == owner)
        return affected(session, mine.values(state="due", lease_owner="", lease_until=0.0))


def asked_of(session: Session, exam_id: int) -> tuple[Asked, ...]:
    """List what was asked for an exam, in the order of asking."""
    rows = select(Retrieval).where(Retrieval.exam_id == exam_id).order_by(Retrieval.asked_at, Retrieval.id)
    return tuple(_asked(row) for row in session.scalars(rows))


def exam_sought(session: Session, exam_id: int) -> ExamSought:
    """Give what the exam's other images are found by."""
    exam = session.get_one(Exam, exam_id)
    patient = session.get_one(Patient, exam.patient_id)
    studies = (
        select(Study.study_instance_uid)
        .where(Study.id.in_(select(Instance.study_id).where(Instance.exam_id == exam_id)))
        .order_by(Study.id)
    )
    return ExamSought(tuple(session.scalars(studies)), patient.patient_id, patient.issuer, exam.study_date)


def known_objects(session: Session, sop_instance_uids: Collection[str]) -> frozenset[str]:
    """Tell which objects have come already, or were made here."""
    came = session.scalars(select(Instance.sop_instance_uid).where(Instance.sop_instance_uid.in_(sop_instance_uids)))
    made = session.scalars(select(Result.sop_instance_uid).where(Result.sop_instance_uid.in_(sop_instance_uids)))
    return frozenset(came) | frozenset(made)


def held(errand: Errand) -> ColumnElement[bool]:
    """Give the condition under which an errand is still good."""
    lease = and_(Retrieval.lease_owner == errand.lease_owner, Retrieval.attempts == errand.attempts)
    return and_(Retrieval.id == errand.id, Retrieval.state == "leased", lease)


def _asked(row: Retrieval) -> Asked:
    return Asked(
        source=row.source,
        purpose=row.purpose,
        missing=row.missing,
        state=row.state,
        asked_at=row.asked_at,
        finished_at=row.finished_at,
        attempts=row.attempts,
        found=row.found,
        moved=row.moved,
        failed=row.failed,
        text=row.text,
    )
