"""One receiver process: from its start to its graceful end."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from dcis_node.config import ReceiveSettings
from dcis_node.receive.acceptor import Acceptor
from dcis_node.receive.brought import tell_left_open
from dcis_node.receive.connections import POLL_SECONDS, Connections
from dcis_node.receive.events import Notify, nobody
from dcis_node.receive.places import Places
from dcis_node.receive.reports import TakeReport, none_is_ours
from dcis_node.receive.store import InstanceStore, where
from dcis_node.receive.tls import TlsKeeper
from storage.database import Database
from storage.files import FileStore
from storage.index import close_associations_of
from storage.space import Reserve

log = logging.getLogger(__name__)

# What is being stored when the stop comes may end; the supervisor and systemd wait longer than this.
GRACE_SECONDS = 30.0


def serve(
    listener: socket.socket | None,
    *,
    tls_listener: socket.socket | None = None,
    tls: TlsKeeper | None = None,
    settings: ReceiveSettings,
    aet: str,
    db: Database,
    files: FileStore,
    owner: str,
    merge_same_day: bool,
    reserve_bytes: int = 0,
    stop: threading.Event,
    drain: threading.Event | None = None,
    places: Path | None = None,
    notify: Notify = nobody,
    take_report: TakeReport = none_is_ours,
    clock: Callable[[], float] = time.time,
    grace_seconds: float = GRACE_SECONDS,
) -> None:
    """Receive until `stop` is set; each receiver process runs this on the socket that all of them inherited.

    On `stop`, no association is taken any more; idle ones are aborted, those that store may finish the object they
    are at within `grace_seconds` and are aborted then. At the end all association rows of `owner` are closed.

    Parameters
    ----------
    listener
        A bound and listening TCP socket; left open. It is set to not block, as processes race for connections. None:
        there is no listener without TLS.
    tls_listener, tls
        The same for connections with TLS, and what keeps our certificate.
    aet
        This node's AE title.
    owner
        Name of this process in the index. Rows that a killed predecessor of this name left open are closed first, and
        the parts of dead processes are swept.
    reserve_bytes
        Free disk below which objects are refused (`storage.space`).
    stop
        Ends it.
    drain
        Lets it give way.
    places
        File in which the receivers of a data folder count their associations; None: the caps hold for this one alone.
    notify
        The audit trail: told who was refused, and what each association has brought. What a killed predecessor had
        received and not told is told first.
    take_report
        Records reports on our requests for storage commitment.
    clock
        Gives Unix seconds.

    Raises
    ------
    StorageError
        The index cannot be written at the start or the end.
    RuntimeError
        Connections are not accepted any more: the process has to be started anew.
    """
    swept = files.sweep_incoming()
    tell_left_open(db, owner, notify)
    with db.write() as session:
        closed = close_associations_of(session, owner, now=clock())
    store = InstanceStore(
        db=db,
        files=files,
        owner=owner,
        merge_same_day=merge_same_day,
        clock=clock,
        refusal=Reserve(files.root, reserve_bytes).refusal,
        notify=notify,
    )
    counted = Places(places)
    connections = Connections()
    acceptors = [
        Acceptor(
            listening,
            settings=settings,
            aet=aet,
            store=store,
            places=counted,
            connections=connections,
            tls=keeper,
            notify=notify,
            take_report=take_report,
        )
        for listening, keeper in ((listener, None), (tls_listener, tls))
        if listening is not None
    ]
    accepting = [
        threading.Thread(target=_accept, args=(acceptor,), name="accept", daemon=True) for acceptor in acceptors
    ]
    for thread in accepting:
        thread.start()
    log.info("event=receiver_started owner=%s parts_swept=%d associations_closed=%d", owner, swept, closed)
    drain = drain or threading.Event()
    while all(thread.is_alive() for thread in accepting) and not drain.is_set() and not stop.wait(POLL_SECONDS):
        pass
    died = not stop.is_set() and not drain.is_set()
    if not died:
        _give_way(acceptors, connections, stop)
    for acceptor, thread in zip(acceptors, accepting, strict=True):
        acceptor.leave()
        thread.join()
    connections.finish(grace_seconds)
    for acceptor in acceptors:
        acceptor.server_close()
    counted.close()
    with db.write() as session:
        close_associations_of(session, owner, now=clock())
    log.info("event=receiver_left owner=%s", owner)
    if died:
        msg = "the accepting thread ended by itself"
        raise RuntimeError(msg)


def _give_way(acceptors: Sequence[Acceptor], connections: Connections, stop: threading.Event) -> None:
    """Accept nothing any more, and let what is open end by itself; `stop` ends the wait."""
    if stop.is_set():
        return
    for acceptor in acceptors:
        acceptor.pause()
    log.info("event=receiver_drains open=%d", connections.count)
    while connections.count and not stop.wait(POLL_SECONDS):
        pass


def _accept(acceptor: Acceptor) -> None:
    try:
        acceptor.serve_forever(POLL_SECONDS)
    except Exception as error:  # noqa: BLE001 -- the edge of the thread: recorded, and the process ends
        log.error("event=accepting_failed error=%s at=%s", type(error).__name__, where(error))
