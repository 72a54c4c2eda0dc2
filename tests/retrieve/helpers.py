"""A node with an exam that lacks views, and lanes that ask for them."""

import threading
from dataclasses import dataclass, field
from io import BytesIO

from pydicom import Dataset, dcmread

from dcis_node.config import ExamSettings, RetrieveSettings, SourceSettings
from dcis_node.receive.describe import describe
from dcis_node.retrieve.retriever import Lane
from dcis_node.retrieve.source import Source
from storage import retrievals
from storage.database import Database
from storage.files import FileStore
from storage.index import record_instance
from storage.retrievals import Asked
from storage.schema import Exam, Instance
from tests.analyse.objects import encoded, mammogram

NAMES = ("R CC", "L CC", "R MLO", "L MLO")
EXAM = ExamSettings(settle_seconds=5, quiet_seconds=120, deadline_seconds=900)
CANARY = "Canary"


@dataclass
class Clock:
    """Unix seconds that pass when told to."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def exam(patient: str = "P1", **changes) -> list[Dataset]:
    """Give the four views of an exam; all in one series if `SeriesInstanceUID` is given."""
    return [mammogram(number, name, patient=patient, **changes) for number, name in enumerate(NAMES, 1)]


def settings(*names: str, **changes) -> RetrieveSettings:
    """Give settings with sources of these names, quick to give up."""
    sources = tuple(SourceSettings(name=name, host="127.0.0.1", port=104, aet="ARCHIVE") for name in names)
    quick = {"timeout_seconds": 5.0, "move_timeout_seconds": 5.0, "retry_seconds": 10.0}
    return RetrieveSettings(**{"sources": sources, **quick, **changes})


def source(port: int, **changes) -> Source:
    """Give the address of a peer."""
    quick = {"timeout_seconds": 5.0, "move_timeout_seconds": 5.0}
    values = {"name": "archive", "host": "127.0.0.1", "port": port, "aet": "ARCHIVE", "calling_aet": "NODE"}
    return Source(**{**values, "move_to": "NODE", **quick, **changes})


@dataclass
class Node:
    """Index and files of a node; `port` where it listens, if it does."""

    db: Database
    files: FileStore
    port: int = 0
    clock: Clock = field(default_factory=Clock)

    def receive(self, *objects: Dataset) -> int:
        """Store objects as the receiver does; gives the number of the exam of the last one."""
        for thing in objects:
            data = encoded(thing)
            sha256 = self.files.put(data, moment=self.clock.now)
            header = dcmread(BytesIO(data), stop_before_pixels=True)
            received = describe(header, sha256=sha256, size_bytes=len(data), calling_aet="TEST")
            with self.db.write() as session:
                exam_id = record_instance(session, received, now=self.clock.now).exam_id
        return exam_id

    def ask(self, exam_id: int, *sources: str, missing: str = "L MLO") -> None:
        """Note that an exam's missing views are to be asked for."""
        row = self.exam(exam_id)
        names = sources or ("archive",)
        assert retrievals.ask(
            self.db, exam_id, names, missing=missing, last_image_at=row.last_image_at, now=self.clock.now
        )

    def lane(self, peer: Source, **changes) -> Lane:
        """Give the lane of a source."""
        values = {"merge_same_day": True, "owner": "retrieve-0@test", "stop": threading.Event(), "clock": self.clock}
        chosen = changes.pop("settings", settings("archive"))
        return Lane(self.db, peer, chosen, **{**values, **changes})

    def asked(self, exam_id: int = 1) -> tuple[Asked, ...]:
        with self.db.read() as session:
            return retrievals.asked_of(session, exam_id)

    def exam(self, exam_id: int = 1) -> Exam:
        with self.db.read() as session:
            return session.get_one(Exam, exam_id)

    def objects(self) -> set[str]:
        with self.db.read() as session:
            return {row.sop_instance_uid for row in session.query(Instance)}
