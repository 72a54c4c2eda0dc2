"""A courier in a process of its own, which may kill itself where it hurts most: `URL STORE PORT [kill]`."""

import os
import signal
import sys
import threading
from pathlib import Path

from dcis_node.config import DeliverSettings, DestinationSettings
from dcis_node.deliver.courier import run_courier
from storage import outbox
from storage.database import open_database
from storage.files import FileStore


def kill_instead(*_: object, **__: object) -> bool:
    """Die after the peer's answer, before it is recorded."""
    os.kill(os.getpid(), signal.SIGKILL)
    return False


def main(url: str, store: str, port: str, *kill: str) -> None:
    """Run until the supervisor's signal."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if kill:
        outbox.mark_sent = kill_instead
    run_courier(
        db=open_database(url),
        files=FileStore(Path(store)),
        destinations=(DestinationSettings(name="pacs", host="127.0.0.1", port=int(port), aet="PACS"),),
        settings=DeliverSettings(timeout_seconds=5.0),
        aet="NODE",
        owner="courier@host",
        stop=stop,
        beat=lambda: None,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
