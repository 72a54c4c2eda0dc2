"""What was found and answered, kept beside the images: from it and them the index can be made again.

A record is a small file of canonical JSON with its own digest in it. Its name says what it is the record of, and it is
made once: whoever comes second gets the first one. So the same inputs have the same result objects, byte for byte, for
ever: two workers that decide one exam at once, or a node whose index was lost, never put other bytes under a UID.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dcis_node.canonical import canonical_json, digest
from dcis_node.errors import StorageError
from storage.files import NANOSECONDS, FileStore, sync_folder
from storage.findings import AnalysisKey, StoredAnalysis
from storage.removals import REMOVED, RETIRED, RecordedRemoval, RecordedRetirement
from storage.reports import NewResult

FOLDER = "records"
REPORT, ANALYSIS = "report", "analysis"
VERSION = 1
# Sorts before every letter, so that a record is known by its first bytes.
MAGIC = "#dcis-node"
_NAME = re.compile(r"[0-9a-f]{64}\.(report|analysis|removed|retired)")


@dataclass(frozen=True)
class RecordedImage:
    """One image of an exam when it was decided: its digest, and `reason` and `analysis` as in the index."""

    sha256: str
    reason: str
    analysis: str


@dataclass(frozen=True)
class RecordedReport:
    """One version of an exam's answer, with all that its rows hold.

    Parameters
    ----------
    exam
        Digest of the object of the exam that came first: the same for every version.
    deliveries
        For each destination the kinds of results that go there.
    completeness, failure
        Of the exam, when it was reported.
    """

    inputs_sha256: str
    bundle_sha256: str
    version: int
    made_at: float
    exam: str
    images: tuple[RecordedImage, ...]
    decision: dict[str, Any]
    views: list[dict[str, Any]]
    results: tuple[NewResult, ...]
    deliveries: dict[str, tuple[str, ...]]
    completeness: str = ""
    failure: str = ""

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.inputs_sha256}.{REPORT}"

    @property
    def moment(self) -> float:
        """When it happened, Unix seconds."""
        return self.made_at

    @property
    def files(self) -> tuple[str, ...]:
        """Digests of the files it names as its own."""
        return tuple(result.sha256 for result in self.results)


@dataclass(frozen=True)
class RecordedAnalysis:
    """One finished analysis of a view."""

    key: AnalysisKey
    analysis: StoredAnalysis
    analysed_at: float

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{key_digest(self.key)}.{ANALYSIS}"

    @property
    def moment(self) -> float:
        """When it happened, Unix seconds."""
        return self.analysed_at

    @property
    def files(self) -> tuple[str, ...]:
        """Digests of the files it names as its own."""
        return tuple(sha256 for sha256 in (self.analysis.mask_sha256, self.analysis.picture_sha256) if sha256)


Record = RecordedReport | RecordedAnalysis | RecordedRemoval | RecordedRetirement


def key_digest(key: AnalysisKey) -> str:
    """Give the digest of all that an analysis depends on."""
    return hashlib.sha256(f"{key.instance_sha256}{key.bundle_sha256}{key.settings_sha256}".encode("ascii")).hexdigest()


class Records:
    """The records of one folder of files, in `records/` of it.

    Parameters
    ----------
    files
        Where the images and results lie.
    """

    def __init__(self, files: FileStore) -> None:
        self.files = files
        self.root = files.root / FOLDER

    def report(self, inputs_sha256: str) -> RecordedReport | None:
        """Give the answer that these inputs have had; None if they had none.

        Raises
        ------
        StorageError
            There is one, but the record or a result object of it is damaged or missing.
        """
        record = self._find(f"{inputs_sha256}.{REPORT}")
        assert record is None or isinstance(record, RecordedReport)  # noqa: S101 -- the name says so
        return record

    def analysis(self, key: AnalysisKey) -> RecordedAnalysis | None:
        """Give the analysis that was made under a key; None if there is none, or if it is no longer whole."""
        try:
            record = self._find(f"{key_digest(key)}.{ANALYSIS}")
        except StorageError:
            # Nobody outside has seen it: it is made anew.
            return None
        assert record is None or isinstance(record, RecordedAnalysis)  # noqa: S101 -- the name says so
        return record

    def keep_report(self, record: RecordedReport) -> RecordedReport:
        """Put a record on disk, and give the one that stands: an earlier one of these inputs, if there is one.

        Raises
        ------
        StorageError
            The earlier one is damaged, or a result object of it is missing.
        OSError
            The disk is full or failed; nothing is left.
        """
        return record if self._write(record) else self.report(record.inputs_sha256) or record

    def keep_analysis(self, record: RecordedAnalysis) -> RecordedAnalysis:
        """Put a record on disk, and give the one that stands; one that is no longer whole is replaced.

        Raises
        ------
        OSError
            The disk is full or failed; nothing is left.
        """
        if self._write(record):
            return record
        standing = self.analysis(record.key)
        if standing is None:
            self._write(record, replace=True)
        return standing or record

    def keep(self, record: Record) -> None:
        """Put a record of any kind on disk, if it has no place there yet.

        Raises
        ------
        StorageError, OSError
            As `keep_report` and `keep_analysis`.
        """
        if isinstance(record, RecordedReport):
            self.keep_report(record)
        elif isinstance(record, RecordedAnalysis):
            self.keep_analysis(record)
        else:
            self._write(record)

    def replace(self, record: RecordedRemoval | RecordedRetirement) -> None:
        """Put a record on disk in place of one that tells of an earlier time.

        Raises
        ------
        OSError
            The disk is full or failed; the earlier one stands.
        """
        self._write(record, replace=True)

    def removal(self, sha256: str) -> RecordedRemoval | None:
        """Give what is kept of an image that has left; None if nothing is, or if it is no longer whole."""
        record = self._lenient(f"{sha256}.{REMOVED}")
        return record if isinstance(record, RecordedRemoval) else None

    def retired_at(self, sha256: str) -> float | None:
        """Tell when the last of an object has left; None if it has not."""
        record = self._lenient(f"{sha256}.{RETIRED}")
        return record.retired_at if isinstance(record, RecordedRetirement) else None

    def remove(self, name: str) -> None:
        """Remove a record; one that is gone already is no fault."""
        self.path(name).unlink(missing_ok=True)

    def read(self, name: str) -> Record:
        """Read a record by the name of its file.

        Raises
        ------
        StorageError
            It cannot be read, is damaged, or is of a newer program.
        """
        try:
            data = self.path(name).read_bytes()
        except OSError as error:
            raise StorageError(f"record {name} cannot be read: {error.strerror}") from error
        record = _decoded(data, name)
        if record.name != name:
            raise StorageError(f"record {name} is the record of something else")
        return record

    def path(self, name: str) -> Path:
        """Give the place of a record, whether or not it is there.

        Raises
        ------
        StorageError
            The text is no name of a record.
        """
        if not _NAME.fullmatch(name):
            raise StorageError("not a name of a record")
        return self.root / name[:2] / name

    def names(self) -> Iterator[str]:
        """Go through the names of all records, in no order."""
        for number in range(256):
            yield from self.names_of(number)

    def names_of(self, number: int) -> Iterator[str]:
        """Go through the names of the records that begin with this byte, in no order."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self.root / f"{number:02x}") as entries:
            yield from (entry.name for entry in entries if _NAME.fullmatch(entry.name))

    def named_at(self, name: str) -> float:
        """Tell when a record was made (Unix seconds).

        Raises
        ------
        OSError
            There is no such record.
        """
        return self.path(name).stat().st_ctime_ns / NANOSECONDS

    def _lenient(self, name: str) -> Record | None:
        try:
            return self._find(name)
        except StorageError:
            return None

    def _find(self, name: str) -> Record | None:
        if not self.path(name).exists():
            return None
        record = self.read(name)
        missing = sum(not self.files.exists(sha256) for sha256 in record.files)
        if missing:
            raise StorageError(f"{missing} files of record {name} are missing")
        return record

    def _write(self, record: Record, *, replace: bool = False) -> bool:
        """Make the file in one step, durably; False if there is one of that name."""
        target = self.path(record.name)
        self._make_folder(target.parent)
        part, descriptor = self.files.new_part()
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(_encoded(record))
                file.flush()
                os.fsync(descriptor)
                if replace:
                    part.replace(target)
                else:
                    target.hardlink_to(part)
        except FileExistsError:
            return False
        finally:
            part.unlink(missing_ok=True)
            # The name of another process's record too is on disk before we build on it.
            sync_folder(target.parent)
        return True

    def _make_folder(self, folder: Path) -> None:
        if folder.exists():
            return
        self.root.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(self.root)
        sync_folder(self.files.root)


def _encoded(record: Record) -> bytes:
    kind = record.name.rpartition(".")[2]
    body = asdict(record)
    return canonical_json({MAGIC: f"{kind} {VERSION}", "body": body, "sha256": digest(body)})


def _decoded(data: bytes, name: str) -> Record:
    try:
        values = json.loads(data)
        kind, version = str(values[MAGIC]).split(" ")
        body = values["body"]
        whole = digest(body) == values["sha256"]
    except (ValueError, KeyError, TypeError):
        whole, kind, version, body = False, "", "0", {}
    if not whole:
        raise StorageError(f"record {name} is damaged")
    if int(version) > VERSION:
        raise StorageError(f"record {name} was made by a newer program")
    return _READ[kind](body)


def _report(body: Mapping[str, Any]) -> RecordedReport:
    return RecordedReport(
        **{
            **body,
            "images": tuple(RecordedImage(**image) for image in body["images"]),
            "results": tuple(NewResult(**result) for result in body["results"]),
            "deliveries": {name: tuple(kinds) for name, kinds in body["deliveries"].items()},
        }
    )


def _analysis(body: Mapping[str, Any]) -> RecordedAnalysis:
    return RecordedAnalysis(
        key=AnalysisKey(**body["key"]), analysis=StoredAnalysis(**body["analysis"]), analysed_at=body["analysed_at"]
    )


_READ: Mapping[str, Callable[[Mapping[str, Any]], Record]] = {
    REPORT: _report,
    ANALYSIS: _analysis,
    REMOVED: lambda body: RecordedRemoval(**body),
    RETIRED: lambda body: RecordedRetirement(**body),
}
