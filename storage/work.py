"""Work of the analysis side, handed out by compare-and-set under a lease.

A claim carries the lease it holds (owner and end): every later change asks for exactly that lease, so whoever lost it
cannot write. Attempts are counted when work is handed out, so an item that kills its worker is counted too. What is
found and decided is written by `storage.findings` and `storage.reports`; exams become due in `storage.exams`.
"""

import logging
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, CursorResult, Executable, and_, exists, literal_column, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import Update

from storage.database import Database
from storage.schema import Exam, Instance

log = logging.getLogger(__name__)

# Values of `dcis_node.mammogram.facts.Reason`; storage does not import that package.
ANALYSIS_DIED = "analysis_process_died"
ELIGIBLE = "eligible"
# Why a view can lack an analysis that another try may give: its worker or the model failed, not its pixels.
SET_ASIDE = ("analysis_failed", ANALYSIS_DIED)
# What is kept of an exam whose workers left no word.
DIED = "the worker died while it decided the exam"
# An item that was tried before goes behind those that came so much later: what kills its worker keeps nobody waiting,
# and under a steady load it is not put off for ever.
BEHIND_SECONDS = 60.0


@dataclass(frozen=True)
class ViewClaim:
    """The right to analyse one instance until `lease_until` (Unix seconds); `attempts` counts this one too."""

    id: int
    exam_id: int
    sha256: str
    attempts: int
    lease_owner: str
    lease_until: float


@dataclass(frozen=True)
class ExamClaim:
    """The right to decide one exam until `lease_until` (Unix seconds); `attempts` counts this one too.

    Parameters
    ----------
    failure
        What the attempt before came to; `DIED` if it left no word, "" in the first.
    """

    id: int
    completeness: str
    attempts: int
    lease_owner: str
    lease_until: float
    failure: str = ""


Claim = TypeVar("Claim", ViewClaim, ExamClaim)


def claim_instance(
    db: Database, *, owner: str, now: float, lease_seconds: float, max_attempts: int = 2
) -> ViewClaim | None:
    """Claim the view that has waited longest.

    A view whose attempts are spent (its worker died in the last) is set `failed` on the way and never blocks others.

    Returns
    -------
    ViewClaim | None
        None if nothing waits. The index is only read then, so that an idle worker takes no write lock.
    """
    while True:
        with db.read() as session:
            row = session.execute(_next_view(now)).first()
        if row is None:
            return None
        spent = row.attempts >= max_attempts
        claim = ViewClaim(row.id, row.exam_id, row.sha256, row.attempts + 1, owner, now + lease_seconds)
        with db.write() as session:
            taken = changed(
                session,
                update(Instance)
                .where(Instance.id == row.id, Instance.analysis == row.analysis, Instance.attempts == row.attempts)
                .where(Instance.lease_owner == row.lease_owner, Instance.lease_until == row.lease_until)
                .values(**(_failed(ANALYSIS_DIED) if spent else {"analysis": "leased", **_leased(claim)})),
            )
        if taken and not spent:
            return claim
        if taken:
            log.error("event=view_set_aside instance=%d attempts=%d reason=%s", row.id, row.attempts, ANALYSIS_DIED)


def _next_view(now: float) -> Executable:
    waiting = and_(Instance.analysis == "pending", Instance.next_try_at <= now)
    abandoned = and_(Instance.analysis == "leased", Instance.lease_until <= now)
    return (
        select(
            Instance.id,
            Instance.exam_id,
            Instance.sha256,
            Instance.analysis,
            Instance.attempts,
            Instance.lease_owner,
            Instance.lease_until,
        )
        .where(or_(waiting, abandoned))
        .order_by(Instance.received_at + BEHIND_SECONDS * Instance.attempts, Instance.id)
        .limit(1)
    )


def fail_view(db: Database, claim: ViewClaim, *, reason: str, retry_at: float | None = None) -> bool:
    """Give a view back that could not be analysed.

    Parameters
    ----------
    reason
        Stable name of why.
    retry_at
        When it may be claimed again (Unix seconds); None if never: it is `failed` for this reason then, and the
        exam's report says so.

    Returns
    -------
    bool
        False if the lease was lost meanwhile; nothing was changed then.
    """
    again = {"analysis": "pending", "next_try_at": retry_at, "lease_owner": "", "lease_until": 0.0}
    values = _failed(reason) if retry_at is None else again
    with db.write() as session:
        return changed(session, update(Instance).where(held_view(claim)).values(**values))


def give_back_view(db: Database, claim: ViewClaim, *, retry_at: float) -> bool:
    """Give a view back untried: what failed was not the view, and the attempt does not count.

    Parameters
    ----------
    retry_at
        When it may be claimed again (Unix seconds).

    Returns
    -------
    bool
        False if the lease was lost meanwhile; nothing was changed then.
    """
    untried = {"analysis": "pending", "next_try_at": retry_at, "lease_owner": "", "lease_until": 0.0}
    with db.write() as session:
        return changed(session, update(Instance).where(held_view(claim)).values(**untried, attempts=claim.attempts - 1))


def claim_exam(
    db: Database, *, owner: str, now: float, lease_seconds: float, max_attempts: int = 2
) -> ExamClaim | None:
    """Claim the due exam that has waited longest, none of whose eligible views is still to be analysed.

    An exam whose attempts are spent is set `failed` on the way: visible in the status, in nobody's way. What the
    attempt before came to is taken out of the row with the claim, so that one that leaves no word is known as such.
    """
    while True:
        with db.read() as session:
            row = session.execute(_next_exam(now)).first()
        if row is None:
            return None
        spent = row.attempts >= max_attempts
        failure = row.failure or (DIED if row.attempts else "")
        claim = ExamClaim(row.id, row.completeness, row.attempts + 1, owner, now + lease_seconds, failure)
        failed = {"state": "failed", "failure": failure, "lease_owner": "", "lease_until": 0.0}
        begun = {"failure": "", **_leased(claim)}
        with db.write() as session:
            taken = changed(
                session,
                update(Exam)
                .where(Exam.id == row.id, Exam.state == "due", Exam.attempts == row.attempts, ~_unfinished_views())
                .where(Exam.lease_owner == row.lease_owner, Exam.lease_until == row.lease_until)
                .values(**(failed if spent else begun), dismissed_at=None),
            )
        if taken and not spent:
            return claim
        if taken:
            log.error("event=exam_set_aside exam=%d attempts=%d failure='%s'", row.id, row.attempts, failure)


def _next_exam(now: float) -> Executable:
    return (
        select(Exam.id, Exam.completeness, Exam.attempts, Exam.failure, Exam.lease_owner, Exam.lease_until)
        .where(Exam.state == "due", Exam.lease_until <= now, ~_unfinished_views())
        .order_by(Exam.last_image_at + BEHIND_SECONDS * Exam.attempts, Exam.id)
        .limit(1)
    )


def _unfinished_views() -> ColumnElement[bool]:
    unfinished = Instance.analysis.in_(("pending", "leased"))
    return exists().where(Instance.exam_id == Exam.id, unfinished).correlate(Exam)


def fail_exam(db: Database, claim: ExamClaim, *, failure: str, retry_at: float, attempts: int | None = None) -> bool:
    """Give an exam back that could not be decided; False if the lease was lost meanwhile.

    Parameters
    ----------
    failure
        What happened, without patient data: shown by `status` and `trace`.
    retry_at
        When it may be claimed again (Unix seconds). An exam without a holder keeps this in `lease_until`.
    attempts
        To be counted from now on, if more are to be taken for spent than were made.
    """
    spent = claim.attempts if attempts is None else max(claim.attempts, attempts)
    values = {"failure": failure, "attempts": spent, "lease_owner": "", "lease_until": retry_at}
    with db.write() as session:
        return changed(session, update(Exam).where(held_exam(claim)).values(**values))


def give_back_exam(db: Database, claim: ExamClaim, *, retry_at: float) -> bool:
    """Give an exam back undecided: what failed was not the exam, and the attempt does not count.

    Parameters
    ----------
    retry_at
        When it may be claimed again (Unix seconds).

    Returns
    -------
    bool
        False if the lease was lost meanwhile; nothing was changed then.
    """
    values = {"failure": claim.failure, "attempts": claim.attempts - 1, "lease_owner": "", "lease_until": retry_at}
    with db.write() as session:
        return changed(session, update(Exam).where(held_exam(claim)).values(**values))


def retry_exam(db: Database, exam_id: int) -> bool:
    """Let an exam be decided again that was answered without its analysis, without that of a view, or not at all.

    Its stored analyses are used again; views that were set aside as their analysis failed, or died, are analysed anew
    (one whose pixels are at fault is not). An answer that differs becomes a new version of its report.

    Returns
    -------
    bool
        False if there is no such exam, or nothing had failed.
    """
    free = {"attempts": 0, "lease_owner": "", "lease_until": 0.0}
    with db.write() as session:
        again = update(Exam).where(Exam.id == exam_id, has_failed_in_part()).values(state="due", failure="", **free)
        if not changed(session, again):
            return False
        views = update(Instance).where(Instance.exam_id == exam_id, set_aside())
        affected(session, views.values(analysis="pending", reason=ELIGIBLE, next_try_at=0.0, **free))
    return True


def has_failed() -> ColumnElement[bool]:
    """Give the condition under which a person has to look at an exam: no answer, or one without its analysis."""
    # Written out, not bound: the partial index over failures is taken for this very condition only.
    return or_(Exam.state == "failed", and_(Exam.state == "reported", Exam.failure != literal_column("''")))


def has_failed_in_part() -> ColumnElement[bool]:
    """Give the wider condition of a given exam: it has failed, or was answered without a view that was set aside."""
    lacks_a_view = exists().where(Instance.exam_id == Exam.id, set_aside()).correlate(Exam)
    return or_(has_failed(), and_(Exam.state == "reported", lacks_a_view))


def set_aside() -> ColumnElement[bool]:
    """Give the condition under which a view lacks an analysis that another try may give: its image is still here."""
    return and_(Instance.analysis == "failed", Instance.reason.in_(SET_ASIDE), Instance.removed_at.is_(None))


def renew(db: Database, claim: Claim, *, now: float, lease_seconds: float) -> Claim | None:
    """Hold a lease for longer.

    Returns
    -------
    ViewClaim | ExamClaim | None
        The claim to go on with; the old one is void. None if the lease was lost: stop, and write nothing.
    """
    longer = replace(claim, lease_until=now + lease_seconds)
    if isinstance(claim, ViewClaim):
        statement = update(Instance).where(held_view(claim))
    else:
        statement = update(Exam).where(held_exam(claim))
    with db.write() as session:
        return longer if changed(session, statement.values(lease_until=longer.lease_until)) else None


def release_leases(db: Database, owner: str) -> int:
    """Return everything that an owner has leased, so that it need not run out: for an owner that is known to be gone.

    Returns
    -------
    int
        How many views and exams it was. Their attempts stay counted.
    """
    free = {"lease_owner": "", "lease_until": 0.0}
    with db.write() as session:
        views = update(Instance).where(Instance.analysis == "leased", Instance.lease_owner == owner)
        exams = update(Exam).where(Exam.lease_owner == owner)
        return affected(session, views.values(analysis="pending", **free)) + affected(session, exams.values(**free))


def held_view(claim: ViewClaim) -> ColumnElement[bool]:
    """Give the condition under which a claim on a view is still good."""
    lease = and_(Instance.lease_owner == claim.lease_owner, Instance.lease_until == claim.lease_until)
    return and_(Instance.id == claim.id, Instance.analysis == "leased", lease)


def held_exam(claim: ExamClaim) -> ColumnElement[bool]:
    """Give the condition under which a claim on an exam is still good.

    A new image sets the exam `open`, and the sweep that makes it `due` again ends the lease.
    """
    lease = and_(Exam.lease_owner == claim.lease_owner, Exam.lease_until == claim.lease_until)
    return and_(Exam.id == claim.id, Exam.state == "due", lease)


def affected(session: Session, statement: Update) -> int:
    """Run an update and count the rows it changed."""
    result = session.execute(statement.execution_options(synchronize_session=False))
    assert isinstance(result, CursorResult)  # noqa: S101 -- what SQLAlchemy gives for every update
    return result.rowcount


def changed(session: Session, statement: Update) -> bool:
    """Run an update of one row; False if its condition no longer held."""
    return affected(session, statement) == 1


def _leased(claim: ViewClaim | ExamClaim) -> dict[str, Any]:
    return {"lease_owner": claim.lease_owner, "lease_until": claim.lease_until, "attempts": claim.attempts}


def _failed(reason: str) -> dict[str, Any]:
    return {"analysis": "failed", "reason": reason, "lease_owner": "", "lease_until": 0.0}
