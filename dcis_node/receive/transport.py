"""A peer's connection on which nothing waits for ever and no length is believed.

Uses private names of pynetdicom: see `dcis_node.receive.dimse`.
"""

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Callable

from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

HEADER_BYTES = 6  # PS3.8 9.3.1: type, reserved, length
A_ASSOCIATE_RQ, P_DATA_TF = 0x01, 0x04
# 128 presentation contexts with a dozen transfer syntaxes and a long user identity stay below this.
MOST_REQUEST_BYTES = 256 * 1024
MOST_OTHER_BYTES = 1024  # release and abort have 4
# Some senders count the header of the PDU into the length that we announced, others do not.
SLACK_BYTES = HEADER_BYTES


class DeadlineSocket(AssociationSocket):
    """The socket of one association.

    Every read ends within `read_seconds`, every PDU within `pdu_seconds` from its first byte, and a PDU that claims to
    be longer than it may be is refused from its header.

    Parameters
    ----------
    max_pdu_bytes
        What we announced as Maximum Length (PS3.8 D.1).
    end
        Told why, ends the connection.
    """

    def __init__(
        self,
        assoc: Association,
        client_socket: socket.socket,
        *,
        max_pdu_bytes: int,
        read_seconds: float,
        pdu_seconds: float,
        end: Callable[[str], None],
    ) -> None:
        super().__init__(assoc, client_socket=client_socket)
        self._most_bytes = {A_ASSOCIATE_RQ: MOST_REQUEST_BYTES, P_DATA_TF: max_pdu_bytes + SLACK_BYTES}
        self._read_seconds = read_seconds
        self._pdu_seconds = pdu_seconds
        self._end = end
        self._deadline = time.monotonic() + pdu_seconds
        self._at_header = True
        self._type = 0

    @property
    def ready(self) -> bool:
        """Tell whether bytes wait; pynetdicom then reads one PDU, so the PDU's time begins here.

        By poll(2): select(2), which pynetdicom uses, has no room for descriptors above 1023.
        """
        connection = self.socket
        if connection is None or not self._is_connected:
            return False
        try:
            poll = select.poll()
            poll.register(connection, select.POLLIN)
            waiting = _is_buffered(connection) or bool(poll.poll(0))
        except (OSError, ValueError):
            self.event_queue.put("Evt17")
            return False
        if waiting:
            self._deadline = time.monotonic() + self._pdu_seconds
            self._at_header = True
        return waiting

    def recv(self, nr_bytes: int) -> bytearray:
        """Read so many bytes of a PDU.

        Returns
        -------
        bytearray
            The bytes; fewer if the peer closed the connection.

        Raises
        ------
        OSError
            The PDU is longer than allowed, its time is over, or the connection broke.
        """
        if not self._at_header:
            self._check_length(nr_bytes)
        data = bytearray(nr_bytes)
        done = self._fill(memoryview(data))
        del data[done:]
        if self._at_header and data:
            self._type = data[0]
        self._at_header = False
        return data

    def _shutdown_socket(self) -> None:
        """Close the connection in any case; pynetdicom leaves it open where the peer has reset it."""
        connection = self.socket
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _fill(self, view: memoryview) -> int:
        done = 0
        try:
            while done < len(view):
                count = self._read_some(view[done:])
                if not count:
                    break
                done += count
        except TimeoutError:
            self._end(f"a PDU stood still or took longer than receive.pdu_deadline_seconds = {self._pdu_seconds:g}")
            raise
        return done

    def _read_some(self, view: memoryview) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self.socket is None:
            return 0
        self.socket.settimeout(min(self._read_seconds, left))
        count = self.socket.recv_into(view)
        self.socket.settimeout(self._read_seconds)  # what a later send may take
        return count

    def _check_length(self, length: int) -> None:
        most = self._most_bytes.get(self._type, MOST_OTHER_BYTES)
        if length > most:
            text = f"a PDU of type {self._type} claims {length} bytes, {most} are allowed"
            self._end(text)
            raise ConnectionAbortedError(text)


def _is_buffered(connection: socket.socket) -> bool:
    """Tell whether TLS has decrypted bytes that wait; the descriptor knows nothing of them."""
    return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
