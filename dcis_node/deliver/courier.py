"""The courier: a thread for each destination, so that none waits for another."""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from dcis_node.config import DeliverSettings, DestinationSettings
from dcis_node.deliver.events import Notify, nobody
from dcis_node.deliver.lane import Lane, deliver_next
from dcis_node.deliver.outcome import PeerAddress
from storage import outbox
from storage.database import Database
from storage.files import FileStore

__all__ = ["Lane", "deliver_next", "run_courier"]

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25  # results leave this soon after they were made; an idle look costs one read


def run_courier(
    *,
    db: Database,
    files: FileStore,
    destinations: Sequence[DestinationSettings],
    settings: DeliverSettings,
    aet: str,
    owner: str,
    stop: threading.Event,
    beat: Callable[[], None],
    notify: Notify = nobody,
) -> None:
    """Serve all destinations until `stop` is set, each in a thread of its own: none waits for another.

    Parameters
    ----------
    db, files
        Index and stored results.
    destinations
        Where results go. Rows for other names stay in the outbox.
    settings
        Waits and leases.
    aet
        Our AE title, for destinations that set no `calling_aet`.
    owner
        Name of this courier: the same after a restart, so that it takes back what its predecessor had leased.
    stop
        Ends the courier after the object that is being sent; that may take several times `settings.timeout_seconds`.
    beat
        Called a few times a second, as long as no destination's thread has been stuck for longer than a lease.

    notify
        The audit trail.

    Raises
    ------
    StorageError
        The index cannot be used; whatever was under way stays leased until the next start.
    """
    returned = outbox.release_leases(db, owner)
    log.info("event=courier_start destinations=%d leases_returned=%d", len(destinations), returned)
    _warn_of_strangers(db, destinations)
    leave = threading.Event()
    ticks: dict[str, float] = {}
    lanes = [
        _lane(
            destination,
            db=db,
            files=files,
            settings=settings,
            aet=aet,
            owner=owner,
            stop=leave,
            ticks=ticks,
            notify=notify,
        )
        for destination in destinations
    ]
    with ThreadPoolExecutor(max_workers=max(1, len(lanes)), thread_name_prefix="lane") as pool:
        runs = [pool.submit(_run_lane, lane) for lane in lanes]
        try:
            while not stop.wait(POLL_SECONDS) and not any(run.done() for run in runs):
                if all(time.monotonic() - ticks[lane.destination] < lane.lease_seconds for lane in lanes):
                    beat()
        finally:
            leave.set()
    for run in runs:
        run.result()


def _lane(
    destination: DestinationSettings,
    *,
    db: Database,
    files: FileStore,
    settings: DeliverSettings,
    aet: str,
    owner: str,
    stop: threading.Event,
    ticks: dict[str, float],
    notify: Notify,
) -> Lane:
    peer = PeerAddress(
        host=destination.host,
        port=destination.port,
        aet=destination.aet,
        calling_aet=destination.calling_aet or aet,
        timeout_seconds=settings.timeout_seconds,
    )

    def tick() -> None:
        ticks[destination.name] = time.monotonic()

    tick()
    return Lane(
        db=db,
        files=files,
        destination=destination.name,
        peer=peer,
        settings=settings,
        owner=owner,
        rng=random.SystemRandom(),
        stop=stop,
        tick=tick,
        notify=notify,
    )


def _run_lane(lane: Lane) -> None:
    while not lane.stop.is_set():
        lane.tick()
        if not deliver_next(lane, now=time.time()):
            lane.stop.wait(POLL_SECONDS)


def _warn_of_strangers(db: Database, destinations: Sequence[DestinationSettings]) -> None:
    known = {destination.name for destination in destinations}
    for name, states in outbox.counts(db).items():
        waiting = states.get("due", 0) + states.get("leased", 0)
        if name not in known and waiting:
            log.warning("event=unknown_destination destination=%s waiting=%d", name, waiting)
