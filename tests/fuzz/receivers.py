"""Real receiver processes of the node, without the rest of it, in folders that are looked through afterwards."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dcis_node.config import Configuration, load_configuration
from dcis_node.operate.listener import bind_listeners
from dcis_node.operate.node import prepare
from tests.fuzz.peer import echo
from tests.fuzz.watch import Figures, figures_of
from tests.peers import wait_until

CONFIG = """
[node]
aet = "NODE"
[storage]
reserve_bytes = 0
[receive]
port = 0
processes = {receivers}
max_associations = 200
max_associations_per_aet = 200
max_associations_per_address = 150
{receive}
"""
LEAVE_SECONDS = 60.0


@dataclass(frozen=True)
class Receivers:
    """Receivers that run; `folder` is around everything that they may touch."""

    port: int
    folder: Path
    config: Path
    configuration: Configuration
    processes: tuple[subprocess.Popen, ...]

    def figures(self) -> tuple[Figures, ...]:
        """Give memory, threads and descriptors of each; a process that has died has none and is zero."""
        return tuple(figures_of(process.pid) for process in self.processes)

    def died(self) -> int:
        """Count the processes that have ended."""
        return sum(process.poll() is not None for process in self.processes)

    def log(self) -> str:
        """Give what all of them have said."""
        return (self.folder / "receivers.log").read_text(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def running_receivers(folder: Path, *, count: int = 2, receive: str = "") -> Iterator[Receivers]:
    """Run receivers on one listening socket as the supervisor does, and end them by SIGTERM.

    Their working folder, TMPDIR and HOME are empty folders of their own, so that a stray file shows.

    Parameters
    ----------
    receive
        Further lines of the section [receive].
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("cwd", "tmp", "home"):
        (folder / name).mkdir()
    config = folder / "config.toml"
    config.write_text(CONFIG.format(receivers=count, receive=receive), encoding="utf-8")
    configuration = load_configuration(config)
    prepare(configuration)
    listeners = bind_listeners(configuration.receive)
    assert listeners.plain is not None
    lifeline, hold = os.pipe()
    try:
        port = listeners.plain.getsockname()[1]
        processes = tuple(_start(folder, config, n, listeners.plain.fileno(), lifeline) for n in range(count))
        running = Receivers(port, folder, config, configuration, processes)
        try:
            wait_until(lambda: running.log().count("event=receiver_started") == count, "the receivers are up")
            _warm(running)
            yield running
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(LEAVE_SECONDS)
    finally:
        listeners.plain.close()
        os.close(lifeline)
        os.close(hold)


def settled(running: Receivers, *, seconds: float = 30.0) -> tuple[Figures, ...]:
    """Wait until nothing ends any more: threads and descriptors the same for a second, and least; give the figures."""
    until = time.monotonic() + seconds
    least = running.figures()
    since = time.monotonic()
    while time.monotonic() < min(until, since + 1.0):
        time.sleep(0.1)
        now = running.figures()
        if any((a.threads, a.descriptors) != (b.threads, b.descriptors) for a, b in zip(now, least, strict=True)):
            least, since = now, time.monotonic()
    return running.figures()


def _start(folder: Path, config: Path, number: int, listener: int, lifeline: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "dcis_node", "run", "receive", "--config", str(config)]
    command += ["--name", f"receive-{number}", "--listen-fd", str(listener), "--lifeline-fd", str(lifeline)]
    environment = {**os.environ, "TMPDIR": str(folder / "tmp"), "HOME": str(folder / "home")}
    with (folder / "receivers.log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder / "cwd",
            env=environment,
            pass_fds=(listener, lifeline),
        )


def _warm(running: Receivers) -> None:
    """Have each receiver serve something, so that the figures before are those of a process at work."""
    for _ in range(20 * len(running.processes)):
        echo(running.port)
    settled(running)
