"""The jobs of the clock: which there are, how often they ring, and what each does."""

import time
from collections.abc import Callable
from itertools import count

from dcis_node.analyse.completeness import sweep_open_exams
from dcis_node.config import Configuration
from dcis_node.operate.audit.events import Event
from dcis_node.operate.backups import is_backup_overdue, nightly_backup
from dcis_node.operate.clock import DailyJob, Job, Part
from dcis_node.operate.disk_watch import DiskWatch, count_all
from dcis_node.operate.process import Process
from dcis_node.operate.retention import Retained, RetentionOrder, is_disk_short, run_retention
from dcis_node.operate.upkeep import SweepOrder, run_sweep
from storage.time_steps import LongestWaits, bring_back

COMPLETENESS_SECONDS = 1.0
DISK_SECONDS = 60.0
# On a nearly full disk images leave before the night; a busy hour brings a few gigabytes.
SHORT_SECONDS = 900.0
SHORT_MOST_SECONDS = 6 * 3600.0
# A day at most for what a peer may take its time over (see `dcis_node.config.delivery`).
PROOF_SECONDS = 86400.0


def clock_jobs(
    configuration: Configuration, process: Process, *, tell: Callable[[Event], None]
) -> tuple[Job | DailyJob, ...]:
    """Give the jobs of a node; requests for commitment expire where they are asked, in the courier."""
    db, files = process.db, process.files
    order = RetentionOrder(tell=tell, should_stop=process.stop.is_set)
    watch = DiskWatch(configuration, db, files)
    nights = count()

    def completeness() -> None:
        sweep_open_exams(db, configuration.exam, now=time.time())

    def sweep() -> None:
        run_sweep(configuration, db, files, SweepOrder(should_stop=process.stop.is_set))

    def backup() -> None:
        # At the start only what was due while the node was off.
        if next(nights) or is_backup_overdue(db, now=time.time()):
            nightly_backup(configuration, db)

    def retention() -> None:
        run_retention(configuration, db, files, order)

    def when_short() -> None:
        if is_disk_short(configuration) and removed_anything(run_retention(configuration, db, files, order)):
            count_all(configuration, db, files)

    def volumes() -> None:
        count_all(configuration, db, files)

    night = (Part("sweep", sweep), Part("backup", backup), Part("retention", retention), Part("volumes", volumes))
    return (
        Job("completeness", COMPLETENESS_SECONDS, completeness),
        Job("disk", DISK_SECONDS, watch.look),
        Job("retention_when_short", SHORT_SECONDS, when_short, most_seconds=SHORT_MOST_SECONDS),
        DailyJob("night", configuration.maintenance.time, at_start=True, parts=night),
    )


def removed_anything(retained: Retained) -> bool:
    """Tell whether a run has made room."""
    return any(gone.files for gone in retained.gone.values())


def follow_step(configuration: Configuration, process: Process) -> None:
    """Let nothing in the index wait for a time that a wrong clock has set.

    Raises
    ------
    StorageError
        The index cannot be used.
    """
    deliver = configuration.deliver
    waits = LongestWaits(
        delivery=deliver.backoff_most_seconds,
        proof=max(PROOF_SECONDS, deliver.commitment_timeout_seconds),
        delivery_lease=deliver.lease_seconds,
        analysis_lease=configuration.analyse.lease_seconds,
    )
    bring_back(process.db, waits, now=time.time())
