"""What was found in a view, stored under everything it depends on, so that nothing is ever computed twice."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm import Session

from storage.database import Database
from storage.schema import Exam, Instance, ViewAnalysis
from storage.work import ExamClaim, ViewClaim, changed, held_exam, held_view


@dataclass(frozen=True)
class AnalysisKey:
    """Digests of all that an analysis depends on: the stored bytes, the bundle, and the settings with the mark."""

    instance_sha256: str
    bundle_sha256: str
    settings_sha256: str


@dataclass(frozen=True)
class StoredAnalysis:
    """A finished analysis as it lies in the index.

    Parameters
    ----------
    prediction
        Plain JSON values.
    mask_sha256
        The file with the outline, or "" where nothing was outlined.
    picture_sha256
        The file with the small picture of the view, or "" where none was kept.
    seconds
        How long it took.
    """

    prediction: dict[str, Any]
    mask_sha256: str
    picture_sha256: str
    seconds: float


def find_analysis(session: Session, key: AnalysisKey) -> StoredAnalysis | None:
    """Look up a finished analysis."""
    row = session.scalars(select(ViewAnalysis).where(_keyed(key))).first()
    return None if row is None else StoredAnalysis(row.prediction, row.mask_sha256, row.picture_sha256, row.seconds)


def newest_analysis(session: Session, instance_sha256: str, bundle_sha256: str) -> StoredAnalysis | None:
    """Look up the last analysis of an instance by a bundle, whatever marks it was made with."""
    of_it = (ViewAnalysis.instance_sha256 == instance_sha256, ViewAnalysis.bundle_sha256 == bundle_sha256)
    row = session.scalars(select(ViewAnalysis).where(*of_it).order_by(ViewAnalysis.id.desc()).limit(1)).first()
    return None if row is None else StoredAnalysis(row.prediction, row.mask_sha256, row.picture_sha256, row.seconds)


def finish_view(db: Database, claim: ViewClaim, key: AnalysisKey, analysis: StoredAnalysis, *, now: float) -> bool:
    """Store an analysis and mark its view `analysed`, in one transaction.

    Returns
    -------
    bool
        False if the lease was lost meanwhile; nothing was written then. An analysis that is stored already under
        this key stays as it is.
    """
    done = {"analysis": "analysed", "lease_owner": "", "lease_until": 0.0}
    with db.write() as session:
        if not changed(session, update(Instance).where(held_view(claim)).values(**done)):
            return False
        if find_analysis(session, key) is None:
            session.add(
                ViewAnalysis(
                    instance_id=claim.id,
                    instance_sha256=key.instance_sha256,
                    bundle_sha256=key.bundle_sha256,
                    settings_sha256=key.settings_sha256,
                    prediction=analysis.prediction,
                    mask_sha256=analysis.mask_sha256,
                    picture_sha256=analysis.picture_sha256,
                    seconds=analysis.seconds,
                    analysed_at=now,
                )
            )
    return True


def analyse_again(db: Database, claim: ExamClaim, instance_ids: Collection[int]) -> bool:
    """Send views back to analysis, because the bundle is another one or a mark came; the exam waits for them.

    Returns
    -------
    bool
        False if the claim on the exam was lost meanwhile; nothing was changed then.
    """
    waiting = {"lease_owner": "", "lease_until": 0.0, "attempts": 0}
    with db.write() as session:
        if not changed(session, update(Exam).where(held_exam(claim)).values(**waiting)):
            return False
        views = update(Instance).where(Instance.id.in_(instance_ids), Instance.analysis == "analysed")
        session.execute(views.values(analysis="pending", attempts=0, next_try_at=0.0))
    return True


def _keyed(key: AnalysisKey) -> ColumnElement[bool]:
    return and_(
        ViewAnalysis.instance_sha256 == key.instance_sha256,
        ViewAnalysis.bundle_sha256 == key.bundle_sha256,
        ViewAnalysis.settings_sha256 == key.settings_sha256,
    )
