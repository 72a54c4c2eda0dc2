"""Small helpers for tests with peers: ports, tools, waiting."""

import os
import random
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

START_SECONDS = 20.0
FREE_PORTS = (20_000, 32_000)


def require(tool: str) -> str:
    """Give the path of a tool; skip the test where it is missing, or fail it if DCIS_NODE_REQUIRE_PEERS=1.

    Programs of our own environment are passed over: pynetdicom brings a storescu and a storescp that are no DCMTK.
    """
    own = Path(sys.prefix).resolve() / "bin"
    folders = [*os.get_exec_path(), "/usr/sbin"]
    found = shutil.which(tool, path=os.pathsep.join(name for name in folders if Path(name).resolve() != own))
    if found is None:
        without(f"{tool} is not installed (Debian packages: see .ci/run)")
    return found


def without(text: str) -> NoReturn:
    """Say what is missing: skip the test, or fail it if DCIS_NODE_REQUIRE_PEERS=1."""
    if os.environ.get("DCIS_NODE_REQUIRE_PEERS") == "1":
        pytest.fail(f"{text}, and DCIS_NODE_REQUIRE_PEERS=1 demands it")
    pytest.skip(text)


def free_port() -> int:
    """Give a TCP port that nobody listens on, and that no outgoing connection is given meanwhile.

    Linux takes the ports of outgoing connections from 32768 on (ip_local_port_range): other tests make thousands.
    """
    while True:
        port = random.randrange(*FREE_PORTS)  # noqa: S311 -- a port, no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def wait_until(condition: Callable[[], object], what: str, *, seconds: float = START_SECONDS) -> None:
    """Wait for a condition, looking every 20 ms; fail with `what` when the time is over."""
    pause = threading.Event()
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            pytest.fail(f"not within {seconds:g} s: {what}")
        pause.wait(0.02)


def listens(port: int) -> bool:
    """Tell whether something accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
