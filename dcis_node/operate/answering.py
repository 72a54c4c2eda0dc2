"""What `status` and the metrics say of exams that wait for their answer, and of the model that gives it."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy.orm import Session

from dcis_node.config import Configuration
from storage.overview import unanswered

# How long an exam may wait beside what the settings let it wait for its views. A burst of a day's exams on a slow
# processor takes hours; a worker that can do nothing (no room on the disk, no device) takes longer.
LONG_SECONDS = 4 * 3600.0


def waiting_status(configuration: Configuration, session: Session, *, now: float) -> dict[str, Any]:
    """Say how many exams still wait for their answer, and since when; `late` are those that wait too long."""
    patience = LONG_SECONDS + configuration.exam.deadline_seconds
    if configuration.retrieve.sources:
        patience += configuration.retrieve.wait_seconds
    exams, since = unanswered(session)
    late, _ = unanswered(session, before=now - patience)
    return {"exams": exams, "since": since, "late": late}


def answering_figures(waiting: Mapping[str, Any], bundle: Mapping[str, Any], *, now: float) -> Iterator[Metric]:
    """Give the same as figures."""
    since = waiting["since"]
    yield GaugeMetricFamily(
        "dcis_node_exam_oldest_waiting_seconds",
        "For how long the oldest exam without its answer has had its last image; 0 if none waits",
        value=0.0 if since is None else max(0.0, now - since),
    )
    yield GaugeMetricFamily(
        "dcis_node_bundle_refused",
        "1 if the model that should judge could not be taken",
        value=float(bool(bundle["refused"])),
    )
    used = GaugeMetricFamily(
        "dcis_node_bundle_in_use",
        "The model that judges, 1 for each; synthetic=true has no clinical meaning",
        labels=("name", "version", "sha256", "synthetic"),
    )
    for one in {bundle_["sha256"]: bundle_ for bundle_ in bundle["in_use"]}.values():
        used.add_metric((one["name"], one["version"], one["sha256"], str(one["synthetic"]).lower()), 1.0)
    yield used
