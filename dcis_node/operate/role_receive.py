"""The receiver process: one of several that accept on the same listening socket."""

import socket
import threading

from dcis_node.config import Configuration
from dcis_node.operate.listener import bind_listener
from dcis_node.operate.process import Process, running_process
from dcis_node.receive.server import serve

BEAT_ROUND_SECONDS = 1.0


def run_receive(configuration: Configuration, name: str, *, listen_fd: int | None, lifeline: int | None) -> None:
    """Be one receiver, on the inherited socket or, alone, on one of its own."""
    listener = bind_listener(configuration.receive) if listen_fd is None else socket.socket(fileno=listen_fd)
    with running_process(configuration, name, lifeline=lifeline) as process:
        _beating(process)
        serve(
            listener,
            settings=configuration.receive,
            aet=configuration.node.aet,
            db=process.db,
            files=process.files,
            owner=process.owner,
            merge_same_day=configuration.exam.merge_same_day,
            reserve_bytes=configuration.storage.reserve_bytes,
            stop=process.stop,
            places=configuration.folder / "locks" / "associations",
        )


def _beating(process: Process) -> None:
    """Show the sign of life from a thread: the main thread is inside the accept loop."""

    def beats() -> None:
        while not process.stop.wait(BEAT_ROUND_SECONDS):
            process.beat()

    threading.Thread(target=beats, name="beat", daemon=True).start()
