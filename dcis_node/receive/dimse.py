"""DIMSE messages from P-DATA, with the data sets streamed into sinks and every length capped.

Stands in for pynetdicom's provider, which keeps data sets in memory (or in /tmp, where a full disk ends the association
without an answer), has no cap, and reads on while a handler works. Uses private names of pynetdicom: the version is
pinned, and tests/receive/test_pynetdicom_names.py fails when they move.
"""

import struct
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import (
    _MESSAGE_TYPES,
    C_ECHO_RQ,
    C_STORE_RQ,
    N_ACTION_RQ,
    N_EVENT_REPORT_RQ,
    DIMSEMessage,
)
from pynetdicom.dsutils import create_file_meta, decode
from pynetdicom.pdu_primitives import P_DATA

from dcis_node.commitment import STORAGE_COMMITMENT
from dcis_node.receive.reports import Notification
from dcis_node.receive.sink import Sink
from dcis_node.results.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

# PS3.7 9.3.1.1: the largest C-STORE-RQ command set is a few hundred bytes.
MOST_COMMAND_BYTES = 16 * 1024
NO_DATA_SET = 0x0101  # PS3.7 E.2, Command Data Set Type (0000,0800)
# PS3.8 E.2, Message Control Header
IS_COMMAND, IS_LAST = 1, 2
# PS3.8 9.3.5.1: the length counts what follows it, the context ID too.
ITEM_HEADER = struct.Struct(">LB")
LENGTH_BYTES = 4

NewSink = Callable[[bytes], Sink]


class ProtocolFault(Exception):  # noqa: N818 -- the peer's fault, not the program's
    """The peer sent what no conforming peer sends, or more than a limit; the association is aborted."""


def fragments(value: memoryview) -> list[tuple[int, memoryview]]:
    """Cut the value of a P-DATA-TF PDU into its fragments, as (context ID, control header and data).

    Raises
    ------
    ProtocolFault
        A length does not fit (PS3.8 9.3.5.1); nothing of the PDU is taken then.
    """
    found = []
    at = 0
    while at < len(value):
        if len(value) - at < ITEM_HEADER.size:
            raise ProtocolFault("a presentation data value has no header")
        length, context_id = ITEM_HEADER.unpack_from(value, at)
        begin, at = at + ITEM_HEADER.size, at + LENGTH_BYTES + length
        if not begin <= at <= len(value):
            raise ProtocolFault("the length of a presentation data value does not fit its PDU")
        found.append((context_id, value[begin:at]))
    return found


class StreamingDimse(DIMSEServiceProvider):
    """Takes C-ECHO and C-STORE requests, and reports; a stored data set goes into a sink while it arrives.

    The sink travels to the handler as `sink` of the request primitive. All of it but `close` runs in the thread that
    reads the socket.

    Parameters
    ----------
    new_sink
        Makes a sink that begins with the given bytes.
    max_queued
        Requests that may wait for their handler. A peer that sends more ahead is aborted: conforming peers wait for
        each answer (PS3.7 D.3.3.3: we do not offer asynchronous operations).
    silence_in_message_seconds
        How long a message may stand still before pynetdicom's idle timer ends the association; between messages the
        network timeout holds.
    on_fault
        Told why the association is aborted, if it is for what the peer sent; writes the log.
    """

    def __init__(
        self,
        assoc: Association,
        *,
        new_sink: NewSink,
        max_queued: int,
        silence_in_message_seconds: float,
        on_fault: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(assoc)
        self._silence_seconds = assoc.network_timeout
        self._silence_in_message_seconds = silence_in_message_seconds
        self._new_sink = new_sink
        self._max_queued = max_queued
        self._command = bytearray()
        self._message: Any = None
        self._sink: Sink | Notification | None = None
        self._ended = False
        self._on_fault = on_fault

    @property
    def receiving(self) -> bool:
        """True while a message has begun and not ended, or waits for its handler."""
        return bool(self._command) or self._message is not None or not self.msg_queue.empty()

    @property
    def maximum_pdu_size(self) -> int:
        """The longest PDU that the peer takes, bytes; 0 if it states none, as for no limit (PS3.8 D.1)."""
        return self.assoc.requestor.maximum_length or 0

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take the fragments of one P-DATA; called by pynetdicom's state machine, and must not raise."""
        self._take_all(lambda: primitive.presentation_data_value_list)

    def receive_data(self, value: memoryview) -> None:
        """Take the fragments in the value of one P-DATA-TF PDU, and keep none of its memory; must not raise."""
        self._take_all(lambda: fragments(value))

    def close(self) -> None:
        """Remove what has not become an object; for the end of the association."""
        self._ended = True
        sink, self._sink = self._sink, None
        waiting = [request for _, request in list(self.msg_queue.queue)]
        for left in (sink, *(getattr(request, "sink", None) for request in waiting)):
            if left is not None:
                left.discard()

    def _take_all(self, given: Callable[[], Iterable[tuple[int, bytes | memoryview]]]) -> None:
        if self._ended:
            return
        try:
            for context_id, fragment in given():
                self._take(context_id, fragment)
        except ProtocolFault as fault:
            self._abort(str(fault))
        except Exception as error:  # noqa: BLE001 -- a command set that pydicom cannot read
            self._abort(f"message cannot be read ({type(error).__name__})")
        self._tidy()

    def _tidy(self) -> None:
        """Remove what was begun while the association ended in its own thread."""
        if self._ended:
            self.close()

    def _take(self, context_id: int, fragment: bytes | memoryview) -> None:
        if not fragment:
            raise ProtocolFault("a fragment has no control header")
        control, data = fragment[0], memoryview(fragment)[1:]
        if control & IS_COMMAND:
            self._take_command(context_id, data, is_last=bool(control & IS_LAST))
        else:
            self._take_data(context_id, data, is_last=bool(control & IS_LAST))

    def _take_command(self, context_id: int, data: memoryview, *, is_last: bool) -> None:
        if self._message is not None:
            raise ProtocolFault("a command stands inside a data set")
        self._command += data
        if len(self._command) > MOST_COMMAND_BYTES:
            raise ProtocolFault(f"a command is longer than {MOST_COMMAND_BYTES} bytes")
        if is_last:
            self._begin(context_id)

    def _take_data(self, context_id: int, data: memoryview, *, is_last: bool) -> None:
        if self._message is None or self._sink is None or self._message.context_id != context_id:
            raise ProtocolFault("a data set came without its command")
        self._sink.write(data)
        if is_last:
            self._end()

    def _begin(self, context_id: int) -> None:
        """Read a whole command set."""
        message = DIMSEMessage()
        message.command_set = decode(BytesIO(self._command), True, True)  # noqa: FBT003 -- implicit, little endian
        message.context_id = context_id
        message.__class__ = _MESSAGE_TYPES[message.command_set.CommandField][1]
        self._command.clear()
        self._message = message
        has_data_set = message.command_set.CommandDataSetType != NO_DATA_SET
        if isinstance(message, C_STORE_RQ) and has_data_set:
            self._sink = self._new_sink(self._preface(message))
            self.assoc.network_timeout = self._silence_in_message_seconds
        elif self._is_of_commitment(message) and has_data_set:
            self._sink = Notification()
            self.assoc.network_timeout = self._silence_in_message_seconds
        elif (isinstance(message, C_ECHO_RQ) or self._is_of_commitment(message)) and not has_data_set:
            self._end()
        else:
            raise ProtocolFault("only C-ECHO and C-STORE requests are served, and reports on storage commitment")

    def _is_of_commitment(self, message: Any) -> bool:  # noqa: ANN401 -- pynetdicom ships no types
        """Tell whether it is a report on storage commitment, or a request for it, which gets its answer too."""
        context = self.assoc._accepted_cx.get(message.context_id)  # noqa: SLF001 -- see the module
        return (
            isinstance(message, (N_EVENT_REPORT_RQ, N_ACTION_RQ))
            and context is not None
            and context.abstract_syntax == STORAGE_COMMITMENT
        )

    def _preface(self, message: Any) -> bytes:  # noqa: ANN401 -- pynetdicom ships no types
        """Write what stands before the data set in the file.

        Nothing of the sender or of a library's version is in it, so that an object sent again has the same digest. The
        preamble is empty: a sender's own could make the file a program (CVE-2019-11687).
        """
        context = self.assoc._accepted_cx.get(message.context_id)  # noqa: SLF001 -- see the module
        if context is None:
            raise ProtocolFault("a presentation context was used that is not accepted")
        meta = create_file_meta(
            sop_class_uid=message.command_set.AffectedSOPClassUID,
            sop_instance_uid=message.command_set.AffectedSOPInstanceUID,
            transfer_syntax=context.transfer_syntax[0],
            implementation_uid=UID(IMPLEMENTATION_CLASS_UID),
            implementation_version=IMPLEMENTATION_VERSION_NAME,
        )
        buffer = DicomBytesIO()
        buffer.write(b"\0" * 128 + b"DICM")
        write_file_meta_info(buffer, meta)
        return bytes(buffer.getvalue())

    def _end(self) -> None:
        """Hand a whole message to its handler's queue."""
        message = self._message
        request = message.message_to_primitive()  # raises for values that none may have; then `close` finds the sink
        request.sink = self._sink
        self._message = self._sink = None
        self.assoc.network_timeout = self._silence_seconds
        self.msg_queue.put((message.context_id, request))
        if self.msg_queue.qsize() > self._max_queued:
            raise ProtocolFault(f"more than receive.max_queued_requests = {self._max_queued} requests were sent ahead")

    def _abort(self, text: str) -> None:
        self._on_fault(text)
        self.close()
        # PS3.8 9.2.2: an invalid PDU; answered with A-ABORT from every state.
        self.dul.event_queue.put("Evt19")
