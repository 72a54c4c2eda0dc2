"""A node with exams of any age, for what retention does with them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import select

from dcis_node.config import Configuration, configuration_from
from storage.database import Database, open_database, upgrade
from storage.files import FileStore
from storage.index import ReceivedInstance
from storage.index_records import analysis_record, report_record
from storage.outbox import enqueue
from storage.records import Records
from storage.replay import Looked, Stray
from storage.schema import Exam, Instance, Outbox, Report, Result, ViewAnalysis
from tests.storage.exam_rows import exam, receive, received_values
from tests.storage.leftovers import describe

DAY = 86400.0
VIEWS = 2


@dataclass
class Node:
    """A data folder with its settings."""

    root: Path
    db: Database
    files: FileStore
    settings: dict[str, object] = field(default_factory=dict)
    destination: dict[str, object] = field(default_factory=dict)
    numbers: int = 0
    patients: dict[int, str] = field(default_factory=dict)

    @property
    def index(self) -> Path:
        return self.root / "index.sqlite"

    def describe(self, path: Path, sha256: str) -> Looked | Stray:
        """Stand in for reception (see `tests.storage.leftovers.describe`)."""
        found = describe(path, sha256)
        if isinstance(found, Stray):
            return found
        number = int(path.read_bytes().split()[1])
        values = received_values(number, patient=self.patients.get(number, "P0"), sha256=sha256)
        return replace(found, received=ReceivedInstance(**values))

    @property
    def configuration(self) -> Configuration:
        values = {
            "storage": {"folder": str(self.root), "index_url": self.db.url},
            "retention": {"free_bytes": 0, **self.settings},
            "destinations": [{"name": "pacs", "host": "h", "port": 1, "aet": "A", **self.destination}],
        }
        return configuration_from(values, self.root / "config.toml")

    def now(self) -> float:
        return time.time()

    def exam(self, number: int) -> Exam:
        return exam(self.db, number)

    def instances(self, number: int) -> list[Instance]:
        with self.db.read() as session:
            return list(session.scalars(select(Instance).where(Instance.exam_id == number).order_by(Instance.id)))

    def received(self, *, days_ago: float, size: int = 100, **changes) -> int:
        """Receive one image with its file, of a patient of its own unless `patient` names one."""
        self.numbers += 1
        number, at = self.numbers, self.now() - days_ago * DAY
        sha256 = self.files.put(f"image {number} ".encode().ljust(size, b"x"), moment=at)
        values = {"patient": f"P{number}", "size_bytes": size, **changes, "sha256": sha256}
        self.patients[number] = values["patient"]
        return receive(self.db, number, now=at, **values)

    def answered(
        self, *, days_ago: float, state: str = "proven", size: int = 100, views: int = VIEWS, version: int = 1
    ) -> int:
        """Receive, analyse and answer an exam; its one result has that state at the PACS since then. Gives its row."""
        patient = f"P{1000 + self.numbers}"
        rows = [self.received(days_ago=days_ago, size=size, patient=patient) for _ in range(views)]
        at = self.now() - days_ago * DAY
        for row in rows:
            self.analysed(row, at)
        with self.db.read() as session:
            number = session.get_one(Instance, rows[0]).exam_id
        self.reported(number, at=at, state=state, version=version)
        return number

    def analysed(self, row: int, at: float) -> None:
        mask = self.files.put(f"png mask of {row}".encode())
        with self.db.write() as session:
            image = session.get_one(Instance, row)
            image.analysis = "analysed"
            found = ViewAnalysis(
                instance_id=row, instance_sha256=image.sha256, bundle_sha256="a" * 64, settings_sha256="b" * 64,
                prediction={"probability": 0.5}, mask_sha256=mask, picture_sha256="", seconds=1.0, analysed_at=at,
            )  # fmt: skip
            session.add(found)
            session.flush()
            record = analysis_record(session, found.id)
        Records(self.files).keep_analysis(record)

    def reported(self, number: int, *, at: float, state: str = "proven", version: int = 1) -> None:
        sha256 = self.files.put(f"own {number}{version} result".encode())
        with self.db.write() as session:
            images = session.scalars(select(Instance.sop_instance_uid).where(Instance.exam_id == number)).all()
            report = Report(
                exam_id=number, version=version, inputs_sha256=f"{number}{version}".rjust(64, "a"),
                bundle_sha256="a" * 64, decision={}, views=[{"sop_instance_uid": uid} for uid in images], made_at=at,
            )  # fmt: skip
            session.add(report)
            session.flush()
            result = Result(
                report_id=report.id, kind="readable_report", sop_instance_uid=f"2.25.{number}{version}",
                sop_class_uid="1.2.840.10008.5.1.4.1.1.88.22", study_instance_uid=f"1.2.{number}",
                series_instance_uid="1.2.8", transfer_syntax_uid="1.2.840.10008.1.2.1", modality="SR", sha256=sha256,
            )  # fmt: skip
            session.add(result)
            session.flush()
            enqueue(session, [result.id], ["pacs"], now=at)
            for parcel in session.scalars(select(Outbox).where(Outbox.result_id == result.id)):
                parcel.state = state
                parcel.sent_at = at if state in {"sent", "proven"} else None
                parcel.proven_at = at if state == "proven" else None
            session.get_one(Exam, number).state = "reported"
            session.flush()
            record = report_record(session, report.id)
        Records(self.files).keep_report(record)


@contextmanager
def retained_node(root: Path, url: str = "", **settings: object) -> Iterator[Node]:
    """Open a fresh one; with `url`, of an index elsewhere."""
    url = url or f"sqlite:///{root / 'index.sqlite'}"
    upgrade(url)
    db = open_database(url)
    try:
        yield Node(root, db, FileStore(root / "store"), settings)
    finally:
        db.close()


def header_of(path: Path) -> bytes:
    """Stand in for what reads the header of an image; never raises."""
    try:
        return path.read_bytes().split(b"x")[0]
    except OSError:
        return b""
