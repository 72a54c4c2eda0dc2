"""The jobs of the clock: which there are, how often they ring, and what each does."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from dcis_node.config import Configuration
from dcis_node.deliver.lane import lease_of
from dcis_node.operate.audit.events import Event
from dcis_node.operate.backups import is_backup_overdue, nightly_backup
from dcis_node.operate.clock import DailyJob, Job, Part
from dcis_node.operate.clock_trust import Trust
from dcis_node.operate.disk_watch import DiskWatch, count_all
from dcis_node.operate.process import Process
from dcis_node.operate.retention import (
    Retained,
    RetentionOrder,
    is_disk_short,
    postpone_retention,
    run_retention,
)
from dcis_node.operate.sweeping import sweep_exams
from dcis_node.operate.upkeep import SweepOrder, run_sweep
from dcis_node.retrieve.rule import longest_seconds
from storage import retrievals
from storage.commitments import expire
from storage.proofs import take_up
from storage.time_steps import LongestWaits, bring_back

log = logging.getLogger(__name__)

COMPLETENESS_SECONDS = 1.0
DISK_SECONDS = 60.0
# The courier lets requests expire before it asks; those to a destination that left the settings expire here.
COMMITMENT_SECONDS = 60.0
# The sweep and the retriever close most questions; those of a source that left the settings are closed here.
RETRIEVAL_SECONDS = 60.0
WALL_CLOCK_SECONDS = 60.0
# On a nearly full disk images leave before the night; a busy hour brings a few gigabytes.
SHORT_SECONDS = 900.0
SHORT_MOST_SECONDS = 6 * 3600.0
# A day at most for what a peer may take its time over (see `dcis_node.config.delivery`).
PROOF_SECONDS = 86400.0


def clock_jobs(
    configuration: Configuration, process: Process, *, tell: Callable[[Event], None], trust: Trust
) -> tuple[Job | DailyJob, ...]:
    """Give the jobs of a node."""
    work = _Work(configuration, process, RetentionOrder(tell=tell, should_stop=process.stop.is_set), trust)
    night = (
        Part("sweep", work.sweep),
        Part("backup", work.backup),
        Part("retention", work.retention),
        Part("volumes", work.volumes),
    )
    return (
        Job("completeness", COMPLETENESS_SECONDS, work.completeness),
        Job("commitment_timeouts", COMMITMENT_SECONDS, work.commitment_timeouts),
        Job("retrieval_timeouts", RETRIEVAL_SECONDS, work.retrieval_timeouts),
        Job("wall_clock", WALL_CLOCK_SECONDS, trust.look),
        Job("disk", DISK_SECONDS, DiskWatch(configuration, process.db, process.files).look),
        Job("retention_when_short", SHORT_SECONDS, work.when_short, most_seconds=SHORT_MOST_SECONDS),
        DailyJob("night", configuration.maintenance.time, at_start=True, parts=night),
    )


@dataclass
class _Work:
    """What each job does."""

    configuration: Configuration
    process: Process
    order: RetentionOrder
    trust: Trust
    nights: int = 0

    def completeness(self) -> None:
        sweep_exams(self.configuration, self.process.db, now=time.time())

    def commitment_timeouts(self) -> None:
        if expired := expire(self.process.db, now=time.time()):
            log.warning("event=commitment_expired requests=%d", expired)

    def retrieval_timeouts(self) -> None:
        longest = longest_seconds(self.configuration.retrieve)
        if expired := retrievals.expire_all(self.process.db, longest_seconds=longest, now=time.time()):
            log.warning("event=retrieval_expired questions=%d", expired)

    def sweep(self) -> None:
        self.nights += 1
        order = SweepOrder(should_stop=self.process.stop.is_set)
        run_sweep(self.configuration, self.process.db, self.process.files, order)

    def backup(self) -> None:
        # At the start only what was due while the node was off.
        if self.nights > 1 or is_backup_overdue(self.process.db, now=time.time()):
            nightly_backup(self.configuration, self.process.db)

    def retention(self) -> None:
        # Not at the start: a machine may begin with a wrong clock, and nothing is urgent.
        if self.nights > 1:
            self._remove()

    def when_short(self) -> None:
        if is_disk_short(self.configuration) and removed_anything(self._remove()):
            self.volumes()

    def volumes(self) -> None:
        count_all(self.configuration, self.process.db, self.process.files)

    def _remove(self) -> Retained:
        if self.trust.look():
            return run_retention(self.configuration, self.process.db, self.process.files, self.order)
        return postpone_retention(self.process.db, self.trust.why_not, now=time.time())


def removed_anything(retained: Retained) -> bool:
    """Tell whether a run has made room."""
    return any(gone.files for gone in retained.gone.values())


def follow_step(configuration: Configuration, process: Process) -> None:
    """Let nothing in the index wait for a time that a wrong clock has set, and no proof be given up for it.

    Raises
    ------
    StorageError
        The index cannot be used.
    """
    deliver = configuration.deliver
    waits = LongestWaits(
        delivery=deliver.backoff_most_seconds,
        proof=max(PROOF_SECONDS, deliver.commitment_timeout_seconds),
        delivery_lease=max(
            [deliver.lease_seconds, *(lease_of(deliver, one.timeout_seconds) for one in configuration.destinations)]
        ),
        analysis_lease=configuration.analyse.lease_seconds,
    )
    now = time.time()
    bring_back(process.db, waits, now=now)
    for one in configuration.destinations:
        if one.proof != "none":
            take_up(process.db, one.name, now=now)
