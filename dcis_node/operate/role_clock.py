"""The clock process."""

import time
from itertools import count

from dcis_node.config import Configuration
from dcis_node.operate.audit.forwarder import forwarder_of, forwarding
from dcis_node.operate.backups import is_backup_overdue, nightly_backup
from dcis_node.operate.clock import DailyJob, Job, run_clock
from dcis_node.operate.metrics import registry_of
from dcis_node.operate.metrics_server import serving_metrics
from dcis_node.operate.process import running_process
from dcis_node.operate.sweeping import sweep_exams
from dcis_node.operate.upkeep import SweepOrder, run_sweep

SWEEP_SECONDS = 1.0


def run_clock_role(configuration: Configuration, name: str, *, lifeline: int | None) -> None:
    """Be the clock: look every second which exams are complete or out of time; sweep and back up at night."""
    with (
        running_process(configuration, name, lifeline=lifeline) as process,
        forwarding(forwarder_of(configuration)),
        serving_metrics(configuration.metrics, registry_of(configuration, process.db)),
    ):

        def sweep() -> None:
            sweep_exams(configuration, process.db, now=time.time())

        def sweep_store() -> None:
            run_sweep(configuration, process.db, process.files, SweepOrder(should_stop=process.stop.is_set))

        turns = count()

        def night() -> None:
            try:
                sweep_store()
            finally:
                # At the start only what was due while the node was off.
                if next(turns) or is_backup_overdue(process.db, now=time.time()):
                    nightly_backup(configuration, process.db)

        jobs = (
            Job("completeness", SWEEP_SECONDS, sweep),
            DailyJob("night", configuration.maintenance.time, night, at_start=True),
        )
        run_clock(jobs, stop=process.stop, beat=process.beat)
