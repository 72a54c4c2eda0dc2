"""A whole node that a benchmark may kill: the real `dcis-node run`, started again when its supervisor has died."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.machine import descendants
from dcis_node.config import Configuration, load_configuration
from dcis_node.errors import StorageError
from storage.database import Database, open_database
from storage.files import FileStore
from storage.heartbeat import beats
from tests.peers import free_port, listens, wait_until

START_SECONDS = 120.0
STOP_SECONDS = 120.0
SUPERVISOR = "supervisor"
ROLES = {"analyse": "analyse-0", "deliver": "deliver-0", "clock": "clock-0"}


class WholeNode:
    """The node and its processes, known by their ids.

    Parameters
    ----------
    folder
        Gets config and log.
    sections
        The text of config.toml, with `{port}` where the receiver's port stands.
    """

    def __init__(self, folder: Path, sections: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.config = folder / "config.toml"
        self.config.write_text(sections.replace("{port}", str(self.port)), encoding="utf-8")
        self.configuration: Configuration = load_configuration(self.config)
        self.files = FileStore(self.configuration.folder / "store")
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, as often as it takes: the port may still be held by receivers that are leaving."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            with (self.folder / "node.log").open("ab") as log:
                command = [sys.executable, "-m", "dcis_node", "run", "--config", str(self.config)]
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            self.starts += 1
            while self._process.poll() is None and time.monotonic() < until:
                if listens(self.port) and set(ROLES.values()) <= set(self.pids()):
                    return
                time.sleep(0.05)
            time.sleep(0.5)
        raise RuntimeError(f"the node does not start; see {self.folder / 'node.log'}")

    @property
    def pid(self) -> int:
        """Give the process id of the supervisor."""
        return self._process.pid if self._process else 0

    def pids(self) -> dict[str, int]:
        """Give the process ids below the supervisor, by the name of the process."""
        found = {}
        for pid in descendants(self.pid):
            words = _command(pid)
            if "--name" in words[:-1]:
                found[words[words.index("--name") + 1]] = pid
        return found

    def is_up(self, db: Database) -> bool:
        """Tell whether every process has shown a sign of life, and the worker has its model."""
        pids = self.pids()
        with db.read() as session:
            seen = {beat.process: beat for beat in beats(session)}
        if any(name not in pids or name not in seen or seen[name].pid != pids[name] for name in ROLES.values()):
            return False
        return bool(seen[ROLES["analyse"]].detail)

    def kill(self, role: str) -> bool:
        """End one process by SIGKILL; a dead supervisor is started again. False if there was none of that role."""
        if role == SUPERVISOR:
            self._process.kill()
            self._process.wait()
            self.start()
            return True
        pid = self.pids().get(ROLES[role])
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return True

    def kill_all(self) -> int:
        """End everything at once by SIGKILL; gives how many processes that were."""
        victims = [self.pid, *descendants(self.pid)]
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        return len(victims)

    def stop(self) -> int | None:
        """End it by SIGTERM; gives its exit code, None if it had to be killed."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill_all()
            return None

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `dcis-node` with this node's configuration."""
        command = [sys.executable, "-m", "dcis_node", *words, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    def log(self) -> str:
        """Give all that it has logged so far."""
        return (self.folder / "node.log").read_text(encoding="utf-8", errors="replace")

    @contextlib.contextmanager
    def index(self) -> Iterator[Database]:
        """Open the index for a while."""
        opened: list[Database] = []

        def try_it() -> bool:
            with contextlib.suppress(StorageError):
                opened.append(open_database(self.configuration.index_url))
            return bool(opened)

        wait_until(try_it, "the index opens", seconds=30)
        try:
            yield opened[0]
        finally:
            opened[0].close()


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
