"""The receiver process: one of several that accept on the same listening sockets."""

import gc
import threading
from functools import partial

from dcis_node.config import Configuration
from dcis_node.operate.audit.trail import Trail, audit_trail
from dcis_node.operate.certificate import keeper_of, told
from dcis_node.operate.listener import bind_listeners, inherited
from dcis_node.operate.process import Process, running_process
from dcis_node.operate.proofs import take_report
from dcis_node.receive.server import serve
from dcis_node.receive.tls import TlsKeeper

BEAT_ROUND_SECONDS = 1.0


def run_receive(
    configuration: Configuration, name: str, *, listen_fd: int | None, tls_listen_fd: int | None, lifeline: int | None
) -> None:
    """Be one receiver, on the inherited sockets or, alone, on some of its own.

    Raises
    ------
    ConfigurationError
        Alone, and an address cannot be bound or the certificate cannot be used. A receiver that is started again under
        a supervisor takes connections without TLS all the same, and those with TLS once the files can be used.
    """
    keeper = keeper_of(configuration)
    if listen_fd is None and tls_listen_fd is None:
        if keeper is not None:
            keeper.load()
        listeners = bind_listeners(configuration.receive)
    else:
        listeners = inherited(listen_fd, tls_listen_fd)
        if keeper is not None:
            keeper.refresh()
    with (
        running_process(configuration, name, lifeline=lifeline) as process,
        audit_trail(configuration, name, is_node=lifeline is None) as trail,
    ):
        # pynetdicom collects garbage in every sixtieth round of its accepting loop. What was imported is none; to look
        # through it each time would stop all associations for a tenth of a second.
        gc.collect()
        gc.freeze()
        _beating(process, keeper, trail)
        serve(
            listeners.plain,
            tls_listener=listeners.tls,
            tls=keeper,
            settings=configuration.receive,
            aet=configuration.node.aet,
            db=process.db,
            files=process.files,
            owner=process.owner,
            merge_same_day=configuration.exam.merge_same_day,
            reserve_bytes=configuration.storage.reserve_bytes,
            stop=process.stop,
            drain=process.drain,
            notify=trail.tell,
            take_report=partial(take_report, process.db),
            places=configuration.folder / "locks" / "associations",
        )


def _beating(process: Process, keeper: TlsKeeper | None, trail: Trail) -> None:
    """Show the sign of life, and look for a new certificate, from a thread: the main thread is in the accept loop.

    The first is written before the receiver serves: from its first connection on, `status` speaks of what it uses.
    """

    def beat() -> None:
        process.beat({**told(keeper), "peers_refused": trail.refused(), "draining": process.drain.is_set()})

    def beats() -> None:
        while not process.stop.wait(BEAT_ROUND_SECONDS):
            if keeper is not None:
                keeper.refresh()
            beat()

    beat()
    threading.Thread(target=beats, name="beat", daemon=True).start()
