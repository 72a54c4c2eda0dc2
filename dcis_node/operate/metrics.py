"""Figures for a monitoring system, in Prometheus' format: counts and times of the node, nothing of any patient."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from dcis_node import __version__
from dcis_node.config import Configuration
from dcis_node.operate.answering import answering_figures, waiting_status
from dcis_node.operate.audit.backlog import audit_status
from dcis_node.operate.certificate import tls_status
from dcis_node.operate.deliveries import delivery_figures, delivery_status
from dcis_node.operate.status import bundle_status, bundles_told, disk_status, is_alive, volumes_status
from dcis_node.operate.supervision_figures import supervision_figures
from storage.database import Database
from storage.heartbeat import Beat, beats
from storage.maintenance import work_done
from storage.overview import EXAM_STATES, VIEW_STATES, count_failed, queues
from storage.retrievals import STATES as RETRIEVAL_STATES

log = logging.getLogger(__name__)

OUTBOX_STATES = ("due", "leased", "sent", "proven", "dead", "dismissed")


def metrics_text(configuration: Configuration, db: Database) -> str:
    """Give what a scrape gives now."""
    return generate_latest(registry_of(configuration, db)).decode()


def registry_of(configuration: Configuration, db: Database) -> CollectorRegistry:
    """Make a registry that reads the node at each scrape; it holds nothing of its own."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(NodeCollector(lambda: tuple(figures(configuration, db, now=time.time()))))
    return registry


class NodeCollector(Collector):
    """Asks for all figures at each scrape; where they cannot be read, says only that.

    Parameters
    ----------
    read
        Gives them; may raise.
    """

    def __init__(self, read: Callable[[], tuple[Metric, ...]]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Give the figures of this moment."""
        try:
            found = self._read()
        except Exception as error:  # noqa: BLE001 -- the edge to whoever fetches: recorded, and said
            log.error("event=metrics_unreadable error=%s", type(error).__name__)
            found = ()
        yield _gauge("readable", "1 if index and files could be read for this scrape", 1.0 if found else 0.0)
        yield from found

    def describe(self) -> Iterator[Metric]:
        """Name nothing beforehand: a registry would scrape once to find out."""
        return iter(())


def figures(configuration: Configuration, db: Database, *, now: float) -> Iterator[Metric]:
    """Read all figures of a node, whether or not it runs.

    Raises
    ------
    StorageError
        The index cannot be read.
    OSError
        The audit trail cannot be read.
    """
    with db.read() as session:
        seen, counted, works = beats(session), queues(session), work_done(session)
        deliveries = delivery_status(configuration, session, now=now)
        failed, waiting = count_failed(session), waiting_status(configuration, session, now=now)
    details = {beat.process: json.loads(beat.detail) if beat.detail else {} for beat in seen}
    yield InfoMetricFamily("dcis_node", "Which node this is", {"version": __version__, "aet": configuration.node.aet})
    yield from _queue_figures(counted)
    yield _gauge("exams_to_look_at", "Exams without an answer or an analysis that nobody has dismissed", failed)
    yield from answering_figures(waiting, bundle_status(configuration, bundles_told(seen)), now=now)
    yield from delivery_figures(configuration, deliveries)
    yield from _process_figures(seen, details, now)
    yield from supervision_figures(seen)
    yield from _disk_figures(disk_status(configuration))
    yield from _clock_figures(details, volumes_status(works))
    yield from _tls_figures(configuration, details, now)
    yield _labelled(
        "maintenance_finished_timestamp_seconds",
        "When each nightly work ended last",
        {work.name: work.finished_at for work in works},
        label="work",
    )
    yield _labelled(
        "maintenance_ok",
        "1 if its last run found all well",
        {work.name: float(work.ok) for work in works},
        label="work",
    )
    yield from _audit_figures(audit_status(configuration, now=now))


def _queue_figures(counted: Mapping[str, Any]) -> Iterator[Metric]:
    yield _gauge("instances", "Instances in the index", counted["instances"])
    yield _gauge("conflicts", "Instances that came with other bytes under a known UID", counted["conflicts"])
    yield _labelled("views", "Instances by what became of their analysis", _all(VIEW_STATES, counted["views"]))
    yield _labelled("exams", "Exams by state", _all(EXAM_STATES, counted["exams"]))
    yield _labelled("retrievals", "Questions for missing views by state", _all(RETRIEVAL_STATES, counted["retrievals"]))
    outbox = GaugeMetricFamily("dcis_node_outbox", "Results by destination and state", labels=("destination", "state"))
    for destination, states in counted["outbox"].items():
        for state, count in _all(OUTBOX_STATES, states).items():
            outbox.add_metric((destination, state), count)
    yield outbox
    for name, text in (
        ("unproven", "Results whose proof of arrival is still to come, by destination"),
        ("open_requests", "Requests for storage commitment without a report, by destination"),
    ):
        values = {destination: counted["proofs"].get(destination, {}).get(name, 0) for destination in counted["outbox"]}
        yield _labelled(f"proof_{name}", text, values, label="destination")


def _process_figures(seen: tuple[Beat, ...], details: Mapping[str, Any], now: float) -> Iterator[Metric]:
    alive = {beat.process: float(is_alive(beat, now)) for beat in seen}
    yield _labelled("process_alive", "1 if a process has shown a sign of life lately", alive, label="process")
    restarts = CounterMetricFamily(
        "dcis_node_process_restarts", "How often the supervisor started a process again", labels=("process",)
    )
    for process, count in details.get("supervisor", {}).get("restarts", {}).items():
        restarts.add_metric((process,), count)
    yield restarts
    faults = CounterMetricFamily(
        "dcis_node_job_faults", "Jobs of the clock that failed, came late or overran", labels=("job", "fault")
    )
    refusals = CounterMetricFamily(
        "dcis_node_refusals", "Peers refused or ended for what they did", labels=("process", "rule")
    )
    for process, detail in details.items():
        for job, state in detail.get("jobs", {}).items():
            for fault, count in state["faults"].items():
                faults.add_metric((job, fault), count)
        for rule, count in detail.get("peers_refused", {}).items():
            refusals.add_metric((process, rule), count)
    yield faults
    yield refusals


def _disk_figures(disk: Mapping[str, Any]) -> Iterator[Metric]:
    yield _gauge("disk_free_bytes", "Free bytes where images go", disk["free_bytes"])
    yield _gauge("disk_reserve_bytes", "Free bytes below which images are refused", disk["reserve_bytes"])
    yield _gauge("disk_refusing", "1 if images are refused for want of disk", float(bool(disk["refusing"])))


def _clock_figures(details: Mapping[str, Any], volumes: Mapping[str, Any]) -> Iterator[Metric]:
    jobs = {name: job for detail in details.values() for name, job in detail.get("jobs", {}).items()}
    ok = {name: float(job["ok"]) for name, job in jobs.items()}
    yield _labelled("job_ok", "0 if a job of the clock failed last, is late or hangs", ok, label="job")
    sizes = {sort: volumes.get(f"{sort}_bytes", 0) for sort in ("image", "result", "backup")}
    yield _labelled("store_bytes", "Bytes that images, results and backups take", sizes, label="sort")


def _tls_figures(configuration: Configuration, details: Mapping[str, Any], now: float) -> Iterator[Metric]:
    told = [detail["tls"] for detail in details.values() if "tls" in detail]
    tls = tls_status(configuration, told, now=now)
    if not tls["configured"]:
        return
    if tls["days_left"] is not None:
        yield _gauge("tls_days_left", "Days until our certificate expires", tls["days_left"])
    yield _gauge("tls_faulty", "1 if our certificate does not hold or cannot be read", float(bool(tls["fault"])))


def _audit_figures(audit: Mapping[str, Any]) -> Iterator[Metric]:
    yield _gauge("audit_kept_bytes", "Bytes of the audit trail on this disk", audit["kept_bytes"])
    yield _gauge("audit_waiting", "Audit messages that the repository does not have yet", audit["waiting"])
    yield _gauge("audit_failing", "1 if the last try to send the audit trail failed", float(bool(audit["failure"])))
    if audit["sent_at"] is not None:
        yield _gauge("audit_sent_timestamp_seconds", "When the repository took messages last", audit["sent_at"])


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"dcis_node_{name}", text, value=value)


def _labelled(name: str, text: str, values: Mapping[str, float], *, label: str = "state") -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"dcis_node_{name}", text, labels=(label,))
    for key, value in values.items():
        family.add_metric((key,), value)
    return family


def _all(states: tuple[str, ...], counts: Mapping[str, int]) -> dict[str, float]:
    """Say 0 where there is none: an alert on a figure that is missing never rings."""
    return {state: float(counts.get(state, 0)) for state in (*states, *sorted(set(counts) - set(states)))}
