"""What the index names in the files, read in short pages so that nobody waits."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from storage.database import Database
from storage.digests import Digests
from storage.findings import AnalysisKey
from storage.records import key_digest
from storage.schema import Conflict, Instance, Report, Result, ViewAnalysis

PAGE = 2000  # rows that are read at once: some 10 ms in which nobody can commit

Columns = tuple[InstrumentedAttribute[str], ...]

# The columns that name files.
NAMING: tuple[tuple[Any, Columns], ...] = (
    (Instance, (Instance.sha256,)),
    (Conflict, (Conflict.sha256,)),
    (Result, (Result.sha256,)),
    (ViewAnalysis, (ViewAnalysis.mask_sha256, ViewAnalysis.picture_sha256)),
)
KEY: Columns = (ViewAnalysis.instance_sha256, ViewAnalysis.bundle_sha256, ViewAnalysis.settings_sha256)


@dataclass(frozen=True)
class Named:
    """What the index names: files by their digest, analyses and reports by the digest that names their record."""

    files: Digests = field(default_factory=Digests)
    analyses: Digests = field(default_factory=Digests)
    reports: Digests = field(default_factory=Digests)


def read_named(db: Database) -> Named:
    """Read all that the index names.

    Raises
    ------
    StorageError
        The index cannot be read.
    """
    named = Named()
    for _, sha256 in file_rows(db):
        named.files.add(sha256)
    for _, digest in analysis_rows(db):
        named.analyses.add(digest)
    for _, digest in report_rows(db):
        named.reports.add(digest)
    return named


def file_rows(db: Database) -> Iterator[tuple[str, str]]:
    """Go through the rows that name a file: `<table> <number>`, and its digest."""
    for table, columns in NAMING:
        for row_id, *digests in _pages(db, table, columns):
            yield from ((f"{table.__tablename__} {row_id}", sha256) for sha256 in digests if sha256)


def analysis_rows(db: Database) -> Iterator[tuple[int, str]]:
    """Go through the analyses: number of the row, and the digest that names the record."""
    for row_id, *key in _pages(db, ViewAnalysis, KEY):
        yield row_id, key_digest(AnalysisKey(*key))


def report_rows(db: Database) -> Iterator[tuple[int, str]]:
    """Go through the reports: number of the row, and the digest that names the record."""
    yield from ((row_id, inputs) for row_id, inputs in _pages(db, Report, (Report.inputs_sha256,)))


def _pages(db: Database, table: Any, columns: Columns) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 -- a mapped class
    """Read rows by their number; between two pages whoever wants to write does."""
    last = 0
    while True:
        with db.read() as session:
            page = session.execute(select(table.id, *columns).where(table.id > last).order_by(table.id).limit(PAGE))
            rows = [tuple(row) for row in page]
        if not rows:
            return
        yield from rows
        last = rows[-1][0]
