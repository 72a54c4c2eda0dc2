"""What leaves the node: chosen by the rule, removed, told to log, audit trail and `status`."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from dcis_node.config import Configuration
from dcis_node.errors import StorageError
from dcis_node.operate.audit.events import Event, StudyRemoved
from dcis_node.operate.nightly import RETENTION
from dcis_node.receive.header import header_bytes
from storage.cohort_holds import held_images
from storage.database import Database
from storage.files import FileStore
from storage.forgetting import forget_exam
from storage.leaving import Door, Left, lose_images, lose_results
from storage.maintenance import WorkDone, record_work
from storage.retention_facts import kept_exams
from storage.retention_rule import KeptExam, Plan, Terms, choose, may_lose_images, may_lose_results, may_lose_rows
from storage.space import Space, space_of
from storage.sweep import GRACE_SECONDS

log = logging.getLogger(__name__)

IMAGES, RESULTS, ROWS = "images", "results", "rows"


@dataclass(frozen=True)
class RetentionOrder:
    """How retention is to be done.

    Parameters
    ----------
    now
        Gives Unix seconds.
    tell
        The audit trail.
    should_stop
        Asked between two exams; what is left is done by the next run.
    space
        Gives the space of a folder.
    """

    now: Callable[[], float] = time.time
    tell: Callable[[Event], None] = lambda _: None
    should_stop: Callable[[], bool] = lambda: False
    space: Callable[[Path], Space] = space_of
    grace_seconds: float = GRACE_SECONDS


@dataclass
class Gone:
    """What left in one step: exams, files, bytes."""

    exams: int = 0
    files: int = 0
    size_bytes: int = 0

    def add(self, left: Left) -> None:
        """Count one exam."""
        self.exams += 1
        self.files += left.files
        self.size_bytes += left.size_bytes


@dataclass
class Retained:
    """What a run came to.

    Parameters
    ----------
    gone
        By step: `images`, `results`, `rows`.
    early
        Exams whose images were chosen before their time, as the disk is nearly full.
    staying
        Exams of which nothing leaves, by the reason (see `storage.retention_rule.Stay`).
    held
        Images that stay as a training cohort names them.
    short_bytes
        How much less than `retention.free_bytes` is free afterwards.
    fault
        Why no image was removed, or why the run ended; "" if all is well.
    postponed
        Why nothing was looked at; "" if it was.
    """

    gone: dict[str, Gone] = field(default_factory=lambda: {name: Gone() for name in (IMAGES, RESULTS, ROWS)})
    early: int = 0
    staying: dict[str, int] = field(default_factory=dict)
    held: int = 0
    short_bytes: int = 0
    fault: str = ""
    postponed: str = ""
    stopped: bool = False
    dry_run: bool = False

    @property
    def ok(self) -> bool:
        """False if a person has to look."""
        return not self.fault

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        values = {**vars(self), "gone": {name: vars(gone) for name, gone in self.gone.items()}}
        return {"ok": self.ok, **values}


def terms_of(configuration: Configuration) -> Terms:
    """Give the settings as the rule takes them."""
    settings, destinations = configuration.retention, configuration.destinations
    return Terms(
        images_days=settings.images_days,
        results_days=settings.results_days,
        rows_days=settings.rows_days,
        least_days=settings.least_days,
        unasked=frozenset(d.name for d in destinations if d.proof == "none"),
        known=frozenset(d.name for d in destinations),
    )


def plan_retention(configuration: Configuration, db: Database, order: RetentionOrder | None = None) -> Retained:
    """Say what would leave now; nothing is changed."""
    order = order or RetentionOrder()
    retained, plan, _ = _planned(configuration, db, order)
    retained.dry_run, retained.short_bytes = True, _short(configuration, order)
    for name, exams in ((IMAGES, plan.images), (RESULTS, plan.results), (ROWS, plan.rows)):
        sizes = [exam.image_bytes for exam in exams] if name == IMAGES else [0 for _ in exams]
        files = sum(exam.images if name == IMAGES else exam.others for exam in exams)
        retained.gone[name] = Gone(len(exams), files if name != ROWS else 0, sum(sizes))
    return retained


def run_retention(
    configuration: Configuration, db: Database, files: FileStore, order: RetentionOrder | None = None
) -> Retained:
    """Let leave what may, and keep in the index how it went.

    Raises
    ------
    StorageError
        The index cannot be used.
    OSError
        The disk is full or failed. What has left has left.
    """
    order = order or RetentionOrder()
    started = order.now()
    retained, plan, held = _planned(configuration, db, order)
    terms = terms_of(configuration)
    door = Door(db, files, header_bytes, now=started, held=held, grace_seconds=order.grace_seconds)
    early = partial(may_lose_images, terms=terms, now=started, early=plan.early > 0)
    steps: tuple[tuple[str, Iterable[KeptExam], Callable[[int], Left | None]], ...] = (
        (IMAGES, plan.images, lambda exam: lose_images(door, exam, early)),
        (RESULTS, plan.results,
         lambda exam: lose_results(door, exam, partial(may_lose_results, terms=terms, now=started))),
        (ROWS, plan.rows, lambda exam: forget_exam(door, exam, partial(may_lose_rows, terms=terms, now=started))),
    )  # fmt: skip
    try:
        for name, exams, leave in steps:
            _let_leave(name, exams, leave, retained, order)
    except (StorageError, OSError) as error:
        retained.fault = str(error) if isinstance(error, StorageError) else f"disk: {error.strerror}"
        raise
    finally:
        retained.short_bytes = _short(configuration, order)
        _record(db, retained, started, order.now())
    return retained


def postpone_retention(db: Database, why: str, *, now: float) -> Retained:
    """Let nothing leave, and keep in the index why; gives a run that came to nothing.

    Raises
    ------
    StorageError
        The index cannot be used.
    """
    retained = Retained(postponed=why)
    with db.write() as session:
        record_work(session, WorkDone(RETENTION, now, now, retained.ok, retained.to_json()))
    log.warning("event=retention_postponed text='%s'", why)
    return retained


def is_disk_short(configuration: Configuration, *, space: Callable[[Path], Space] = space_of) -> bool:
    """Tell whether less is free than retention is to keep free."""
    return _short(configuration, RetentionOrder(space=space)) > 0


def _planned(
    configuration: Configuration, db: Database, order: RetentionOrder
) -> tuple[Retained, Plan, frozenset[str]]:
    """Choose. A cohort that cannot be read may name any image: none leaves then, nor what comes after it."""
    retained, held = Retained(), frozenset[str]()
    try:
        held = held_images(configuration.cohort_folders)
    except StorageError as error:
        retained.fault = f"{error}: no image leaves until it can be read, or is taken out of retention.cohorts"
    now, terms = order.now(), terms_of(configuration)
    plan = choose(kept_exams(db, held=held), terms, now=now, wanted_bytes=_short(configuration, order))
    if retained.fault:
        plan = replace(plan, images=(), early=0, staying={**plan.staying, "cohort": len(plan.images)})
    retained.early, retained.staying, retained.held = plan.early, dict(plan.staying), plan.held
    return retained, plan, held


def _let_leave(
    name: str,
    exams: Iterable[KeptExam],
    leave: Callable[[int], Left | None],
    retained: Retained,
    order: RetentionOrder,
) -> None:
    for exam in exams:
        if order.should_stop():
            retained.stopped = True
            return
        left = leave(exam.id)
        if left is None:
            continue
        retained.gone[name].add(left)
        for study, sop_classes in left.studies:
            order.tell(StudyRemoved(name, exam.id, study, sop_classes, whole=left.whole))
        log.info("event=left what=%s exam=%d files=%d bytes=%d", name, exam.id, left.files, left.size_bytes)


def _short(configuration: Configuration, order: RetentionOrder) -> int:
    """Give how many bytes too few are free; 0 if that cannot be asked: the disk's own alarm says why."""
    try:
        return max(0, configuration.retention.free_bytes - order.space(configuration.folder).free_bytes)
    except OSError:
        return 0


def _record(db: Database, retained: Retained, started: float, finished: float) -> None:
    detail = retained.to_json()
    with db.write() as session:
        record_work(session, WorkDone(RETENTION, started, finished, retained.ok, detail))
    counts = " ".join(
        f"{name}_exams={gone.exams} {name}_files={gone.files} {name}_bytes={gone.size_bytes}"
        for name, gone in retained.gone.items()
    )
    staying = " ".join(f"{reason}={count}" for reason, count in sorted(retained.staying.items()))
    level = logging.INFO if retained.ok else logging.ERROR
    log.log(
        level,
        "event=retention ok=%s seconds=%.1f %s early=%d held=%d short_bytes=%d staying='%s' fault='%s'",
        retained.ok, finished - started, counts, retained.early, retained.held, retained.short_bytes, staying,
        retained.fault,
    )  # fmt: skip
