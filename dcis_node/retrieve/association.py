"""An association for queries and moves, with a limit on every wait and on what a peer may send.

Two gaps of pynetdicom 3.0.4 are closed here by way of private names (a test fails when they move): a socket whose
`shutdown` fails is never closed, and the error of a failed connection is only logged.
"""

import contextlib
import socket
import sys
import time
from collections.abc import Iterator
from ssl import SSLContext, SSLError
from typing import cast

from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ASSOCIATE_RJ, P_DATA_TF
from pynetdicom.transport import AddressInformation, AssociationSocket

from dcis_node.retrieve.source import Source, Trouble, rejection_of

# PS3.6: Study Root Query/Retrieve Information Model - FIND and - MOVE.
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
# Answers to the queries for one exam: a thousand matches of a kilobyte are one megabyte.
MOST_BYTES = 32 * 1024 * 1024


class _TellingSocket(AssociationSocket):
    """A socket that is always closed, and keeps the error that ended its connection attempt."""

    connect_error: BaseException | None = None

    def _shutdown_socket(self) -> None:
        # The base calls this from its `except OSError` when a connection attempt fails.
        self.connect_error = self.connect_error or sys.exception()
        wrapped = self.socket
        super()._shutdown_socket()
        if wrapped is not None:
            wrapped.close()


class _AskingAE(AE):
    """An application entity for one association; holds on to its socket."""

    telling_socket: _TellingSocket | None = None

    def _create_socket(
        self, assoc: Association, address: AddressInformation, tls_args: tuple[SSLContext, str] | None
    ) -> AssociationSocket:
        self.telling_socket = _TellingSocket(assoc, address=address)
        self.telling_socket.tls_args = tls_args
        return self.telling_socket


class _Watch:
    """Watches what a peer sends: its rejection is kept, and a connection over which too much comes is cut."""

    def __init__(self, timeout_seconds: float, most_bytes: int) -> None:
        self.rejection: tuple[int, int, int] | None = None
        self._timeout_seconds = timeout_seconds
        self._left = most_bytes

    def opened(self, event: evt.Event) -> None:
        """Set options of a new connection: pynetdicom sets none, and lifts the limit on reading and writing."""
        sock = _raw(event.assoc)
        sock.settimeout(self._timeout_seconds)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def received(self, event: evt.Event) -> None:
        """Look at one PDU."""
        pdu = event.pdu
        if isinstance(pdu, A_ASSOCIATE_RJ):
            # Not `is_rejected`: pynetdicom takes a rejection for a failed connection if the peer is quick to close.
            self.rejection = (int(pdu.result or 0), int(pdu.source or 0), int(pdu.reason_diagnostic or 0))
        elif isinstance(pdu, P_DATA_TF):
            self._left -= len(pdu)
            if self._left < 0:
                with contextlib.suppress(OSError):
                    _raw(event.assoc).shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def association_with(source: Source, *, most_bytes: int = MOST_BYTES) -> Iterator[Association]:
    """Open an association with a source for C-FIND and C-MOVE, and leave it at the end of the block.

    Parameters
    ----------
    most_bytes
        A peer that sends more over it is cut off.

    Raises
    ------
    Trouble
        None came about, within about three times `source.timeout_seconds`; or the peer does not offer both services.
    """
    association = _associate(source, most_bytes)
    try:
        accepted = {str(context.abstract_syntax) for context in association.accepted_contexts}
        if not accepted >= {FIND, MOVE}:
            raise Trouble(f"{source} does not offer query and retrieve (Study Root FIND and MOVE)", permanent=True)
        yield association
    finally:
        if association.is_established:
            association.release()
        if association.is_alive():
            association.abort()


def _associate(source: Source, most_bytes: int) -> Association:
    entity = _AskingAE(ae_title=source.calling_aet)
    entity.connection_timeout = source.timeout_seconds
    entity.acse_timeout = source.timeout_seconds
    entity.dimse_timeout = source.timeout_seconds
    entity.network_timeout = source.timeout_seconds
    watch = _Watch(source.timeout_seconds, most_bytes)
    started = time.monotonic()
    try:
        association = entity.associate(
            source.host,
            source.port,
            contexts=[build_context(FIND), build_context(MOVE)],
            ae_title=source.aet,
            tls_args=None if source.tls is None else (source.tls, source.tls_host or source.host),
            evt_handlers=[(evt.EVT_CONN_OPEN, watch.opened), (evt.EVT_PDU_RECV, watch.received)],
        )
    except OSError as error:  # the name does not resolve, or this machine has no socket left
        raise Trouble(f"no connection to {source} ({error.strerror or type(error).__name__})") from error
    if association.is_established:
        return association
    raise _trouble(association, entity.telling_socket, watch, source, waited=time.monotonic() - started)


def _trouble(
    association: Association, sock: _TellingSocket | None, watch: _Watch, source: Source, *, waited: float
) -> Trouble:
    if watch.rejection is not None:
        result, origin, reason = watch.rejection
        return rejection_of(source, result=result, origin=origin, reason=reason)
    error = sock.connect_error if sock is not None else None
    if isinstance(error, TimeoutError):
        return Trouble(f"no connection to {source} within {source.timeout_seconds:g} s")
    if isinstance(error, SSLError):
        return Trouble(f"no TLS with {source} ({error.reason or 'handshake failed'})", permanent=True)
    if isinstance(error, OSError):
        return Trouble(f"no connection to {source} ({error.strerror or type(error).__name__})")
    if association.rejected_contexts:
        return Trouble(f"{source} does not offer query and retrieve (Study Root FIND and MOVE)", permanent=True)
    how = f"silence for {source.timeout_seconds:g} s" if waited >= source.timeout_seconds else "it hung up"
    return Trouble(f"{source} did not answer the association request ({how})")


def _raw(association: Association) -> socket.socket:
    # Handlers are called while the connection is open, so both are there.
    return cast("socket.socket", cast("AssociationSocket", association.dul.socket).socket)
