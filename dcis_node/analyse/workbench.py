"""What a worker works with, and how it holds what it has claimed."""

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dcis_node.analyse.exam_answer import BuildResults, Decider
from dcis_node.analyse.lease import LeaseKeeper
from dcis_node.analyse.models import Models
from dcis_node.config import AnalyseSettings
from dcis_node.errors import UnusableIndexError
from dcis_node.model.bundle import Bundle
from dcis_node.results.answer import Equipment
from dcis_node.results.exam_results import build_results
from dcis_node.results.profiles import Destination
from storage.database import Database
from storage.files import FileStore
from storage.work import Claim, ExamClaim, ViewClaim, give_back_exam, give_back_view


def nothing(*_: object) -> None:
    """Be the beat of a worker that nobody watches."""


@dataclass(frozen=True, eq=False)
class Workbench:
    """All that a worker works with; the tests put slower or weaker tools on it.

    Parameters
    ----------
    models
        The ensembles, by bundle.
    owner
        Name under which leases are held.
    beat
        Shows that the process lives; cheap to call often.
    hangs
        Called, from another thread, when an item takes longer than it may.
    clock
        Gives Unix seconds.
    owed
        Claims on items that have ended while the index could not be used: to be given back, untried, once it can.
    """

    db: Database
    files: FileStore
    models: Models
    settings: AnalyseSettings
    equipment: Equipment
    destinations: tuple[Destination, ...]
    owner: str
    build: BuildResults = build_results
    beat: Callable[[], None] = nothing
    hangs: Callable[[], None] = nothing
    clock: Callable[[], float] = field(default=time.time)
    owed: list[ViewClaim | ExamClaim] = field(default_factory=list)

    def decider(self, bundle: Bundle) -> Decider:
        """Give what deciding an exam by that bundle needs."""
        return Decider(self.db, self.files, bundle, self.equipment, self.destinations, build=self.build)


def keeper(bench: Workbench, claim: Claim) -> LeaseKeeper[Claim]:
    """Give what holds a claim while its item is worked on."""
    return LeaseKeeper(
        bench.db,
        claim,
        lease_seconds=bench.settings.lease_seconds,
        clock=bench.clock,
        beat=bench.beat,
        item_seconds=bench.settings.item_timeout_seconds,
        hangs=bench.hangs,
    )


@contextmanager
def owing(bench: Workbench, lease: LeaseKeeper[Claim]) -> Iterator[None]:
    """Keep in mind the claim on an item whose end cannot be written as the index cannot be used.

    Its lease would run out by itself, but only after minutes, and as a try of its own.
    """
    try:
        yield
    except UnusableIndexError:
        bench.owed.append(lease.claim)
        raise


def give_back_owed(bench: Workbench) -> None:
    """Give back untried what was kept in mind; who has taken it meanwhile keeps it.

    Raises
    ------
    StorageError
        The index still cannot be used: what is left stays in mind.
    """
    while bench.owed:
        claim = bench.owed[-1]
        if isinstance(claim, ViewClaim):
            give_back_view(bench.db, claim, retry_at=bench.clock())
        else:
            give_back_exam(bench.db, claim, retry_at=bench.clock())
        bench.owed.pop()


def where(error: BaseException) -> str:
    """Name the line an error came from; never its text, which may quote the patient."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"
