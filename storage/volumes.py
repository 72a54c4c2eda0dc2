"""How much disk the store takes, by sort: kept as a sum, to which only what is new is added; at night counted anew."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import select

from storage.database import Database
from storage.files import FileStore
from storage.schema import Instance, Result

PAGE = 2000


@dataclass(frozen=True)
class Volumes:
    """Bytes and numbers of files that are here.

    Parameters
    ----------
    backup_bytes
        Of all backups, when they were counted last.
    instance_id, result_id
        The last rows that were counted.
    """

    image_bytes: int = 0
    images: int = 0
    result_bytes: int = 0
    results: int = 0
    backup_bytes: int = 0
    instance_id: int = 0
    result_id: int = 0

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return asdict(self)


def volumes_from(detail: Mapping[str, Any]) -> Volumes:
    """Give the sums that were kept; those of another program count for nothing."""
    try:
        return Volumes(**detail)
    except TypeError:
        return Volumes()


def count_new(db: Database, files: FileStore, known: Volumes) -> Volumes:
    """Add what has come since; with `Volumes()`, count everything.

    Raises
    ------
    StorageError
        The index cannot be read.
    """
    return _add_results(db, files, _add_images(db, known))


def _add_images(db: Database, known: Volumes) -> Volumes:
    """Add the sizes that the index has."""
    while True:
        page = select(Instance.id, Instance.size_bytes, Instance.removed_at).where(Instance.id > known.instance_id)
        with db.read() as session:
            rows = session.execute(page.order_by(Instance.id).limit(PAGE)).all()
        if not rows:
            return known
        here = [row.size_bytes for row in rows if row.removed_at is None]
        known = replace(
            known,
            image_bytes=known.image_bytes + sum(here),
            images=known.images + len(here),
            instance_id=rows[-1].id,
        )


def _add_results(db: Database, files: FileStore, known: Volumes) -> Volumes:
    """Add the sizes of the result files: each is asked for once a night."""
    while True:
        page = select(Result.id, Result.sha256, Result.removed_at).where(Result.id > known.result_id)
        with db.read() as session:
            rows = session.execute(page.order_by(Result.id).limit(PAGE)).all()
        if not rows:
            return known
        sizes = [_size(files, row.sha256) for row in rows if row.removed_at is None]
        known = replace(
            known,
            result_bytes=known.result_bytes + sum(sizes),
            results=known.results + len(sizes),
            result_id=rows[-1].id,
        )


def _size(files: FileStore, sha256: str) -> int:
    try:
        return files.path(sha256).stat().st_size
    except OSError:
        return 0
