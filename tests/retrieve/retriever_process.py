"""A retriever in a process of its own, which may kill itself where it hurts most: `URL PORT [moment]`."""

import os
import signal
import sys
import threading

from dcis_node.config import RetrieveSettings
from dcis_node.retrieve import retriever
from dcis_node.retrieve.running import run_retriever
from dcis_node.retrieve.source import Source
from storage import retrievals
from storage.database import open_database

MOMENTS = {
    "noted": (retriever, "move"),
    "moved": (retrievals, "finish"),
}


def die(*_: object, **__: object) -> None:
    """Die as by kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(url: str, port: str, *moment: str) -> None:
    """Run until SIGTERM, or until it is killed."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    for name in moment:
        setattr(*MOMENTS[name], die)
    run_retriever(
        db=open_database(url),
        sources=[Source("archive", "127.0.0.1", int(port), "ARCHIVE", "NODE", "NODE")],
        settings=RetrieveSettings(),
        merge_same_day=True,
        owner="retrieve-0@host",
        stop=stop,
        beat=lambda: None,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
