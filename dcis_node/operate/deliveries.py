"""What `status` and the metrics say of deliveries: open breakers, late results, dead letters."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy.orm import Session

from dcis_node.config import Configuration
from dcis_node.deliver.watch import LONG_SECONDS
from storage.destinations import conditions
from storage.undelivered import dead_letters, stuck


def delivery_status(configuration: Configuration, session: Session, *, now: float) -> dict[str, Any]:
    """Read how deliveries stand.

    Returns
    -------
    dict
        `breakers`: each destination that failed as a whole and has not answered for an object since; `alarm` is true
        once its breaker is open for an hour. `stuck`: results that were made over an hour ago and still wait, by
        destination. `dead`: what was given up, by destination and reason.
    """
    names = {destination.name for destination in configuration.destinations}
    return {
        "breakers": [
            {
                "destination": one.destination,
                "state": "open" if one.is_open else "closed",
                "failures": one.failures,
                "changed_at": one.changed_at,
                "next_probe_at": one.next_probe_at if one.is_open else None,
                "reason": one.last_error,
                "alarm": one.is_open and now - one.changed_at >= LONG_SECONDS,
            }
            for one in conditions(session)
            if one.destination in names and (one.is_open or one.failures)
        ],
        "stuck": stuck(session, before=now - LONG_SECONDS),
        "dead": dead_letters(session),
    }


def delivery_figures(configuration: Configuration, deliveries: Mapping[str, Any]) -> Iterator[Metric]:
    """Give the same as figures: 0 where all is well, since an alert on a figure that is missing never rings."""
    names = sorted({*(one.name for one in configuration.destinations), *deliveries["stuck"]})
    opened = {one["destination"] for one in deliveries["breakers"] if one["state"] == "open"}
    breakers = GaugeMetricFamily(
        "dcis_node_breaker_open", "1 while a destination is only probed, as it failed", labels=("destination",)
    )
    late = GaugeMetricFamily(
        "dcis_node_outbox_stuck", "Results that wait for over an hour, by destination", labels=("destination",)
    )
    for name in names:
        breakers.add_metric((name,), float(name in opened))
        late.add_metric((name,), deliveries["stuck"].get(name, {}).get("results", 0))
    yield breakers
    yield late
