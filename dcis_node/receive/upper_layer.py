"""The upper layer of one association (PS3.8 9.2): pynetdicom's state machine, fed without polling and without copies.

pynetdicom looks for work every millisecond, in two threads for each association, and makes half a dozen objects of each
PDU. Here the thread that reads sleeps until bytes come or something is to be sent, and the data of an established
association go straight from its buffer to the message they belong to. Every other PDU takes pynetdicom's own way.

Uses private names of pynetdicom: see `dcis_node.receive.dimse`.
"""

import contextlib
import os
import queue
import select
import threading
from collections.abc import Callable
from typing import Any, cast

from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import TRANSITION_TABLE

from dcis_node.receive.transport import DeadlineSocket

# How late a timer of pynetdicom may be noticed; all else rings.
IDLE_SECONDS = 0.25
# Undecided: the association request has come and is not answered yet; what the peer sends ahead waits.
UNDECIDED, ESTABLISHED, CLOSING = "Sta3", "Sta6", "Sta13"
# The connection is closed, or waits for the peer to close it: nothing is sent any more.
SILENT = ("Sta1", CLOSING)
# PS3.8 9.2.2 and Tables 9-6 to 9-9: the event of an invalid PDU, and the actions that answer an event by an A-ABORT.
INVALID, ABORTING = "Evt19", ("AA-1", "AA-8")
# PS3.8 9.3.5.1: a presentation data value item has six bytes before its first one.
SHORTEST_PDU = 7


class UpperLayer(DULServiceProvider):
    """Reads and writes the connection of one association.

    Parameters
    ----------
    take_data
        Given the value of each P-DATA-TF PDU of the established association; must not raise.
    tell
        Called when something may be there for the association's own thread.
    on_fault
        Told why, if a PDU is answered by an A-ABORT.
    """

    def __init__(
        self,
        assoc: Association,
        *,
        take_data: Callable[[memoryview], None],
        tell: Callable[[], None],
        on_fault: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(assoc)
        self._on_fault = on_fault
        self._take_data = take_data
        self._tell = tell
        self._bell = Bell()
        self._run_loop_delay = 0  # `_is_transport_event` waits

    def run_reactor(self) -> None:
        """Read and write until the end; pynetdicom's thread."""
        try:
            with self._bell:
                super().run_reactor()
        finally:
            self._tell()

    @property
    def has_news(self) -> bool:
        """True while there is something for the association's own thread."""
        return not (self.assoc.dimse.msg_queue.empty() and self.to_user_queue.empty())

    def send_pdu(self, primitive: Any) -> None:  # noqa: ANN401 -- pynetdicom ships no types
        """Have a primitive sent."""
        super().send_pdu(primitive)
        self._bell.ring()

    def begin_silence(self) -> None:
        """Count the silence of the peer from now: until now it was ours, as we answered."""
        self._idle_timer.restart()

    def kill_dul(self) -> None:
        """Have the thread end."""
        super().kill_dul()
        self._bell.ring()

    def stop_dul(self) -> bool:
        """End the thread if the connection is closed; tell whether it was."""
        if self.state_machine.current_state != "Sta1":
            return False
        self.kill_dul()
        self.join()
        return True

    def _process_recv_primitive(self) -> bool:
        """Look whether something is to be sent; called first in every round.

        What the other thread asks for is held against the state of this moment. pynetdicom queues it behind what came
        from the peer: after an abort it is no event of the state any more, and the thread would die of it.
        """
        if not self.event_queue.empty():
            return True
        if self.state_machine.current_state not in SILENT:
            return super()._process_recv_primitive()
        with contextlib.suppress(queue.Empty):
            while True:
                self.to_provider_queue.get_nowait()
        return False

    def _is_transport_event(self) -> bool:
        """Wait for bytes, and read them; called in every round in which there is nothing to send."""
        state = self.state_machine.current_state
        if state == CLOSING:
            return self._close()
        self._tell_news()
        seconds = IDLE_SECONDS if self.event_queue.empty() else 0.0
        if state == UNDECIDED:
            self._bell.wait(seconds)
        elif self._connection.wait(seconds, bell=self._bell.descriptor):
            self._read_pdu_data()
            return True
        self._bell.silence()
        return False

    def _close(self) -> bool:
        """Close the connection once nothing more comes; what still comes is not read as PDUs.

        A reset, which close(2) makes of bytes that nobody has read, could overtake the A-ABORT.
        """
        if not (self._connection.ready and self._connection.pass_over()):
            self._connection.close()
        return True

    def _read_pdu_data(self) -> None:
        """Read one PDU; while data come, as many as come."""
        if self.state_machine.current_state == ESTABLISHED and self._read_data():
            return
        super()._read_pdu_data()
        self._tell_fault()

    def _tell_fault(self) -> None:
        """Tell why, if what was read last is answered by an abort."""
        event = self.event_queue.queue[-1] if not self.event_queue.empty() else ""
        if TRANSITION_TABLE.get((event, self.state_machine.current_state)) not in ABORTING:
            return
        unreadable = "a PDU cannot be read, or is of no known type"
        self._on_fault(unreadable if event == INVALID else "a PDU came that has no place here")

    def _decode_pdu(self, bytestream: bytearray) -> Any:  # noqa: ANN401 -- pynetdicom ships no types
        """Decode a PDU; raises if it holds a value that none may have, which is then answered as an invalid PDU.

        pynetdicom looks at the values in its state machine only: the thread would die of them, without an answer.
        """
        pdu, event = super()._decode_pdu(bytestream)
        primitive = pdu.to_primitive()
        for context in getattr(primitive, "presentation_context_definition_list", ()):
            if context.abstract_syntax is None:
                msg = "a presentation context without an abstract syntax"
                raise ValueError(msg)
        if 0 < (getattr(primitive, "maximum_length_received", None) or 0) < SHORTEST_PDU:
            msg = "no presentation data value fits into the maximum length"
            raise ValueError(msg)
        return pdu, event

    def _read_data(self) -> bool:
        """Read data as long as they come and nothing else is to be done; False if another PDU comes next."""
        connection = self._connection
        try:
            while (value := connection.data_value()) is not None:
                self._idle_timer.restart()
                self._take_data(value)
                self._tell_news()
                if not connection.buffered or self._has_other_work():
                    return True
        except OSError:
            self.event_queue.put("Evt17")  # PS3.8 9.2.2: the connection is closed
            return True
        return False

    def _tell_news(self) -> None:
        if self.has_news:
            self._tell()

    def _has_other_work(self) -> bool:
        return self._kill_thread or not self.event_queue.empty() or not self.to_provider_queue.empty()

    @property
    def _connection(self) -> DeadlineSocket:
        return cast("DeadlineSocket", self.socket)


class Bell:
    """Wakes a thread that waits in poll(2); callable from any thread, also when nobody waits or it is put away."""

    def __init__(self) -> None:
        self.descriptor = -1
        self._lock = threading.Lock()

    def __enter__(self) -> "Bell":
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            descriptor, self.descriptor = self.descriptor, -1
        os.close(descriptor)

    def ring(self) -> None:
        """Wake who waits, or who will wait next."""
        with self._lock:
            if self.descriptor >= 0:
                os.eventfd_write(self.descriptor, 1)

    def wait(self, seconds: float) -> None:
        """Wait until it rings."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        poll.poll(1000 * seconds)

    def silence(self) -> None:
        """Stop ringing."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.descriptor)


class Turnstile(threading.Event):
    """Lets pynetdicom's loop of an association through when there may be work, and now and then; it has no other brake.

    Stands in for the event that pynetdicom waits for in each round (`_reactor_checkpoint`).

    Parameters
    ----------
    has_work
        Tells whether there is work that nobody will announce again.
    """

    def __init__(self, has_work: Callable[[], bool]) -> None:
        super().__init__()
        self._has_work = has_work

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for work, `IDLE_SECONDS` at most."""
        # In this order: what is announced after the look is not missed.
        self.clear()
        if not self._has_work():
            super().wait(IDLE_SECONDS if timeout is None else timeout)
        return True
