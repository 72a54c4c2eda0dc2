"""An index in PostgreSQL: one driver, one lock for all who write, as in SQLite, and TLS beyond this host.

The whole of `storage` is written for the lock of SQLite, which a writer holds from its first statement on. Under
PostgreSQL's own rules two writers would both read, both decide, and both write: an exam twice, a claim twice. So a
writer takes an advisory lock first. A hospital's index can bear that: it is written some tens of times a second, for
a few milliseconds each.
"""

import ipaddress
import socket
import ssl
from collections.abc import Callable
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url

from dcis_node.errors import StorageError

DRIVER, PORT = "postgresql+pg8000", 5432
CA_FILE = "sslrootcert"  # libpq's name for it
WRITE_LOCK_KEY = 0x64636973  # any fixed number, the same in every process: "dcis"
# Until a session is there: TCP, TLS, login.
CONNECT_SECONDS = 10.0
# A server that does not answer for so long, beside the wait for the lock, stands still. No statement takes as long; and
# together with a new connection it is less than the time for which a process may be silent (`operate.children`).
SILENT_SECONDS = 45.0
# A host or a network that is gone is noticed much sooner: nothing acknowledges what TCP has sent, or sends to see.
GONE_SECONDS = 20
TCP_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_SECONDS * 1000),
)


def server_engine(url: str, *, lock_seconds: float | None, pool_size: int = 5, max_overflow: int = 20) -> Engine:
    """Make an engine for an index in PostgreSQL.

    Parameters
    ----------
    url
        `postgresql+pg8000://user:password@host/database`; with `?sslrootcert=FILE` unless the host is this one.
    lock_seconds
        How long a transaction waits for its turn to write; None for those that only read, which see one state.

    Raises
    ------
    StorageError
        The URL is of another kind, its driver is not installed, or TLS is missing or cannot be had.
    """
    parsed, tls = _with_tls(make_url(url))
    is_read_only = lock_seconds is None
    try:
        engine = create_engine(
            parsed,
            connect_args={
                "timeout": SILENT_SECONDS + (lock_seconds or 0.0),
                # Of the whole session: SQLAlchemy would set and reset it with each use of a connection, and raises the
                # driver's own error where a dead one cannot be reset.
                "startup_params": {"default_transaction_read_only": "on" if is_read_only else "off"},
                **tls,
            },
            hide_parameters=True,  # the text of an error must not carry a patient's ID into a log
            pool_pre_ping=True,  # a server, unlike a file, may have been started anew
            pool_size=pool_size,
            max_overflow=max_overflow,
            # A writer sees what was committed before each of its statements: all, as it has the lock from the first on.
            isolation_level="REPEATABLE READ" if is_read_only else "READ COMMITTED",
        )
    except ModuleNotFoundError as error:
        msg = f"the driver of PostgreSQL is not installed: {error.name} (pip install '.[postgresql]')"
        raise StorageError(msg) from None
    event.listen(engine, "do_connect", _connect)
    if lock_seconds is not None:
        event.listen(engine, "begin", _take_write_lock(lock_seconds))
    return engine


def sqlstate(error: BaseException | None) -> str:
    """Give the SQLSTATE of what a server said: field C of the driver's error; "" if it said nothing."""
    told = error.args[0] if error is not None and error.args else None
    return str(told.get("C", "")) if isinstance(told, dict) else ""


def _with_tls(url: URL) -> tuple[URL, dict[str, Any]]:
    """Take out of the URL what says how to make sure of the server: rows name patients, and cross the network."""
    if url.drivername != DRIVER:
        raise StorageError(f"the index is a file of SQLite, or {DRIVER}://...: {url.drivername} is not known")
    if not url.host:
        raise StorageError(f"the index names no host: {DRIVER}://user:password@host/database")
    file = url.query.get(CA_FILE)
    if file is None:
        if not _is_loopback(url.host):
            raise StorageError(f"an index on another host needs TLS: add ?{CA_FILE}=FILE, the CA of its certificate")
        return url, {}
    try:
        context = ssl.create_default_context(cafile=str(file))
    except OSError as error:
        raise StorageError(f"{CA_FILE} of the index cannot be used: {error.strerror or type(error).__name__}") from None
    return url.difference_update_query([CA_FILE]), {"ssl_context": context}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _connect(dialect: Any, _record: object, arguments: list[Any], options: dict[str, Any]) -> Any:  # noqa: ANN401 -- SQLAlchemy's
    """Let a failure of network or TLS be one of the database, and leave no socket behind: the driver does neither."""
    try:
        return _connected(dialect, arguments, options)
    except OSError as error:
        raise dialect.loaded_dbapi.InterfaceError(f"no connection: {type(error).__name__}") from None


def _connected(dialect: Any, arguments: list[Any], options: dict[str, Any]) -> Any:  # noqa: ANN401 -- SQLAlchemy's
    connection = socket.create_connection((options["host"], options.get("port", PORT)), CONNECT_SECONDS)
    try:
        for level, name, value in TCP_OPTIONS:
            connection.setsockopt(level, name, value)
        # Its `connect` takes no socket.
        session = dialect.loaded_dbapi.dbapi.Connection(*arguments, **options, sock=connection)
    except BaseException:
        connection.close()
        raise
    # The socket, or TLS around it, and the file that the driver reads it through.
    session._usock.settimeout(options["timeout"])  # noqa: SLF001
    session._sock = _Stream(session._sock, dialect.loaded_dbapi.InterfaceError)  # noqa: SLF001
    return session


class _Stream:
    """What the driver reads: a time-out or a reset is an error of the driver, by itself not always (pg8000 1.31)."""

    def __init__(self, file: Any, error: type[Exception]) -> None:  # noqa: ANN401 -- the driver's
        self._file, self._error = file, error

    def read(self, size: int) -> bytes:
        try:
            return bytes(self._file.read(size))
        except OSError as error:
            # By these words SQLAlchemy knows that the connection is lost.
            raise self._error(f"network error: {type(error).__name__}") from None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- the driver's
        return getattr(self._file, name)


def _take_write_lock(seconds: float) -> Callable[[Connection], None]:
    def on_begin(connection: Connection) -> None:
        # On disk before it is acknowledged, whatever the server does by default.
        connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(seconds * 1000)}")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK_KEY})")

    return on_begin
