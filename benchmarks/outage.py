"""A PACS that is away for long, in many ways, and the courier that has results for it: real peers, a virtual clock.

The courier's own code runs (`deliver_next` on a real index, real associations on loopback). What is virtual is the
waiting: whenever the courier has nothing to do, the clock is set to the next moment at which it has. What it does takes
its real time on that clock.
"""

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import func, select

from dcis_node.config import DeliverSettings
from dcis_node.deliver.lane import Lane, deliver_next
from dcis_node.deliver.outcome import EchoResult, Outgoing, PeerAddress, Sent
from dcis_node.deliver.route import Route
from dcis_node.deliver.routes import dicom_route
from storage import destinations, outbox
from storage.database import open_database, upgrade
from storage.files import FileStore
from storage.schema import DeliveryAttempt, Exam, Outbox, Patient, Report
from tests.deliver.helpers import Node, dicom_file
from tests.peers import Received, StoragePeer, black_hole, free_port, rejecting_peer, resetting_peer

START = 1_700_000_000.0
DESTINATION = "pacs"
TICK_SECONDS = 0.001
TIMEOUT_SECONDS = 20.0  # real, and never reached by a peer that answers, also on a busy machine
HOLE_SECONDS = 0.3  # real: a black hole costs it at each probe
SHORT = 0.5  # part of a whole phase that those last in which results are really sent again and again


@dataclass(frozen=True)
class Way:
    """A way of being away.

    Parameters
    ----------
    peer
        Gives the peer on a port that is away so.
    length
        How long it lasts beside the others.
    timeout_seconds
        How long the courier waits for it, real seconds.
    """

    name: str
    peer: Callable[[int], contextlib.AbstractContextManager[object]]
    length: float = 1.0
    timeout_seconds: float = TIMEOUT_SECONDS


WAYS = (
    Way("refuses connections", lambda _: contextlib.nullcontext()),
    Way("resets connections", lambda port: resetting_peer(port=port)),
    Way("says nothing (black hole)", lambda port: black_hole(port=port), timeout_seconds=HOLE_SECONDS),
    Way("answers 0xA700", lambda port: StoragePeer(port=port, status=0xA700), SHORT),
    Way("rejects transiently", lambda port: rejecting_peer(2, 3, 1, port=port)),
    Way("aborts after the object", lambda port: StoragePeer(port=port, status=None), SHORT),
)


@dataclass(frozen=True)
class Plan:
    """What happens when, in seconds after the peer went away.

    Parameters
    ----------
    seconds
        How long it is away.
    exams, results_of_exam
        What is made meanwhile, spread over that time.
    rounds
        How often it goes through all ways of being away.
    restarts
        How often the courier is started again meanwhile.
    """

    seconds: float = 86400.0
    exams: int = 30
    results_of_exam: int = 10
    rounds: int = 2
    restarts: int = 4

    def phases(self) -> list[tuple[float, Way]]:
        """Say from when it is away in which way."""
        ways = [way for _ in range(self.rounds) for way in WAYS]
        unit = self.seconds / sum(way.length for way in ways)
        starts, at = [], 0.0
        for way in ways:
            starts.append((at, way))
            at += unit * way.length
        return starts


@dataclass
class Run:
    """One outage from its beginning until everything has arrived."""

    folder: Path
    plan: Plan
    seed: int
    settings: DeliverSettings = field(default_factory=DeliverSettings)
    now: float = START
    timeout_seconds: float = TIMEOUT_SECONDS
    probes: int = 0
    received: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)  # noqa: S311 -- moments, no secret
        self._port = free_port()
        self._node = make_node(self.folder)
        times = sorted(self._rng.uniform(0, self.plan.seconds) for _ in range(self.plan.exams))
        self._to_make = [(START + at, number) for number, at in enumerate(times)]
        self._restart_at = [
            START + self.plan.seconds * (number + 1) / (self.plan.restarts + 1) for number in range(self.plan.restarts)
        ]
        self._lane = self._new_lane()

    def measure(self) -> dict[str, object]:
        """Let the peer be away and come back; gives what came of it."""
        began = time.monotonic()
        phases = self.plan.phases()
        by_way: dict[str, int] = {}
        back_at = START + self.plan.seconds
        for number, (start, way) in enumerate(phases):
            end = START + phases[number + 1][0] if number + 1 < len(phases) else back_at
            self.now = max(self.now, START + start)
            probes, self.timeout_seconds = self.probes, way.timeout_seconds
            with way.peer(self._port) as peer:
                self._live(until=end)
                self._collect(peer)
            by_way[way.name] = by_way.get(way.name, 0) + self.probes - probes
        probes, self.timeout_seconds = self.probes, TIMEOUT_SECONDS
        with StoragePeer(port=self._port) as peer:
            self._live(until=back_at + 2 * 86400.0)
            self._collect(peer)
            taken = peer.uids()
        return {**self._figures(back_at, taken), "probes": {**by_way, "after the return": self.probes - probes},
                "real_seconds": round(time.monotonic() - began, 1)}  # fmt: skip

    def _collect(self, peer: object) -> None:
        if isinstance(peer, StoragePeer):
            self.received += peer.received

    def _live(self, *, until: float) -> None:
        """Let time pass; ends early once everything is made and delivered."""
        while self.now < until:
            self._make_due()
            began = time.monotonic()
            found = deliver_next(self._lane, now=self.now)
            self.now += time.monotonic() - began
            if found:
                continue
            wake = self._next_moment()
            if wake is None:
                return
            self.now = min(until, max(self.now, wake) + TICK_SECONDS)

    def _make_due(self) -> None:
        while self._to_make and self._to_make[0][0] <= self.now:
            at, number = self._to_make.pop(0)
            for _ in range(self.plan.results_of_exam):
                path = dicom_file(self.folder / "object.dcm", size_bytes=2000)
                self._node.add(path, study=f"1.2.{number}", now=at)
        while self._restart_at and self._restart_at[0] <= self.now:
            self._restart_at.pop(0)
            self._node.db.close()
            self._node = replace(self._node, db=open_database(self._node.url))
            outbox.release_leases(self._node.db, "courier@host")
            self._lane = self._new_lane()

    def _next_moment(self) -> float | None:
        """Say when there is something to do again; None if there never is."""
        moments = [self._to_make[0][0]] if self._to_make else []
        condition = destinations.condition(self._node.db, DESTINATION)
        with self._node.db.read() as session:
            due = session.scalar(select(func.min(Outbox.next_try_at)).where(Outbox.state == "due"))
        if due is not None:
            moments.append(condition.next_probe_at if condition.is_open else due)
        if moments and self._restart_at:
            moments.append(self._restart_at[0])
        return min(moments, default=None)

    def _new_lane(self) -> Lane:
        def route() -> Route:
            return dicom_route(
                PeerAddress("127.0.0.1", self._port, "PACS", "NODE", timeout_seconds=self.timeout_seconds)
            )

        def send(items: Sequence[Outgoing]) -> Iterator[Sent]:
            yield from route().send(items)

        def probe() -> EchoResult:
            self.probes += 1
            return route().probe()

        return Lane(
            db=self._node.db,
            files=self._node.files,
            destination=DESTINATION,
            route=Route(route().address, send, probe),
            settings=self.settings,
            owner="courier@host",
            rng=random.Random(self._rng.random()),  # noqa: S311 -- jitter, no secret
            stop=threading.Event(),
        )

    def _figures(self, back_at: float, taken: list[str]) -> dict[str, object]:
        with self._node.db.read() as session:
            states = outbox.count_parcels(session).get(DESTINATION, {})
            sent = [at - back_at for at in session.scalars(select(Outbox.sent_at)) if at is not None]
            attempts = session.scalar(select(func.count()).select_from(DeliveryAttempt)) or 0
        bytes_of: dict[str, set[bytes]] = {}
        for one in self.received:
            bytes_of.setdefault(one.sop_instance_uid, set()).add(one.dataset)
        return {
            "seed": self.seed,
            "results": self.plan.exams * self.plan.results_of_exam,
            "delivered": states.get("sent", 0),
            "states": states,
            "uids_at_the_peer": len(set(taken)),
            "stored_more_than_once": sum(count > 1 for count in Counter(taken).values()),
            "uids_with_differing_bytes": sum(len(found) > 1 for found in bytes_of.values()),
            "first_delivery_seconds": round(min(sent), 1) if sent else None,
            "all_delivered_seconds": round(max(sent), 1) if sent else None,
            "attempts": attempts,
        }

    def close(self) -> None:
        """Close the index."""
        self._node.db.close()


def make_node(folder: Path) -> Node:
    """Make an index with an exam to which results can belong."""
    folder.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{folder / 'index.sqlite'}"
    upgrade(url)
    db = open_database(url)
    with db.write() as session:
        patient = Patient(patient_id="", issuer="")
        session.add(patient)
        session.flush()
        exam = Exam(patient_id=patient.id, study_date="", state="reported", opened_at=START, last_image_at=START)
        session.add(exam)
        session.flush()
        report = Report(
            exam_id=exam.id, version=1, inputs_sha256="", bundle_sha256="", decision={}, views=[], made_at=START
        )
        session.add(report)
        session.flush()
        number = report.id
    return Node(url, db, FileStore(folder / "store"), number)


@contextlib.contextmanager
def outage(folder: Path, plan: Plan, *, seed: int) -> Iterator[Run]:
    """Prepare an outage."""
    run = Run(folder, plan, seed)
    try:
        yield run
    finally:
        run.close()


def held(figures: dict[str, object]) -> dict[str, bool]:
    """Hold the figures of one outage to the bars."""
    first = figures["first_delivery_seconds"]
    return {
        "all delivered": figures["delivered"] == figures["uids_at_the_peer"] == figures["results"],
        "each stored once": figures["stored_more_than_once"] == 0,
        "no differing bytes": figures["uids_with_differing_bytes"] == 0,
        "first within 15 min of the return": isinstance(first, float) and 0 <= first <= 900,
    }
