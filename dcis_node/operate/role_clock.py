"""The clock process."""

from dcis_node.config import Configuration
from dcis_node.operate.audit.forwarder import forwarder_of, forwarding
from dcis_node.operate.audit.trail import audit_trail
from dcis_node.operate.clock import Watch, run_clock
from dcis_node.operate.clock_jobs import clock_jobs, follow_step
from dcis_node.operate.clock_trust import Trust
from dcis_node.operate.metrics import registry_of
from dcis_node.operate.metrics_server import serving_metrics
from dcis_node.operate.process import running_process


def run_clock_role(configuration: Configuration, name: str, *, lifeline: int | None) -> None:
    """Be the clock: look every second which exams are complete or out of time; keep the house by night."""
    with (
        running_process(configuration, name, lifeline=lifeline) as process,
        audit_trail(configuration, name, is_node=lifeline is None) as trail,
        forwarding(forwarder_of(configuration)),
        serving_metrics(configuration.metrics, registry_of(configuration, process.db)),
    ):
        # A clock that was wrong before the start has left its moments too.
        follow_step(configuration, process)
        trust = Trust(process.db)

        def stepped() -> None:
            # Should this fail, the next look at the clock sees the step all the same.
            follow_step(configuration, process)
            trust.look()

        watch = Watch(on_step=stepped)
        jobs = clock_jobs(configuration, process, tell=trail.tell, trust=trust)
        run_clock(jobs, stop=process.stop, beat=process.beat, watch=watch)
