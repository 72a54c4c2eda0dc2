"""A courier's lane that lives on a virtual clock."""

import random
import threading
from dataclasses import dataclass

from sqlalchemy import func, select

from dcis_node.config import DeliverSettings
from dcis_node.deliver.lane import Lane, deliver_next
from storage import destinations
from storage.schema import Outbox
from tests.deliver.helpers import NOW

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@dataclass
class Clock:
    """What the wall clock shows; the tests set it, rightly or wrongly."""

    now: float = NOW


def lane_to(node, route, *, seed=1, **settings):
    return Lane(
        db=node.db,
        files=node.files,
        destination="pacs",
        route=route,
        settings=DeliverSettings(**settings),
        owner="a",
        rng=random.Random(seed),  # noqa: S311 -- jitter, not a secret
        stop=threading.Event(),
    )


def live(context, clock, *, until):
    """Deliver until a moment; the clock goes on to whenever there is something to do."""
    while clock.now < until:
        if deliver_next(context, now=clock.now):
            clock.now += 0.1
            continue
        seen = destinations.condition(context.db, "pacs")
        with context.db.read() as session:
            due = session.scalar(select(func.min(Outbox.next_try_at)).where(Outbox.state == "due"))
        wake = until if due is None else seen.next_probe_at if seen.is_open else due
        clock.now = min(until, max(clock.now, wake) + 0.1)
