"""The index and files of a small node: images received, one analysed, its exam answered, each with its file."""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from sqlalchemy import select

from storage.database import Database, open_database, upgrade
from storage.files import FileStore
from storage.index_records import analysis_record, report_record
from storage.outbox import enqueue
from storage.records import Records
from storage.schema import Instance, Report, Result, ViewAnalysis
from tests.storage.exam_rows import exam, receive, set_exam

NOW = 1_795_000_000.0


@dataclass(frozen=True)
class SmallNode:
    """A data folder, open."""

    root: Path
    db: Database
    files: FileStore

    @property
    def index(self) -> Path:
        return self.root / "index.sqlite"

    @property
    def url(self) -> str:
        return f"sqlite:///{self.index}"

    def receive(self, number: int, *, patient: str = "P1") -> int:
        """Receive an image with its file; gives its row."""
        sha256 = self.files.put(f"image {number}".encode(), moment=NOW + number)
        return receive(self.db, number, now=NOW + number, patient=patient, sha256=sha256)

    def analyse(self, row: int) -> None:
        """Find something in an image: a row, an outline, a record."""
        mask = self.files.put(f"outline of {row}".encode())
        with self.db.write() as session:
            image = session.get_one(Instance, row)
            image.analysis = "analysed"
            found = ViewAnalysis(
                instance_id=row, instance_sha256=image.sha256, bundle_sha256="a" * 64, settings_sha256="b" * 64,
                prediction={"probability": 0.5}, mask_sha256=mask, picture_sha256="", seconds=1.0, analysed_at=NOW + 50,
            )  # fmt: skip
            session.add(found)
            session.flush()
            record = analysis_record(session, found.id)
        Records(self.files).keep_analysis(record)

    def answer(self, exam_id: int, *, version: int = 1) -> str:
        """Answer an exam: report, result, delivery, record; gives the digest of the result."""
        sha256 = self.files.put(f"result {version} of exam {exam_id}".encode())
        with self.db.write() as session:
            report = Report(
                exam_id=exam_id, version=version, inputs_sha256=hashlib.sha256(sha256.encode()).hexdigest(),
                bundle_sha256="a" * 64, decision={"patient": {}}, views=[], made_at=NOW + 60 + version,
            )  # fmt: skip
            session.add(report)
            session.flush()
            result = Result(
                report_id=report.id, kind="readable_report", sop_instance_uid=f"2.25.{exam_id}{version}",
                sop_class_uid="1.2.840.10008.5.1.4.1.1.88.22", study_instance_uid="1.2.1", series_instance_uid="1.2.8",
                transfer_syntax_uid="1.2.840.10008.1.2.1", modality="SR", sha256=sha256,
            )  # fmt: skip
            session.add(result)
            session.flush()
            enqueue(session, [result.id], ["pacs"], now=NOW)

        set_exam(self.db, exam_id, state="reported")
        with self.db.read() as session:
            record = report_record(session, report.id)
        Records(self.files).keep_report(record)
        return sha256


def small_node(root: Path) -> SmallNode:
    """Make one with an answered exam of two images, and a third image that waits."""
    root.mkdir(mode=0o700, parents=True)
    upgrade(f"sqlite:///{root / 'index.sqlite'}")
    node = SmallNode(root, open_database(f"sqlite:///{root / 'index.sqlite'}"), FileStore(root / "store"))
    for number in (1, 2):
        node.analyse(node.receive(number))
    node.answer(1)
    node.receive(3, patient="P2")
    assert exam(node.db, 1).state == "reported"
    return node


def copied_node(template: Path, root: Path) -> SmallNode:
    """Open a copy of a node that `small_node` has made and closed."""
    shutil.copytree(template, root)
    return SmallNode(root, open_database(f"sqlite:///{root / 'index.sqlite'}"), FileStore(root / "store"))


def own_digests(node: SmallNode) -> set[str]:
    """Give the digests of what only this node has."""
    with node.db.read() as session:
        return set(session.scalars(select(Result.sha256))) | set(session.scalars(select(ViewAnalysis.mask_sha256)))


def image_digests(node: SmallNode) -> set[str]:
    """Give the digests of what it has received."""
    with node.db.read() as session:
        return set(session.scalars(select(Instance.sha256)))


def ended(work: Callable[[], object]) -> int | None:
    """Run something in a process of its own (a fork); gives its exit code, negative for a signal."""
    process = get_context("fork").Process(target=work)
    process.start()
    process.join(60)
    return process.exitcode


def die(*_: object, **__: object) -> None:
    """Be killed, as by kill -9."""
    os.kill(os.getpid(), 9)
