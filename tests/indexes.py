"""Empty indexes of today's schema: SQLite's by a copy, PostgreSQL's in a cluster of this test run."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pg8000.native
import pytest
from sqlalchemy import select

from storage.database import Database, open_database, upgrade
from storage.engines import sqlite_file
from storage.schema import Base
from tests.certificates import Authority
from tests.peer_tools import free_port, listens, wait_until, without

SQLITE, POSTGRESQL = "sqlite", "postgresql"
# For the fixtures of what has to hold on both.
KINDS = (SQLITE, pytest.param(POSTGRESQL, marks=pytest.mark.peer))
SHARED = "shared"
# Nothing here has to live through a crash of the machine; what a commit waits for is asked in its own test.
SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=200", "listen_addresses=127.0.0.1")
# initdb and postgres refuse to run as root; Debian's package makes this user.
UNPRIVILEGED = "postgres"

ALONE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
# In no order, hence without its triggers; of few rows that is much faster than TRUNCATE.
EMPTY = "; ".join(
    (
        "SET session_replication_role = replica",
        *(f"DELETE FROM {table}" for table in Base.metadata.tables),  # noqa: S608 -- our own tables
        "SELECT setval(quote_ident(sequencename)::regclass, 1, false) FROM pg_sequences",
    )
)


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL server on loopback that trusts everybody there.

    Parameters
    ----------
    authority
        Who has signed its certificate.
    """

    port: int
    authority: Authority
    server: "_Server"
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def url(self, name: str) -> str:
        return f"postgresql+pg8000://{UNPRIVILEGED}@127.0.0.1:{self.port}/{name}"

    def run(self, sql: str, database: str = "postgres") -> None:
        """Run a statement, as a transaction of its own or none."""
        with pg8000.native.Connection(UNPRIVILEGED, "127.0.0.1", database, self.port) as connection:
            connection.run(sql)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Stop the server for a while, with all its sessions."""
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make a database without anything in it, and drop it with whoever is still connected; gives its URL."""
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def empty_index(self) -> Iterator[str]:
        """Give the URL of the one index of this server, and empty it: a database of its own takes ten times as long."""
        try:
            yield self.url(SHARED)
        finally:
            self.run(ALONE, database=SHARED)
            self.run(EMPTY, database=SHARED)


@dataclass
class _Server:
    """The processes of a cluster."""

    command: list[str | Path]
    folder: Path
    user: str | None
    port: int
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.command, stdout=log, stderr=log, user=self.user, cwd=self.folder)
        wait_until(lambda: listens(self.port), "PostgreSQL listens")
        wait_until(self._takes_sessions, "PostgreSQL takes sessions")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # SIGTERM would wait for the sessions that are open
            self._process.wait(60)
        self._process = None

    @property
    def pid(self) -> int:
        """Process id of the first of them."""
        return self._process.pid if self._process else 0

    def _takes_sessions(self) -> bool:
        try:
            with pg8000.native.Connection(UNPRIVILEGED, "127.0.0.1", "postgres", self.port) as connection:
                connection.run("SELECT 1")
        except pg8000.native.Error:
            return False
        return True


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Start a cluster with an empty index; it is gone afterwards."""
    programs = _programs()
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="dcis-pg-"))  # not below pytest's: that user could not enter it
    try:
        authority = Authority(folder)
        issued = authority.issue("server")
        for file in (folder, issued.certificate, issued.key) if user else ():
            shutil.chown(file, user, user)
        data = folder / "data"
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", UNPRIVILEGED, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
        port = free_port()
        tls = ("ssl=on", f"ssl_cert_file={issued.certificate}", f"ssl_key_file={issued.key}")
        settings = [word for setting in (*SETTINGS, *tls) for word in ("-c", setting)]
        command = [programs / "postgres", "-D", data, "-p", str(port), "-k", folder, *settings]
        server = _Server(command, folder, user, port)
        try:
            server.start()
            made = Cluster(port, authority, server)
            made.run(f"CREATE DATABASE {SHARED}")
            upgrade(made.url(SHARED))
            yield made
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_database(request: pytest.FixtureRequest, folder: Path, kind: str) -> Iterator[Database]:
    """Open an empty index of its own for a test."""
    with fresh_index(request, folder, kind) as url:
        database = open_database(url)
        try:
            yield database
        finally:
            database.close()


@contextmanager
def fresh_index(request: pytest.FixtureRequest, folder: Path, kind: str) -> Iterator[str]:
    """Give the URL of an empty index of its own for a test."""
    if kind == SQLITE:
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('empty_index'), folder / 'index.sqlite')}"
    else:
        with request.getfixturevalue("postgresql").empty_index() as url:
            yield url


def everything_in(db: Database) -> bytes:
    """Give all that an index holds: of SQLite the file's bytes, with what was deleted in it; of PostgreSQL the rows."""
    file = sqlite_file(db.url)
    if file is not None:
        return file.read_bytes()
    with db.read() as session:
        rows = [row for table in Base.metadata.sorted_tables for row in session.execute(select(table))]
    return "\n".join(map(str, rows)).encode()


def _programs() -> Path:
    """Find initdb: Debian keeps the programs of each version in a folder of their own, and off the PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not versions:
        without("PostgreSQL is not installed (Debian packages: see .ci/run)")
    return versions[-1].parent
