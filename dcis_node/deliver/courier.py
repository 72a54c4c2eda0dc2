"""The courier: a thread for each destination, so that none waits for another."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dcis_node.config import DeliverSettings, DestinationSettings
from dcis_node.deliver.events import Notify, nobody
from dcis_node.deliver.lane import Lane, deliver_next
from dcis_node.deliver.loops import Loop, Ticks, run_loops
from dcis_node.deliver.prover import Prover, prove_next
from dcis_node.deliver.provers import prover_of
from dcis_node.deliver.routes import route_of
from dcis_node.deliver.watch import WATCH_SECONDS, Watch
from storage import outbox
from storage.database import Database
from storage.files import FileStore
from storage.proofs import take_up

__all__ = ["Lane", "deliver_next", "run_courier"]

WATCH_LIMIT_SECONDS = 300.0  # longest look for what is late: some short readings of the index

log = logging.getLogger(__name__)


def run_courier(
    *,
    db: Database,
    files: FileStore,
    destinations: Sequence[DestinationSettings],
    settings: DeliverSettings,
    aet: str,
    base: Path = Path(),
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
    base
        The folder to which paths in `destinations` are relative.
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
    loops: list[Loop] = []
    for destination in destinations:
        prover = prover_of(destination, settings, db=db, aet=aet, base=base)
        if prover is not None and (taken_up := take_up(db, destination.name, now=time.time())):
            log.info("event=proof_taken_up destination=%s results=%d", destination.name, taken_up)
        lane = Lane(
            db=db,
            files=files,
            destination=destination.name,
            route=route_of(destination, settings, aet=aet, base=base),
            settings=settings,
            owner=owner,
            rng=random.SystemRandom(),
            stop=leave,
            notify=notify,
            proven=prover is not None,
        )
        loops += _loops(lane, prover)
    loops.append(_watching(db, [destination.name for destination in destinations]))
    run_loops(loops, stop=stop, leave=leave, beat=beat)


def _loops(lane: Lane, prover: Prover | None) -> Iterator[Loop]:
    """Say what is done for one destination, each in a thread of its own."""
    ticks = Ticks()
    ticking = replace(lane, tick=ticks)
    yield Loop(f"deliver {lane.destination}", lambda: deliver_next(ticking, now=time.time()), lane.lease_seconds, ticks)
    if prover is not None:
        name = f"prove {prover.destination}"
        yield Loop(name, lambda: prove_next(prover, now=time.time()), prover.lease_seconds)


def _watching(db: Database, names: Sequence[str]) -> Loop:
    """Look from time to time for what is late."""
    watch = Watch(db, names)

    def look() -> bool:
        watch.look(now=time.time())
        return False

    return Loop("watch", look, WATCH_SECONDS + WATCH_LIMIT_SECONDS, pause_seconds=WATCH_SECONDS)


def _warn_of_strangers(db: Database, destinations: Sequence[DestinationSettings]) -> None:
    known = {destination.name for destination in destinations}
    for name, states in outbox.counts(db).items():
        waiting = states.get("due", 0) + states.get("leased", 0)
        if name not in known and waiting:
            log.warning("event=unknown_destination destination=%s waiting=%d", name, waiting)
