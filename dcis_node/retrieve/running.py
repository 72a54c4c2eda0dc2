"""The retriever: a thread for each source, so that none waits for another."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from dcis_node.config import RetrieveSettings
from dcis_node.errors import StorageError
from dcis_node.retrieve.events import Notify, nobody
from dcis_node.retrieve.retriever import Lane, retrieve_next
from dcis_node.retrieve.source import Source
from storage.database import Database
from storage.outage import Outage
from storage.retrievals import release_leases

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5  # beside the quiet time of an exam this is nothing; an idle look costs one read


def run_retriever(
    *,
    db: Database,
    sources: Sequence[Source],
    settings: RetrieveSettings,
    merge_same_day: bool,
    owner: str,
    stop: threading.Event,
    beat: Callable[[], None],
    notify: Notify = nobody,
) -> None:
    """Serve all sources until `stop` is set, each in a thread of its own.

    Parameters
    ----------
    sources
        Who is asked. Questions for other names wait until the clock closes them.
    owner
        Name of this retriever: the same after a restart, so that it takes back what its predecessor had leased.
    stop
        Ends it after the association that is open; a move under way is waited for, within its time-outs.
    beat
        Called a few times a second, as long as no source's thread is stuck for longer than a question may take.
    notify
        The audit trail.

    Raises
    ------
    StorageError
        The index cannot be used at the start.
    """
    returned = release_leases(db, owner)
    log.info("event=retriever_start sources=%d leases_returned=%d", len(sources), returned)
    lanes = [Lane(db, source, settings, merge_same_day, owner, stop, notify=notify) for source in sources]
    ticks = {lane.source.name: time.monotonic() for lane in lanes}
    with ThreadPoolExecutor(max_workers=max(1, len(lanes)), thread_name_prefix="source") as pool:
        runs = [pool.submit(_run_lane, lane, ticks) for lane in lanes]
        while not stop.wait(POLL_SECONDS) and not any(run.done() for run in runs):
            if all(time.monotonic() - ticks[lane.source.name] < lane.longest_seconds for lane in lanes):
                beat()
        stop.set()
    for run in runs:
        run.result()


def _run_lane(lane: Lane, ticks: dict[str, float]) -> None:
    outage = Outage(log, "index_unusable", f"source={lane.source.name}")
    while not lane.stop.is_set():
        ticks[lane.source.name] = time.monotonic()
        try:
            found = retrieve_next(lane)
            outage.over()
        except StorageError as error:
            # What was leased is asked again after a restart, or given up when its exam's time and the lease are over.
            outage.failed(error)
            found = False
        if not found:
            lane.stop.wait(POLL_SECONDS)
