"""A node without its network: objects go in as the receiver stores them, a worker does its items one by one."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from sqlalchemy import select

from dcis_node.analyse.bundles import OneBundle
from dcis_node.analyse.completeness import sweep_open_exams
from dcis_node.analyse.models import Models
from dcis_node.analyse.workbench import Workbench
from dcis_node.analyse.worker import do_next
from dcis_node.config import AnalyseSettings, ExamSettings
from dcis_node.model.bundle import Bundle
from dcis_node.model.evidence import Candidate, LesionSource, ViewPrediction
from dcis_node.receive.describe import describe
from dcis_node.results.answer import Equipment
from dcis_node.results.profiles import Destination, Profile
from storage.database import Database, open_database, upgrade
from storage.files import FileStore
from storage.index import close_association, open_association, record_instance
from storage.schema import Exam, Instance, Outbox, Report, Result
from tests.analyse.objects import encoded

EQUIPMENT = Equipment("Maker", "dcis-node", "0.1", "DCIS_NODE")
EXAM = ExamSettings(settle_seconds=5, quiet_seconds=120, deadline_seconds=900)


@dataclass
class Clock:
    """Unix seconds that pass when told to."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeEnsemble:
    """Finds a lesion in the middle of every breast; the probability is given, and every call is noted."""

    bundle: Bundle
    probability: float | None = 0.75
    error: Exception | None = None
    calls: list[dict] = field(default_factory=list)

    def predict_view(self, image, breast_mask, *, mirrored=False, given=None, spacing_mm=None) -> ViewPrediction:
        self.calls.append({"mirrored": mirrored, "given": given, "spacing_mm": spacing_mm})
        assert image.dtype == np.float32
        assert breast_mask.any()
        if self.error is not None:
            raise self.error
        mask = np.zeros(image.shape, np.bool_)
        if self.probability is None:
            return ViewPrediction(LesionSource.NONE, None, (), None, (), mask)
        row, column = (round(float(axis.mean())) for axis in np.nonzero(breast_mask))
        mask[row - 8 : row + 8, column - 8 : column + 8] = True
        candidate = Candidate(row - 0.5, column - 0.5, (row - 8, column - 8, row + 8, column + 8), 256, 200.0, 0.78, 7)
        source = LesionSource.FOUND if given is None else LesionSource.GIVEN
        centre = given or (row - 0.5, column - 0.5)
        return ViewPrediction(source, self.probability, (self.probability,), centre, (candidate,), mask)


def one_model(predictor) -> Models:
    """Give the models of a worker whose bundle never changes."""
    return Models(OneBundle(predictor.bundle), lambda _: predictor)


def _association(session, sender: str, *, now: float) -> int:
    number = open_association(session, owner="receive-0@test", calling_aet=sender, address="127.0.0.1", now=now)
    close_association(session, number, now=now)
    return number


class Node:
    """The index, the files and one worker."""

    def __init__(self, folder: Path, bundle: Bundle, predictor=None) -> None:
        self.url = f"sqlite:///{folder / 'index.sqlite'}"
        upgrade(self.url)
        self.db: Database = open_database(self.url)
        self.files = FileStore(folder / "store")
        self.clock = Clock()
        self.ensemble = predictor or FakeEnsemble(bundle)
        self.bench = Workbench(
            db=self.db,
            files=self.files,
            models=one_model(self.ensemble),
            settings=AnalyseSettings(lease_seconds=300, decode_timeout_seconds=20),
            equipment=EQUIPMENT,
            destinations=(Destination("pacs", Profile.OHIF),),
            owner="analyse-0@test",
            clock=self.clock,
        )

    def put(self, **changes) -> None:
        """Put other tools on the bench."""
        self.bench = replace(self.bench, **changes)

    def receive(self, *objects: Dataset | bytes, sender: str = "") -> None:
        """Store objects as the receiver does; without a sender they have no association."""
        with self.db.write() as session:
            association = _association(session, sender, now=self.clock.now) if sender else None
        for thing in objects:
            data = thing if isinstance(thing, bytes) else encoded(thing)
            sha256 = self.files.put(data, moment=self.clock.now)
            header = dcmread(self.files.path(sha256), stop_before_pixels=True)
            received = describe(header, sha256=sha256, size_bytes=len(data), calling_aet="TEST")
            assert hashlib.sha256(data).hexdigest() == sha256
            with self.db.write() as session:
                record_instance(session, received, now=self.clock.now, association_id=association)

    def work(self) -> int:
        """Do everything that can be done now; gives the number of items."""
        items = 0
        while do_next(self.bench):
            items += 1
            assert items < 50, "the worker goes round in circles"
        return items

    def sweep(self, *, later: float = 1000.0) -> int:
        """Let time pass, and look which exams are complete."""
        self.clock.now += later
        return sweep_open_exams(self.db, EXAM, now=self.clock.now)

    def report(self, *objects: Dataset | bytes, sender: str = "") -> None:
        """Receive, analyse, complete, decide."""
        self.receive(*objects, sender=sender)
        self.work()
        self.sweep()
        self.work()

    def rows(self, table):
        """Give all rows of a table in the order of their numbers."""
        with self.db.read() as session:
            return session.scalars(select(table).order_by(table.id)).all()

    @property
    def reports(self) -> list[Report]:
        return list(self.rows(Report))

    @property
    def results(self) -> list[Result]:
        return list(self.rows(Result))

    @property
    def exams(self) -> list[Exam]:
        return list(self.rows(Exam))

    @property
    def parcels(self) -> list[Outbox]:
        return list(self.rows(Outbox))

    def instance(self, number: int) -> Instance:
        """Give the row of the object with UID 1.2.3.`number`."""
        return next(i for i in self.rows(Instance) if i.sop_instance_uid == f"1.2.3.{number}")

    def reasons(self, version: int = 1) -> dict[str, str]:
        """Give what the report of that version says of each image."""
        report = next(report for report in self.reports if report.version == version)
        return {str(view["sop_instance_uid"]): str(view["reason"]) for view in report.views}
