"""TLS by BCP 195 (RFC 8996, RFC 9325; PS3.15 B.12), with certificates that are exchanged while the node runs."""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dcis_node.bcp195 import CIPHERS, REVOCATION_LIST
from dcis_node.config import TlsSettings
from dcis_node.errors import ConfigurationError
from dcis_node.receive.certificates import CertificateFacts, check_files
from dcis_node.receive.handshake import TlsConnection

log = logging.getLogger(__name__)

OPTIONS = (
    ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_TICKET
)  # without tickets each association shows its certificate anew
LOOK_SECONDS = 1.0


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """Make the context of new connections from the files as they are now.

    Every certificate in `peer_ca` is trusted, also one in the middle of a chain or of a single peer. Revocation lists
    in that file are heeded.

    Raises
    ------
    ConfigurationError
        They cannot be used; names key and file.
    """
    check_files(settings)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = TlsConnection
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= OPTIONS
    context.num_tickets = 0
    _load_own(context, settings)
    if settings.peer_ca:
        _load_authorities(context, settings)
    return context


def _load_own(context: ssl.SSLContext, settings: TlsSettings) -> None:
    try:
        context.load_cert_chain(settings.certificate, settings.key, password=lambda: "")
    except OSError as error:
        raise _unusable("certificate", settings.certificate, error) from None


def _load_authorities(context: ssl.SSLContext, settings: TlsSettings) -> None:
    try:
        context.load_verify_locations(settings.peer_ca)
        if REVOCATION_LIST in Path(settings.peer_ca).read_bytes():
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except OSError as error:
        raise _unusable("peer_ca", settings.peer_ca, error) from None
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_mode = ssl.CERT_REQUIRED if settings.require_peer_certificate else ssl.CERT_OPTIONAL


def _unusable(key: str, path: str, error: OSError) -> ConfigurationError:
    reason = (getattr(error, "reason", None) or error.strerror or type(error).__name__).lower().replace("_", " ")
    return ConfigurationError(f"receive.tls.{key} = {path!r}: cannot be used: {reason}")


@dataclass(frozen=True)
class Loaded:
    """A context, and what its certificate states."""

    context: ssl.SSLContext
    facts: CertificateFacts


class TlsKeeper:
    """Keeps the newest context that could be made; new connections take it, open ones go on with theirs.

    Parameters
    ----------
    settings
        With absolute paths (`Configuration.tls`).
    clock
        Monotonic seconds.
    """

    def __init__(self, settings: TlsSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._looking = threading.Lock()
        self._looked = float("-inf")
        self._stamp: tuple[object, ...] = ()
        self.loaded: Loaded | None = None
        self.fault = ""

    def load(self) -> None:
        """Make the first context.

        Raises
        ------
        ConfigurationError
            The files cannot be used; names key and file.
        """
        self._looked, self._stamp = self._clock(), self._files()
        self._take()

    def refresh(self) -> None:
        """Look, at most once in `LOOK_SECONDS`, whether the files have changed; never raises.

        Files that cannot be used are told once and leave everything as it is, until they change again.
        """
        if not self._looking.acquire(blocking=False):
            return
        try:
            if self._clock() - self._looked >= LOOK_SECONDS:
                self._looked = self._clock()
                self._follow()
        finally:
            self._looking.release()

    def wrap(self, connection: socket.socket) -> TlsConnection:
        """Put TLS on an accepted connection; the handshake is still to be done.

        Raises
        ------
        OSError
            There is no usable certificate yet, or the connection is gone.
        """
        self.refresh()
        if self.loaded is None:
            raise ConnectionAbortedError(self.fault or "no certificate is loaded")
        connection.getpeername()  # of one that is gone already, `ssl` would leave the descriptor open
        wrapped = self.loaded.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        assert isinstance(wrapped, TlsConnection)  # noqa: S101 -- for the type checker: the context says so
        return wrapped

    def _follow(self) -> None:
        stamp = self._files()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._take()
        except ConfigurationError as error:
            self.fault = str(error)
            kept = "the one before stays in use" if self.loaded else "connections with TLS are refused"
            log.error("event=tls_not_loaded text=%r kept=%r", self.fault, kept)

    def _take(self) -> None:
        facts = check_files(self._settings)
        self.loaded = Loaded(server_context(self._settings), facts)
        self.fault = ""
        fault = facts.fault(time.time())
        log.log(
            logging.WARNING if fault else logging.INFO,
            "event=tls_loaded subject=%r sha256=%s days_left=%.0f text=%r",
            facts.subject,
            facts.sha256,
            facts.days_left(time.time()),
            fault,
        )

    def _files(self) -> tuple[object, ...]:
        """Tell apart what lies at the paths: when it was written, which file it is, how long."""
        names = (self._settings.certificate, self._settings.key, self._settings.peer_ca)
        return tuple(_stamp_of(name) for name in names if name)


def _stamp_of(name: str) -> tuple[int, int, int] | None:
    try:
        found = Path(name).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
