"""The audit repository: a syslog server by TCP (RFC 6587) or TLS (RFC 5425).

Syslog over TCP has no answer, so each batch has a connection of its own, and counts as taken when two things hold:

- The server has ended its side after we have ended ours. It has then read everything, or it would have reset the
  connection. That the bytes are in its kernel alone (SIOCOUTQ = 0) is not enough: a server that dies has not read them.
- All our bytes, our end among them, are acknowledged. That it has ended alone is not enough either: it may have done so
  before our last bytes came.

What a server has read and not yet stored when it dies, no sender of syslog can know; the messages stay here too.
"""

import fcntl
import os
import socket
import ssl
import struct
import termios
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dcis_node.config import AuditSettings
from dcis_node.errors import DeliveryError
from dcis_node.operate.audit.syslog import framed

TIMEOUT_SECONDS = 10.0
# For a whole batch, so that a server which trickles holds nobody.
BATCH_SECONDS = 60.0
PAUSE_SECONDS = 0.01


@dataclass(frozen=True)
class Repository:
    """Where audit messages go; file names are absolute, "" where none is configured.

    Parameters
    ----------
    tls
        Whether the connection is by TLS; the server's certificate must then be signed by `ca` and name `host`.
    """

    host: str
    port: int
    tls: bool = False
    ca: str = ""
    certificate: str = ""
    key: str = ""

    def __str__(self) -> str:
        return f"{'tls' if self.tls else 'tcp'}://{self.host}:{self.port}"


def repository_of(settings: AuditSettings, base: Path) -> Repository | None:
    """Give the repository of the settings; None if they name none.

    Parameters
    ----------
    base
        Folder that file names are relative to.
    """
    if not settings.repository:
        return None
    parts = urlsplit(settings.repository)
    files = (str(base / name) if name else "" for name in (settings.ca, settings.certificate, settings.key))
    return Repository(parts.hostname or "", parts.port or 0, parts.scheme == "tls", *files)


def send_batch(repository: Repository, lines: Sequence[bytes]) -> None:
    """Send messages over one connection, and return when the server has taken them.

    Without messages it tries whether the server is there.

    Raises
    ------
    DeliveryError
        They do not count as taken, and may nevertheless be there: they have to be sent again. The text is in an
        administrator's words.
    """
    until = time.monotonic() + BATCH_SECONDS
    try:
        with _connected(repository) as connection:
            for line in lines:
                _in_time(connection, until)
                connection.sendall(framed(line))
            _end(connection, until)
    except ssl.SSLCertVerificationError as error:
        raise _fault(repository, f"its certificate does not count: {error.verify_message}") from None
    except ssl.SSLError as error:
        raise _fault(repository, f"TLS: {error.reason or type(error).__name__}") from None
    except TimeoutError:
        raise _fault(repository, "it did not take the messages in time") from None
    except OSError as error:
        raise _fault(repository, error.strerror or type(error).__name__) from None


def _fault(repository: Repository, text: str) -> DeliveryError:
    return DeliveryError(f"audit repository {repository}: {text}", permanent=False)


def _connected(repository: Repository) -> socket.socket:
    context = _context(repository) if repository.tls else None
    connection = socket.create_connection((repository.host, repository.port), timeout=TIMEOUT_SECONDS)
    if context is None:
        return connection
    try:
        return context.wrap_socket(connection, server_hostname=repository.host)
    except BaseException:
        connection.close()
        raise


def _context(repository: Repository) -> ssl.SSLContext:
    """TLS 1.2 or 1.3, and the server's name is checked (RFC 5425 5.2, PS3.15 A.6)."""
    context = ssl.create_default_context(cafile=repository.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if repository.certificate:
        context.load_cert_chain(repository.certificate, repository.key)
    return context


def _in_time(connection: socket.socket, until: float) -> None:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(min(TIMEOUT_SECONDS, left))


def _end(connection: socket.socket, until: float) -> None:
    """Say that this is the end, and wait until the server has seen it.

    By TLS it answers our close_notify with its own (RFC 5425 4.4); some servers only close the connection.
    """
    if isinstance(connection, ssl.SSLSocket):
        _in_time(connection, until)
        with suppress(ssl.SSLEOFError, ssl.SSLZeroReturnError):
            connection.unwrap()
    connection.shutdown(socket.SHUT_WR)
    received = b"?"
    while received:
        _in_time(connection, until)
        received = connection.recv(4096)
    while _unacknowledged(connection):
        _in_time(connection, until)
        time.sleep(PAUSE_SECONDS)


def _unacknowledged(connection: socket.socket) -> int:
    """Count bytes that the server's machine has not acknowledged (SIOCOUTQ, tcp(7)); raises if it has reset us."""
    error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))
    (count,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))
    return int(count)
