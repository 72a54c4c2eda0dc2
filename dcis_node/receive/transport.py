"""A peer's connection on which nothing waits for ever and no length is believed.

Uses private names of pynetdicom: see `dcis_node.receive.dimse`.
"""

import contextlib
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from errno import ETIMEDOUT

from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

HEADER_BYTES = 6  # PS3.8 9.3.1: type, reserved, length
A_ASSOCIATE_RQ, P_DATA_TF = 0x01, 0x04
# 128 presentation contexts with a dozen transfer syntaxes and a long user identity stay below this.
MOST_REQUEST_BYTES = 256 * 1024
MOST_OTHER_BYTES = 1024  # release and abort have 4
# Some senders count the header of the PDU into the length that we announced, others do not.
SLACK_BYTES = HEADER_BYTES
# Small PDUs are read many at a time; a large one with the header of the next, so that nothing has to be moved.
READ_BYTES = 128 * 1024
# How long half a TLS record of a peer that is not listened to any more is waited for.
PASS_OVER_SECONDS = 0.1


class DeadlineSocket(AssociationSocket):
    """The socket of one association.

    Every read ends within `read_seconds`, every PDU within `pdu_seconds` from its first byte, and a PDU that claims to
    be longer than it may be is refused from its header. It is read and written by one thread only, and does not block:
    so there is one system call for each read, and no flag or descriptor is used that a TLS socket does not know.

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
        # Bytes read ahead lie in _ahead[_start:_stop]; the buffer exists while data come.
        self._capacity = max(READ_BYTES, HEADER_BYTES + self._most_bytes[P_DATA_TF]) + HEADER_BYTES
        self._ahead = memoryview(bytearray())
        self._start = self._stop = 0

    @property
    def buffered(self) -> int:
        """Number of bytes that were read ahead."""
        return self._stop - self._start

    @property
    def ready(self) -> bool:
        """Tell whether bytes wait; pynetdicom then reads one PDU, so the PDU's time begins here."""
        return self.wait(0.0)

    def wait(self, seconds: float, *, bell: int = -1) -> bool:
        """Wait until bytes are there to be read, or something rings.

        By poll(2): select(2), which pynetdicom uses, has no room for descriptors above 1023.

        Parameters
        ----------
        seconds
            Wait no longer.
        bell
            A descriptor that becomes readable when something else is to be done; -1 for none.

        Returns
        -------
        bool
            True if bytes are there: the time of a PDU begins. A closed connection has bytes to read: none.
        """
        connection = self.socket if self._is_connected else None
        if self.buffered or (connection is not None and _is_decrypted(connection)):
            self._begin_pdu()
            return True
        try:
            waiting = _readable(connection, bell, seconds)
        except (OSError, ValueError):
            self.event_queue.put("Evt17")
            return False
        if waiting:
            self._begin_pdu()
        elif seconds:
            self._ahead = memoryview(bytearray())  # nothing comes for now: an idle association costs no buffer
            self._start = self._stop = 0
        return waiting

    def data_value(self) -> memoryview | None:
        """Read a whole P-DATA-TF PDU, if that is what comes next.

        Returns
        -------
        memoryview | None
            Its presentation data value items (PS3.8 9.3.5), valid until the next read. None if another PDU comes next,
            or the connection is closed: `recv` then gives what came.

        Raises
        ------
        OSError
            The PDU is longer than allowed, its time is over, or the connection broke.
        """
        self._begin_pdu()
        if not self._read_ahead(HEADER_BYTES):
            return None
        kind, length = struct.unpack_from(">BxL", self._ahead, self._start)
        if kind != P_DATA_TF:
            return None
        self._type = kind
        self._check_length(length)
        if not self._read_ahead(HEADER_BYTES + length):
            msg = "the peer closed the connection within a PDU"
            raise ConnectionResetError(msg)
        begin = self._start + HEADER_BYTES
        self._start = begin + length
        return self._ahead[begin : self._start]

    def pass_over(self) -> bool:
        """Read some of what is there, and drop it; False if there was nothing, or the connection is closed."""
        self._start = self._stop = 0
        self._deadline = time.monotonic() + PASS_OVER_SECONDS
        try:
            return self._read_some(memoryview(bytearray(READ_BYTES))) > 0
        except OSError:
            return False

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

    def send(self, bytestream: bytes) -> None:
        """Send all bytes, within `pdu_seconds` in all: a peer that reads nothing, or ever less, holds no place for it.

        A failure is a closed connection.
        """
        deadline = time.monotonic() + self._pdu_seconds
        left = memoryview(bytestream)
        try:
            while left:
                left = left[self._send_some(left, deadline) :]
        except TimeoutError:
            self._end(f"the peer read no answer for receive.pdu_deadline_seconds = {self._pdu_seconds:g}")
            self.event_queue.put("Evt17")
        except OSError:
            self.event_queue.put("Evt17")

    def _send_some(self, view: memoryview, deadline: float) -> int:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        if self.socket is None:
            raise ConnectionAbortedError
        self.socket.settimeout(seconds)
        return self.socket.send(view)

    def _shutdown_socket(self) -> None:
        """Close the connection in any case; pynetdicom leaves it open where the peer has reset it."""
        connection = self.socket
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _begin_pdu(self) -> None:
        self._deadline = time.monotonic() + self._pdu_seconds
        self._at_header = True

    def _read_ahead(self, wanted: int) -> bool:
        """Read until so many bytes lie ahead; False if the connection closed before."""
        if self.buffered >= wanted:
            return True
        self._make_room()
        most = max(wanted + HEADER_BYTES, READ_BYTES)
        with self._timed():
            while self._stop < wanted:
                count = self._read_some(self._ahead[self._stop : most])
                if not count:
                    return False
                self._stop += count
        return True

    def _make_room(self) -> None:
        """Move what lies ahead to the begin of the buffer."""
        if not self._ahead:
            self._ahead = memoryview(bytearray(self._capacity))
        count = self.buffered
        if count:
            self._ahead[:count] = self._ahead[self._start : self._stop]
        self._start, self._stop = 0, count

    def _fill(self, view: memoryview) -> int:
        done = min(len(view), self.buffered)
        view[:done] = self._ahead[self._start : self._start + done]
        self._start += done
        with self._timed():
            while done < len(view):
                count = self._read_some(view[done:])
                if not count:
                    break
                done += count
        return done

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            slow = f"a PDU stood still or took longer than receive.pdu_deadline_seconds = {self._pdu_seconds:g}"
            self._end("the peer's machine takes nothing or does not answer (TCP)" if error.errno == ETIMEDOUT else slow)
            raise

    def _read_some(self, view: memoryview) -> int:
        """Read what is there, or wait for it."""
        connection = self.socket
        while connection is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if connection.gettimeout() != 0.0:
                connection.settimeout(0.0)
            try:
                return connection.recv_into(view)
            except (BlockingIOError, ssl.SSLWantReadError):
                wanted = select.POLLIN
            except ssl.SSLWantWriteError:
                wanted = select.POLLOUT
            poll = select.poll()
            poll.register(connection, wanted)
            if not poll.poll(1000 * min(left, self._read_seconds)):
                raise TimeoutError
        return 0

    def _check_length(self, length: int) -> None:
        most = self._most_bytes.get(self._type, MOST_OTHER_BYTES)
        if length > most:
            text = f"a PDU of type {self._type} claims {length} bytes, {most} are allowed"
            self._end(text)
            raise ConnectionAbortedError(text)


def _is_decrypted(connection: socket.socket) -> bool:
    """Tell whether TLS has decrypted bytes that wait; the descriptor knows nothing of them."""
    return isinstance(connection, ssl.SSLSocket) and connection.pending() > 0


def _readable(connection: socket.socket | None, bell: int, seconds: float) -> bool:
    """Wait for bytes on a connection or for a bell; tell whether it was bytes."""
    poll = select.poll()
    number = -1
    if connection is not None:
        number = connection.fileno()
        poll.register(number, select.POLLIN)
    if bell >= 0:
        poll.register(bell, select.POLLIN)
    return any(ready == number for ready, _ in poll.poll(1000 * seconds))
