"""A whole running node for tests: the real supervisor and processes, in a fresh folder, on free ports."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcis_node.config import load_configuration
from dcis_node.errors import StorageError
from storage.database import Database, open_database
from storage.files import FileStore
from storage.heartbeat import beats
from storage.overview import last_exams, trace
from tests.peers import free_port, listens, wait_until

ANSWER_SECONDS = 150.0  # a wait that ends by itself: it is long only where something is wrong, or very busy

CONFIG = """
[node]
aet = "DCIS_NODE"
{node}
[receive]
port = {port}
processes = {receivers}
{receive}
[exam]
settle_seconds = {settle}
quiet_seconds = {quiet}
[analyse]
threads = 1
{analyse}
[deliver]
backoff_first_seconds = 0.5
"""
DESTINATION = """
[[destinations]]
name = "pacs-{number}"
host = "127.0.0.1"
port = {port}
aet = "{aet}"
"""
STORAGE = """
[storage]
index_url = "{url}"
"""


@dataclass(frozen=True)
class RunningNode:
    """A node that runs, and its index to look into."""

    port: int
    config: Path
    folder: Path
    db: Database
    files: FileStore
    supervisor: subprocess.Popen

    def pid_of(self, process: str) -> int:
        """Give the process id of a child that has shown a sign of life."""
        with self.db.read() as session:
            return next((beat.pid for beat in beats(session) if beat.process == process), 0)

    def exams(self) -> list[dict]:
        """Give what `dcis-node exams` shows."""
        with self.db.read() as session:
            return last_exams(session)

    def trace(self, uid: str) -> dict:
        """Give what `dcis-node trace` shows for the one exam of a UID."""
        with self.db.read() as session:
            (found,) = trace(session, uid)
        return found

    def wait_for_answer(self, uid: str, *, version: int = 1) -> dict:
        """Wait until the exam is answered and all its results are taken; give its trace."""

        def answered() -> bool:
            with self.db.read() as session:
                exams = trace(session, uid)
            return bool(exams) and _done(exams[0], version)

        wait_until(answered, f"the exam is answered (see {self.folder})", seconds=ANSWER_SECONDS)
        return self.trace(uid)

    def command(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run `dcis-node` with this node's config."""
        command = [sys.executable, "-m", "dcis_node", *arguments, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def log(self) -> str:
        """Give the log of all processes so far."""
        return (self.folder / "node.log").read_text(encoding="utf-8")


def _done(exam: dict, version: int) -> bool:
    reported = exam["state"] == "reported" and exam["report"]["version"] >= version
    return reported and set(exam["deliveries"]) <= {"sent", "proven"}


@contextlib.contextmanager
def running_node(
    folder: Path,
    *,
    destinations: Sequence[tuple[str, int]],
    settle: float = 0.5,
    quiet: float = 3.0,
    port: int = 0,
    receivers: int = 2,
    analyse: str = "",
    receive: str = "",
    node: str = "",
    more: str = "",
) -> Iterator[RunningNode]:
    """Run a node that sends to `destinations` (AE title, loopback port); stop it by SIGTERM and hold it to exit 0.

    Parameters
    ----------
    analyse, receive, node
        Further lines of the sections [analyse], [receive] and [node].
    more
        Further sections.
    """
    folder.mkdir(exist_ok=True)
    port = port or free_port()
    config = folder / "config.toml"
    text = CONFIG.format(
        port=port, settle=settle, quiet=quiet, receivers=receivers, analyse=analyse, receive=receive, node=node
    )
    for number, (aet, peer_port) in enumerate(destinations):
        text += DESTINATION.format(number=number, port=peer_port, aet=aet)
    config.write_text(text + more, encoding="utf-8")
    with (folder / "node.log").open("wb") as log:
        command = [sys.executable, "-m", "dcis_node", "run", "--config", str(config)]
        supervisor = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    db = None
    try:
        wait_until(lambda: listens(port) or supervisor.poll() is not None, "the node listens", seconds=60)
        assert supervisor.poll() is None, (folder / "node.log").read_text()
        configuration = load_configuration(config)
        db = open_when_made(configuration.index_url)
        yield RunningNode(port, config, folder, db, FileStore(configuration.folder / "store"), supervisor)
    finally:
        if db is not None:
            db.close()
        supervisor.send_signal(signal.SIGTERM)
        code = supervisor.wait(90)
    assert code == 0, (folder / "node.log").read_text()


def open_when_made(url: str) -> Database:
    opened: list[Database] = []

    def try_it() -> bool:
        with contextlib.suppress(StorageError):
            opened.append(open_database(url))
        return bool(opened)

    wait_until(try_it, "the index opens", seconds=30)
    return opened[0]


def json_of(process: subprocess.CompletedProcess) -> dict:
    """Parse standard output as the one JSON object that a script would read."""
    return json.loads(process.stdout)


def answers(exam: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the reports of a trace without their deliveries, which go on meanwhile: five seconds later one is asked."""
    reports: list[dict[str, Any]] = json.loads(json.dumps(exam["reports"]))
    for report in reports:
        for result in report["results"]:
            del result["deliveries"]
    return reports
