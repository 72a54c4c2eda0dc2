"""Files and rows that stand for what a crash leaves."""

import time
from pathlib import Path

from storage.database import Database
from storage.files import FileStore
from storage.findings import AnalysisKey, StoredAnalysis
from storage.index import ReceivedInstance
from storage.records import RecordedAnalysis, RecordedImage, RecordedReport
from storage.replay import Looked, Stray
from storage.reports import NewResult
from storage.sweep import Broom, Swept, sweep
from tests.storage.exam_rows import received_values

HOUR = 3600.0


def image(number: int, **changes) -> bytes:
    """Bytes that `describe` takes for an image."""
    return f"image {number} {changes}".encode()


def describe(path: Path, sha256: str) -> Looked | Stray:
    """Stand in for reception: reads what `image` wrote."""
    words = path.read_bytes().decode("latin-1").split(" ", 2)
    if words[0] == "png":
        return Stray.PICTURE
    if words[0] not in {"image", "own"}:
        return Stray.FOREIGN
    values = received_values(int(words[1]), sha256=sha256)
    return Looked(ReceivedInstance(**values), made_here=words[0] == "own")


def swept(db: Database, files: FileStore, *, later: float = 3 * HOUR, **options) -> Swept:
    """Sweep some time later."""
    return sweep(Broom(db, files, describe, now=time.time() + later, **options))


def rows(db: Database, table: type) -> list:
    with db.read() as session:
        return list(session.query(table).order_by(table.id))


def result(number: int, sha256: str) -> NewResult:
    return NewResult("cad_report", f"2.25.{number}", "1.2", "1.3", "1.4", "1.2.840.10008.1.2.1", "SR", sha256)


def report(files: FileStore, of: list[str], **changes) -> RecordedReport:
    values = {
        "inputs_sha256": "ab" * 32,
        "bundle_sha256": "b" * 64,
        "version": 1,
        "made_at": time.time(),
        "exam": of[0],
        "images": tuple(RecordedImage(sha256, "eligible", "analysed") for sha256 in of),
        "decision": {},
        "views": [],
        "results": (result(1, files.put(b"own 77 result")),),
        "deliveries": {"pacs": ("cad_report",)},
        "completeness": "quiet",
        **changes,
    }
    return RecordedReport(**values)


def analysis(files: FileStore, instance: str) -> RecordedAnalysis:
    stored = StoredAnalysis({"probability": 0.5}, files.put(b"png mask"), files.put(b"png picture"), 1.5)
    return RecordedAnalysis(AnalysisKey(instance, "b" * 64, "c" * 64), stored, time.time())
