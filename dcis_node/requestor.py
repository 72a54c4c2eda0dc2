"""Opening and leaving associations as requestor, with a limit on every wait and the true reason of a failure.

Two gaps of pynetdicom 3.0.4 are closed here by way of private names (a test fails when they move): a socket whose
`shutdown` fails is never closed, and the error of a failed connection is only logged.
"""

import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from ssl import SSLContext, SSLEOFError, SSLError
from typing import Protocol, cast

from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ASSOCIATE_RJ
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation, AssociationSocket

from dcis_node.bcp195 import ClientTls, UnusableFileError, client_context, words_of


class Address(Protocol):
    """Whom a way leads to, for words and for the audit trail; `str` of it names the peer to a person.

    Where the way knows no AE titles (DICOMweb), `aet` and `calling_aet` are "".
    """

    @property
    def host(self) -> str:
        """Where it is."""

    @property
    def aet(self) -> str:
        """Its AE title."""

    @property
    def calling_aet(self) -> str:
        """Our AE title towards it."""

    @property
    def timeout_seconds(self) -> float:
        """Longest wait for each of: the connection, the answer to the request, progress on the network."""


class Called(Address, Protocol):
    """A peer that is called by DICOM's own protocol."""

    @property
    def port(self) -> int:
        """Where it listens."""

    @property
    def max_pdu_bytes(self) -> int:
        """Largest PDU that we announce to it."""

    @property
    def tls(self) -> ClientTls | None:
        """How TLS is spoken with it; None if it is not."""


class Cause(StrEnum):
    """Why no association came about."""

    NO_CONNECTION = "no_connection"  # refused, no route, unknown host
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls"  # no secure connection: a certificate that does not count, or no TLS there
    REJECTED = "rejected"  # A-ASSOCIATE-RJ
    NO_ASSOCIATION = "no_association"  # A-ABORT, a closed connection or silence in place of A-ASSOCIATE-AC
    NO_CONTEXT = "no_context"  # it was willing, but accepted no presentation context


@dataclass(frozen=True)
class Rejection:
    """Contents of an A-ASSOCIATE-RJ (PS3.8 Table 9-21): result 1 is permanent, 2 transient."""

    result: int
    source: int
    reason: int


class NotAssociated(Exception):  # noqa: N818 -- an outcome for the rooms that call, not an error of the tree
    """No association came about.

    Parameters
    ----------
    cause
        Why.
    detail
        More words; "" if there are none. Nothing of what the peer has sent.
    rejection
        The peer's reason, for `Cause.REJECTED`.
    contexts
        The refused contexts, for `Cause.NO_CONTEXT`.
    """

    def __init__(
        self,
        cause: Cause,
        detail: str = "",
        *,
        rejection: Rejection | None = None,
        contexts: Sequence[PresentationContext] = (),
    ) -> None:
        super().__init__(cause.value)
        self.cause = cause
        self.detail = detail
        self.rejection = rejection
        self.contexts = contexts


class _TellingSocket(AssociationSocket):
    """A socket that is always closed, and keeps the error that ended its connection attempt, or its TLS."""

    connect_error: BaseException | None = None
    tls_error: SSLError | None = None

    def recv(self, nr_bytes: int) -> bytearray:
        # By TLS 1.3 a server refuses our certificate after the handshake: its alert is what we read first.
        try:
            return super().recv(nr_bytes)
        except SSLError as error:
            self.tls_error = error
            raise

    def _shutdown_socket(self) -> None:
        # The base calls this from its `except OSError` when a connection attempt fails.
        self.connect_error = self.connect_error or sys.exception()
        wrapped = self.socket
        super()._shutdown_socket()
        if wrapped is not None:
            wrapped.close()


class _RequestorAE(AE):
    """An application entity for one association; holds on to its socket."""

    telling_socket: _TellingSocket | None = None

    def _create_socket(
        self, assoc: Association, address: AddressInformation, tls_args: tuple[SSLContext, str] | None
    ) -> AssociationSocket:
        self.telling_socket = _TellingSocket(assoc, address=address)
        self.telling_socket.tls_args = tls_args
        return self.telling_socket


def request_association(
    peer: Called, contexts: Sequence[PresentationContext], *, also: Sequence[evt.EventHandlerType] = ()
) -> Association:
    """Open an association.

    Parameters
    ----------
    contexts
        At most 128 presentation contexts.
    also
        Handlers of what comes over it.

    Returns
    -------
    Association
        Established, with at least one accepted context.

    Raises
    ------
    NotAssociated
        Nothing came about; within three times `peer.timeout_seconds`.
    """
    entity = _RequestorAE(ae_title=peer.calling_aet)
    entity.connection_timeout = peer.timeout_seconds
    entity.acse_timeout = peer.timeout_seconds
    entity.dimse_timeout = peer.timeout_seconds
    entity.network_timeout = peer.timeout_seconds
    rejections: list[Rejection] = []
    handlers: list[evt.EventHandlerType] = [
        (evt.EVT_CONN_OPEN, _set_up, [peer.timeout_seconds]),
        (evt.EVT_PDU_RECV, _note_rejection, [rejections]),
        *also,
    ]
    secure = _secure(peer)
    started = time.monotonic()
    try:
        association = entity.associate(
            peer.host,
            peer.port,
            contexts=list(contexts),
            ae_title=peer.aet,
            max_pdu=peer.max_pdu_bytes,
            evt_handlers=handlers,
            tls_args=secure,
        )
    except OSError as error:  # the name does not resolve, or this machine has no socket left
        raise NotAssociated(Cause.NO_CONNECTION, words_of(error)) from error
    if association.is_established:
        return association
    if rejections:
        raise NotAssociated(Cause.REJECTED, rejection=rejections[0])
    raise _cause(association, entity.telling_socket, waited=time.monotonic() - started, peer=peer)


def leave(association: Association) -> None:
    """End an association in the regular way, or abort it if the peer does not play along."""
    if association.is_established:
        association.release()
    if association.is_alive():
        association.abort()


def socket_of(association: Association) -> socket.socket:
    """Give the socket of an association whose connection is open."""
    return cast("socket.socket", cast("AssociationSocket", association.dul.socket).socket)


def _secure(peer: Called) -> tuple[SSLContext, str] | None:
    """Make TLS anew for each association, so that renewed files are used from then on."""
    if peer.tls is None:
        return None
    try:
        return client_context(peer.tls), peer.host
    except UnusableFileError as error:
        raise NotAssociated(Cause.TLS, str(error)) from error


def _set_up(event: evt.Event, timeout_seconds: float) -> None:
    """Set options of a new connection: pynetdicom sets none, and lifts the limit on reading and writing."""
    sock = socket_of(event.assoc)
    sock.settimeout(timeout_seconds)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _note_rejection(event: evt.Event, rejections: list[Rejection]) -> None:
    # Not `is_rejected`: pynetdicom takes a rejection for a failed connection if the peer is quick to close.
    if isinstance(event.pdu, A_ASSOCIATE_RJ):
        numbers = (event.pdu.result, event.pdu.source, event.pdu.reason_diagnostic)
        rejections.append(Rejection(*(int(number or 0) for number in numbers)))


def _cause(association: Association, sock: _TellingSocket | None, *, waited: float, peer: Called) -> NotAssociated:
    error = sock.connect_error if sock is not None else None
    if isinstance(error, TimeoutError):
        return NotAssociated(Cause.CONNECT_TIMEOUT)
    if sock is not None and sock.tls_error is not None:
        error = sock.tls_error
    if isinstance(error, SSLError) and not isinstance(error, SSLEOFError):
        return NotAssociated(Cause.TLS, words_of(error))
    if isinstance(error, OSError):
        return NotAssociated(Cause.NO_CONNECTION, words_of(error))
    if association.rejected_contexts:
        return NotAssociated(Cause.NO_CONTEXT, contexts=association.rejected_contexts)
    silent = waited >= peer.timeout_seconds
    return NotAssociated(Cause.NO_ASSOCIATION, f"silence for {peer.timeout_seconds:g} s" if silent else "it hung up")
