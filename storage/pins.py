"""Which model bundle an exam is judged by: the one of its first analysed view, until that can no longer be had."""

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from storage.database import Database
from storage.schema import Exam
from storage.work import changed


def pinned_bundle(session: Session, exam_id: int) -> str:
    """Give the SHA-256 of an exam's bundle; "" before its first view was analysed."""
    return session.scalars(select(Exam.bundle_sha256).where(Exam.id == exam_id)).one()


def pin_bundle(db: Database, exam_id: int, sha256: str, *, instead_of: str) -> bool:
    """Let an exam be judged by a bundle.

    Parameters
    ----------
    instead_of
        What it was judged by so far, "" for none.

    Returns
    -------
    bool
        False if another worker has pinned one meanwhile; nothing was changed then.
    """
    with db.write() as session:
        pinned = update(Exam).where(Exam.id == exam_id, Exam.bundle_sha256 == instead_of)
        return changed(session, pinned.values(bundle_sha256=sha256))
