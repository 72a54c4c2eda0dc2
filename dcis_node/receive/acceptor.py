"""Accept connections on a listening socket that several processes share, and make each an association or nothing.

Uses private names of pynetdicom: see `dcis_node.receive.dimse`.
"""

import logging
import socket
import sys
from typing import Any, cast

from pydicom import Dataset
from pynetdicom import AE, build_context, evt
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation, AssociationServer

from dcis_node.config import ReceiveSettings
from dcis_node.mammogram.storage_classes import ACCEPTED_SOP_CLASSES, ACCEPTED_TRANSFER_SYNTAXES, UNCOMPRESSED
from dcis_node.receive.admission import NOT_JUDGED, Refusal, judge_association, judge_limits, may_connect
from dcis_node.receive.association import NodeAssociation
from dcis_node.receive.connections import MOST_UNANSWERED, Connections
from dcis_node.receive.events import Notify, PeerRefused, nobody
from dcis_node.receive.handshake import HandshakeFault, TlsConnection, identity_of, shake_hands
from dcis_node.receive.places import Places
from dcis_node.receive.reports import TakeReport, commitment_context, none_is_ours
from dcis_node.receive.store import InstanceStore, Sender, where
from dcis_node.receive.tls import TlsKeeper
from dcis_node.receive.transport import DeadlineSocket
from dcis_node.results.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

log = logging.getLogger(__name__)

VERIFICATION = "1.2.840.10008.1.1"  # PS3.4 A.4
# Classes named in one line of the log; some senders offer every class there is.
MOST_NAMED = 8
# What the kernel keeps of our (short) answers for a peer that does not read them; by itself it would keep megabytes.
SEND_BUFFER_BYTES = 16 * 1024
# The kernel asks a peer that is silent for a minute, and gives it up after another.
KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 6))


def contexts() -> list[PresentationContext]:
    """List what is accepted; pynetdicom takes the first of our transfer syntaxes that the peer offers too."""
    echo = build_context(VERIFICATION, list(UNCOMPRESSED))
    stored = (build_context(uid, list(ACCEPTED_TRANSFER_SYNTAXES)) for uid in ACCEPTED_SOP_CLASSES)
    return [echo, commitment_context(), *stored]


def application_entity(settings: ReceiveSettings, aet: str) -> AE:
    """Set up what pynetdicom keeps per application entity. Who may associate is judged by us (`admission`)."""
    entity = AE(ae_title=aet)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    entity.maximum_pdu_size = settings.max_pdu_bytes
    entity.maximum_associations = settings.max_associations + MOST_UNANSWERED + 1
    entity.acse_timeout = settings.acse_timeout_seconds
    entity.dimse_timeout = settings.dimse_timeout_seconds
    entity.network_timeout = settings.network_timeout_seconds
    return entity


class Acceptor(AssociationServer):
    """The accepting side of one receiver process, on one listener.

    Parameters
    ----------
    listener
        The shared listening socket. It is set to not block: of the processes that wake up for one connection, all but
        one find none.
    store
        Keeps the objects.
    places
        Counts the associations of all receivers.
    connections
        What is open in this process, shared by its listeners; left out, this is the only one.
    tls
        Keeps the certificate: every connection begins with a TLS handshake, in its own thread. None: without TLS.
    take_report
        Records reports on our requests for storage commitment.
    """

    def __init__(
        self,
        listener: socket.socket,
        *,
        settings: ReceiveSettings,
        aet: str,
        store: InstanceStore,
        places: Places,
        connections: Connections | None = None,
        tls: TlsKeeper | None = None,
        notify: Notify = nobody,
        take_report: TakeReport = none_is_ours,
    ) -> None:
        self._take_report = take_report
        self.settings = settings
        self.store = store
        self.places = places
        self._listening = listener.dup()
        self._connections = connections or Connections()
        self._tls = tls
        self._notify = notify
        self._leaving = False
        super().__init__(application_entity(settings, aet), listener.getsockname(), aet, contexts())

    def server_bind(self) -> None:
        """Take the socket that is bound already, in place of the one just made."""
        super().server_close()
        self.socket = self._listening
        self._listening.settimeout(0.0)
        self.server_address = self._listening.getsockname()

    def server_activate(self) -> None:
        """Do nothing: the socket listens already."""

    def server_close(self) -> None:
        """Close our end only: a shutdown would end the listening of all processes that share the socket."""
        self._listening.close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; raises BlockingIOError, which socketserver passes over, if another process took it."""
        connection, address = self._listening.accept()
        connection.settimeout(self.settings.network_timeout_seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        # RFC 5482: the kernel gives up a peer that takes none of what we have sent. It looks at intervals that double,
        # so it may need twice as long.
        unread_milliseconds = int(1000 * self.settings.pdu_deadline_seconds / 2)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unread_milliseconds)
        return self._secured(connection, str(address[0])), address

    def verify_request(self, request: object, client_address: Any) -> bool:  # noqa: ANN401, ARG002 -- socketserver's
        """Refuse a stranger before a thread is spent, and make room for a newcomer."""
        address = str(client_address[0])
        if not may_connect(self.settings, address):
            text = "not an address of any [[receive.peers]]"
            log.warning("event=connection_refused address=%s text=%r", address, text)
            self._notify(PeerRefused("address", address, "", "", text))
            return False
        displaced = self._connections.make_room()
        if displaced is not None:
            self._tell(displaced, "limit", "silent, and no place left")
        return not self._leaving

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 -- socketserver's
        """Start the threads of an association."""
        association = NodeAssociation(
            self.ae,
            number=self._connections.number(),
            settings=self.settings,
            new_sink=lambda preface: self.store.new_sink(preface, limit_bytes=self.settings.max_dataset_bytes),
            on_end=self._on_end,
            begin=self._shake_hands if self._tls else None,
            on_fault=lambda ended, text: self._tell(ended, "protocol", text),
            take_report=self._take_report,
        )
        association.set_socket(self._deadline_socket(association, request))
        association.acceptor.maximum_length = self.ae.maximum_pdu_size
        association.acceptor.ae_title = self.ae_title
        association.acceptor.address_info = AddressInformation.from_tuple(self.server_address)
        association.acceptor.implementation_class_uid = self.ae.implementation_class_uid
        association.acceptor.implementation_version_name = self.ae.implementation_version_name
        association.acceptor.supported_contexts = self.contexts  # only read in the negotiation
        association.requestor.address_info = AddressInformation.from_tuple(client_address)
        association.bind(evt.EVT_REQUESTED, lambda _: self._admit(association))
        association.bind(evt.EVT_ESTABLISHED, lambda _: _log_opened(association))
        association.bind(evt.EVT_C_STORE, lambda event: self._store(event.request, association))
        self._connections.add(association)
        try:
            association.start()
        except RuntimeError:  # the machine has no thread left
            self._connections.forget(association)
            raise

    def handle_error(self, request: object, client_address: Any) -> None:  # noqa: ANN401, ARG002 -- socketserver's
        """Note what went wrong with one connection; the next are not touched."""
        error = sys.exc_info()[1]  # socketserver calls this where it caught one; its text may quote the peer's bytes
        at = where(error) if error is not None else "?"
        log.error("event=connection_failed address=%s error=%s at=%s", client_address[0], type(error).__name__, at)

    def pause(self) -> None:
        """Stop accepting, in peace: what has been accepted goes on, an association that is yet to be asked for too."""
        super(AssociationServer, self).shutdown()

    def leave(self) -> None:
        """Stop accepting; returns when the accepting thread has seen it."""
        self._leaving = True
        super(AssociationServer, self).shutdown()

    def finish(self, grace_seconds: float) -> None:
        """Let what is being stored end, abort the rest, and wait for their threads."""
        self._connections.finish(grace_seconds)

    def _secured(self, connection: socket.socket, address: str) -> socket.socket:
        """Put TLS on a connection if this listener has it; nothing is sent or awaited yet."""
        if self._tls is None:
            return connection
        try:
            return self._tls.wrap(connection)
        except OSError as error:
            connection.close()
            log.warning("event=connection_refused address=%s text=%r", address, str(error))
            raise

    def _shake_hands(self, association: NodeAssociation) -> bool:
        """Do the TLS handshake, in the association's own thread; tell whether it may go on."""
        connection = cast("TlsConnection", association.connection)
        try:
            shake_hands(connection, seconds=self.settings.acse_timeout_seconds)
        except HandshakeFault as fault:
            log.warning(
                "event=handshake_refused association=%d address=%s rule=tls_handshake text=%r",
                association.number,
                association.address,
                str(fault),
            )
            self._tell(association, "tls_handshake", str(fault))
            return False
        connection.settimeout(self.settings.network_timeout_seconds)
        association.certificate = identity_of(connection)
        return True

    def _tell(self, association: NodeAssociation, rule: str, text: str) -> None:
        """Tell the audit trail that a peer was refused, or ended for what it did."""
        request = association.requestor.primitive
        calling, called = ("", "") if request is None else (request.calling_ae_title, request.called_ae_title)
        self._notify(PeerRefused(rule, association.address, (calling or "").strip(), (called or "").strip(), text))

    def _deadline_socket(self, association: NodeAssociation, connection: socket.socket) -> DeadlineSocket:
        return DeadlineSocket(
            association,
            connection,
            max_pdu_bytes=self.settings.max_pdu_bytes,
            read_seconds=self.settings.network_timeout_seconds,
            pdu_seconds=self.settings.pdu_deadline_seconds,
            end=association.end_connection,
        )

    def _admit(self, association: NodeAssociation) -> None:
        """Judge an association request, in the association's own thread; remember its sender, or reject it."""
        try:
            refusal = self._judge(association)
        except Exception as error:  # noqa: BLE001 -- pynetdicom would pass it over, and accept: recorded, and refused
            log.error("event=admission_failed error=%s at=%s", type(error).__name__, where(error))
            refusal = NOT_JUDGED
        if refusal is None:
            self._connections.admit(association)
            return
        log.warning(
            "event=association_refused association=%d address=%s rule=%s text=%r",
            association.number,
            association.address,
            refusal.rule,
            refusal.text,
        )
        association.acse.send_reject(refusal.result, refusal.source, refusal.diagnostic)
        self._tell(association, refusal.rule, refusal.text)
        association.kill()

    def _judge(self, association: NodeAssociation) -> Refusal | None:
        """Judge who asks and whether there is room; without a refusal the association has its place and its sender."""
        request = cast("A_ASSOCIATE", association.requestor.primitive)
        sender = Sender(association.number, request.calling_ae_title.strip(), association.address)
        refusal = judge_association(
            self.settings,
            self.ae_title,
            called=request.called_ae_title,
            calling=sender.calling_aet,
            address=sender.address,
            certificate=association.certificate,
            leaving=self._leaving,
        )
        if refusal is not None:
            return refusal
        association.place, refusal = self.places.take(
            sender.calling_aet,
            sender.address,
            judge=lambda taken: judge_limits(
                self.settings, calling=sender.calling_aet, address=sender.address, taken=taken
            ),
        )
        if refusal is None:
            association.sender = sender
        return refusal

    def _store(self, request: Any, association: NodeAssociation) -> int | Dataset:  # noqa: ANN401 -- carries our sink
        return self.store.handle(
            request.sink,
            cast("Sender", association.sender),
            sop_class_uid=request.AffectedSOPClassUID,
            sop_instance_uid=request.AffectedSOPInstanceUID,
        )

    def _on_end(self, association: NodeAssociation) -> None:
        try:
            if association.sender is not None:
                self.store.close(association.sender)
                log.info("event=association_closed association=%d", association.number)
        except Exception as error:  # noqa: BLE001 -- the edge of the thread: recorded
            log.error("event=association_left_open error=%s at=%s", type(error).__name__, where(error))
        finally:
            if association.place is not None:
                self.places.free(association.place)
            self._connections.forget(association)


def _log_opened(association: NodeAssociation) -> None:
    sender = cast("Sender", association.sender)
    log.info(
        "event=association_opened association=%d calling=%r address=%s certificate=%s",
        sender.number,
        sender.calling_aet,
        sender.address,
        _shown(association.certificate),
    )
    accepted = {str(context.abstract_syntax) for context in association.accepted_contexts}
    refused = sorted({str(context.abstract_syntax) for context in association.rejected_contexts} - accepted)
    if refused:
        log.log(
            logging.INFO if accepted else logging.WARNING,
            "event=classes_refused association=%d accepted=%d refused=%d text='not accepted, or in no transfer syntax "
            "that we take' classes=%s",
            sender.number,
            len(accepted),
            len(refused),
            ",".join(repr(uid) for uid in refused[:MOST_NAMED]) + (",..." if len(refused) > MOST_NAMED else ""),
        )


def _shown(certificate: tuple[str, ...] | None) -> str:
    """Say by what the peer is known: no TLS, TLS without a certificate, or the fingerprint of its certificate."""
    if certificate is None:
        return "-"
    return certificate[0] if certificate else "none"
