"""What the index names in the files, read in short pages so that nobody waits."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import InstrumentedAttribute

from storage.database import Database
from storage.digests import Digests
from storage.findings import AnalysisKey
from storage.records import key_digest
from storage.schema import Conflict, Instance, Report, Result, ViewAnalysis

PAGE = 2000  # rows that are read at once: some 10 ms in which nobody can commit

Columns = tuple[InstrumentedAttribute[Any] | ColumnElement[bool], ...]

# The columns that name files.
NAMING: tuple[tuple[Any, Columns], ...] = (
    (Instance, (Instance.sha256,)),
    (Conflict, (Conflict.sha256,)),
    (Result, (Result.sha256,)),
    (ViewAnalysis, (ViewAnalysis.mask_sha256, ViewAnalysis.picture_sha256)),
)
# Those whose files leave by the rule of retention while the row stays.
LEAVING: tuple[Any, ...] = (Instance, Result)
KEY: Columns = (ViewAnalysis.instance_sha256, ViewAnalysis.bundle_sha256, ViewAnalysis.settings_sha256)


@dataclass(frozen=True)
class Named:
    """What the index names: files by their digest, analyses and reports by the digest that names their record.

    `removed` are the files that have left by the rule of retention.
    """

    files: Digests = field(default_factory=Digests)
    analyses: Digests = field(default_factory=Digests)
    reports: Digests = field(default_factory=Digests)
    removed: Digests = field(default_factory=Digests)


def read_named(db: Database) -> Named:
    """Read all that the index names.

    Raises
    ------
    StorageError
        The index cannot be read.
    """
    named = Named()
    for _, sha256, has_left in _every_file(db):
        (named.removed if has_left else named.files).add(sha256)
    for _, digest in analysis_rows(db):
        named.analyses.add(digest)
    for _, digest in report_rows(db):
        named.reports.add(digest)
    return named


def file_rows(db: Database) -> Iterator[tuple[str, str]]:
    """Go through the rows that name a file that should be here: `<table> <number>`, and its digest."""
    yield from ((row, sha256) for row, sha256, has_left in _every_file(db) if not has_left)


def _every_file(db: Database) -> Iterator[tuple[str, str, bool]]:
    """Go through the rows that name a file, and say of each whether it has left by the rule of retention."""
    for table, columns in NAMING:
        leaves = table in LEAVING
        for row_id, *found in _pages(db, table, (*columns, table.removed_at) if leaves else columns):
            digests, has_left = (found[:-1], found[-1] is not None) if leaves else (found, False)
            yield from ((f"{table.__tablename__} {row_id}", sha256, has_left) for sha256 in digests if sha256)


def analysis_rows(db: Database) -> Iterator[tuple[int, str]]:
    """Go through the analyses: number of the row, and the digest that names the record."""
    for row_id, *key in _pages(db, ViewAnalysis, KEY):
        yield row_id, key_digest(AnalysisKey(*key))


def report_rows(db: Database) -> Iterator[tuple[int, str]]:
    """Go through the reports whose results have not left: number of the row, and the digest that names the record."""
    has_left = exists().where(Result.report_id == Report.id, Result.removed_at.is_not(None)).correlate(Report)
    rows = _pages(db, Report, (Report.inputs_sha256, has_left))
    yield from ((row_id, inputs) for row_id, inputs, gone in rows if not gone)


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
