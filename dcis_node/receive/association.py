"""One association of the node as acceptor: its limits, whether it is busy, and that it always ends.

Uses private names of pynetdicom: see `dcis_node.receive.dimse`.
"""

import contextlib
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any, cast

from pynetdicom import AE, evt
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE, N_ACTION, N_EVENT_REPORT
from pynetdicom.service_class import StorageServiceClass, VerificationServiceClass

from dcis_node.config import ReceiveSettings
from dcis_node.receive.dimse import NewSink, StreamingDimse
from dcis_node.receive.reports import TakeReport, answer_request, none_is_ours
from dcis_node.receive.store import Sender, where
from dcis_node.receive.upper_layer import Turnstile, UpperLayer

log = logging.getLogger(__name__)

# How long an aborted association has to end before its connection is shut.
ABORT_SECONDS = 2.0
# PS3.8 9.3.8: from the service provider, invalid PDU parameter value.
A_ABORT = struct.pack(">BBLBBBB", 0x07, 0, 4, 0, 0, 2, 6)


class NodeAssociation(Association):
    """An association whose data sets go into sinks.

    Parameters
    ----------
    number
        Names it in the logs.
    new_sink
        Makes the sink of each object.
    on_end
        Called once when its thread ends, whatever ended it.
    begin
        Called first in its own thread (the TLS handshake); False ends it.
    on_fault
        Told why it is ended, if it is for what the peer did.
    take_report
        Records reports on our requests for storage commitment.
    """

    def __init__(
        self,
        ae: AE,
        *,
        number: int,
        settings: ReceiveSettings,
        new_sink: NewSink,
        on_end: Callable[["NodeAssociation"], None],
        begin: Callable[["NodeAssociation"], bool] | None = None,
        on_fault: Callable[["NodeAssociation", str], None] = lambda *_: None,
        take_report: TakeReport = none_is_ours,
    ) -> None:
        super().__init__(ae, MODE_ACCEPTOR)
        self.number = number
        self._streaming = StreamingDimse(
            self,
            new_sink=new_sink,
            max_queued=settings.max_queued_requests,
            silence_in_message_seconds=settings.dimse_timeout_seconds,
            on_fault=lambda text: self._note("aborted", text),
        )
        self.dimse = self._streaming
        # In place of those that pynetdicom's constructor has made; the timers are set through the association.
        self._reactor_checkpoint = Turnstile(self._has_work)
        self._upper_layer = UpperLayer(
            self,
            take_data=self._streaming.receive_data,
            tell=self._reactor_checkpoint.set,
            on_fault=lambda text: self._note("aborted", text),
        )
        self.dul = self._upper_layer
        self.acse_timeout, self.network_timeout = self.acse_timeout, self.network_timeout
        self.sender: Sender | None = None
        self.place: int | None = None
        # What the peer's certificate states (`handshake.identity_of`); None without TLS.
        self.certificate: tuple[str, ...] | None = None
        self._connected = time.monotonic()
        self._begin = begin
        self._on_fault = on_fault
        self._take_report = take_report
        self._on_end = on_end
        self._acse_seconds = settings.acse_timeout_seconds
        self._serving = False
        self._leaving = False
        self._began = float("inf")  # when it may be asked for
        # pynetdicom finds the associations of a server by the names of their threads.
        self.name = f"AcceptorThread@{number}"
        self.bind(evt.EVT_CONN_CLOSE, lambda _: self._wake())
        _keep_quiet(self.dul, number, then=self.drop)
        _keep_quiet(self, number)

    @property
    def address(self) -> str:
        """Address of the peer; "" before it is known."""
        found = self.requestor.address_info
        return "" if found is None else str(found.address)

    @property
    def busy(self) -> bool:
        """True while a request is being received, waits, or is being answered."""
        return self._serving or self._streaming.receiving

    @property
    def silent_seconds(self) -> float:
        """For how long the peer is connected and has not asked for an association; 0.0 once it has."""
        return time.monotonic() - self._connected if self.requestor.primitive is None else 0.0

    def run_reactor(self) -> None:
        """Serve until the end; pynetdicom's thread."""
        try:
            if self._begin is None or self._begin(self):
                self._began = time.monotonic()
                super().run_reactor()
        finally:
            # The thread that writes may still have an A-ABORT to send; then the connection goes in any case.
            with contextlib.suppress(RuntimeError):  # it was never started: no handshake, or no thread left
                self.dul.join(ABORT_SECONDS)
                # It waits for our answer to a request if this thread died over it.
                self.drop()
                self.dul.kill_dul()
                self.dul.join(ABORT_SECONDS)
            self._close()
            self._streaming.close()
            self._on_end(self)

    def end_connection(self, text: str) -> None:
        """Tell the log why and the peer that, and shut the connection."""
        self._note("ended", text)
        connection = self.connection
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.settimeout(0.0)
                connection.send(A_ABORT)
        self.drop()

    def drop(self) -> None:
        """Shut the connection at once; the threads notice and end. Callable from any thread."""
        connection = self.connection
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._wake()

    def kill(self) -> None:
        """End the threads.

        pynetdicom's own waits until the thread that reads has ended. If no association was asked for in time, that may
        be in the middle of a request that trickles in: then the connection is shut first.
        """
        if self.requestor.primitive is None and time.monotonic() - self._began >= self._acse_seconds:
            self._note(
                "ended", f"no whole association request within receive.acse_timeout_seconds = {self._acse_seconds:g}"
            )
            self.drop()
        super().kill()

    def leave(self) -> None:
        """End as soon as nothing is being stored; may be called again and again."""
        self._leaving = True
        if not self.busy:
            self.abort_now()

    def _abort_blocking(self, block: bool = True) -> None:  # noqa: FBT001, FBT002 -- pynetdicom's; every abort comes here
        """Send an A-ABORT, and end."""
        if not self._sent_abort:  # before it is sent: what the peer does then starts the idle timer anew
            self._note_silence()
        super()._abort_blocking(block)

    def abort_now(self) -> None:
        """Send an A-ABORT, or shut the connection if there is no association yet; returns at once."""
        if self.requestor.primitive is None:
            self.drop()
        elif not self._sent_abort:
            threading.Thread(target=self.abort, name=f"abort-{self.number}", daemon=True).start()

    def _note(self, what: str, text: str) -> None:
        """Tell the log, and whoever else wants to know, why this ends: for what the peer did."""
        log.warning("event=association_%s association=%d address=%s text=%r", what, self.number, self.address, text)
        self._on_fault(self, text)

    def _note_silence(self) -> None:
        """Tell the log if it is silence that ends the association."""
        if not self.dul.idle_timer_expired():
            return
        if self._streaming.receiving:
            self._note(
                "aborted", f"silent within a message for receive.dimse_timeout_seconds = {self.network_timeout:g}"
            )
            return
        text = f"idle for receive.network_timeout_seconds = {self.network_timeout:g}"
        log.info("event=association_idle association=%d address=%s text=%r", self.number, self.address, text)

    def _close(self) -> None:
        connection = self.connection
        if connection is not None:
            self.drop()
            connection.close()

    @property
    def connection(self) -> socket.socket | None:
        """The connection; None once it is closed."""
        return self.dul.socket.socket if self.dul.socket else None

    def _wake(self) -> None:
        """Wake the thread if it waits for an association request that will not come."""
        if self.requestor.primitive is None:
            self.dul.to_user_queue.put(cast("Any", None))

    def _has_work(self) -> bool:
        return self._kill or self._upper_layer.has_news or not self.dul.is_alive()

    def _serve_request(self, msg: Any, context_id: int) -> None:  # noqa: ANN401 -- pynetdicom ships no types
        self._serving = True
        try:
            fault = self._answer(msg, context_id)
        except Exception as error:  # noqa: BLE001 -- the edge of a request: recorded, and the association is aborted
            fault = "a request could not be answered"
            log.error(
                "event=association_failed association=%d error=%s at=%s",
                self.number,
                type(error).__name__,
                where(error),
            )
        finally:
            sink = getattr(msg, "sink", None)
            if sink is not None:
                sink.discard()
            # A store that takes long (a slow disk, a busy index) must not be taken for the silence of the peer.
            self._upper_layer.begin_silence()
            self._serving = False
        if fault:
            self._note("aborted", fault)
        if fault or self._leaving:
            self.abort()

    def _answer(self, msg: Any, context_id: int) -> str:  # noqa: ANN401 -- pynetdicom ships no types
        """Answer a request; tell what is wrong with it if it cannot be answered.

        pynetdicom chooses the service by the SOP class that the request names. It aborts without a word in the log if
        it knows none, and passes over a request that lacks a value: its peer would wait.
        """
        if not msg.is_valid_request:
            return "a request lacks what it must have"
        context = self._accepted_cx.get(context_id)
        if context is None:
            return "a presentation context was used that is not accepted"
        if isinstance(msg, (N_EVENT_REPORT, N_ACTION)):
            self.dimse.send_msg(answer_request(msg, context, self._take_report, number=self.number), context_id)
            return ""
        service = StorageServiceClass if isinstance(msg, C_STORE) else VerificationServiceClass
        self._is_paused = True
        service(self).SCP(msg, context)
        self._is_paused = False
        return ""

    def _bind_defaults(self) -> None:
        """Bind the default answers only: pynetdicom's log handlers cost time, and write UIDs."""
        for event in evt._INTERVENTION_EVENTS:  # noqa: SLF001 -- see the module
            self.bind(event, evt.get_default_handler(event))


def _keep_quiet(thread: threading.Thread, number: int, *, then: Callable[[], None] = lambda: None) -> None:
    """Note the exception that ends a thread of pynetdicom; its text, which may quote a peer's bytes, is left out.

    Parameters
    ----------
    then
        Called after it: the other thread must not wait for this one.
    """
    run = thread.run

    def guarded() -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001 -- the edge of the thread: recorded, and the connection is closed
            log.warning(
                "event=association_failed association=%d error=%s at=%s", number, type(error).__name__, where(error)
            )
            then()

    setattr(thread, "run", guarded)  # noqa: B010 -- a method of this one thread
