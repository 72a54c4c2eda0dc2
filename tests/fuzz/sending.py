"""A C-STORE of any bytes at all: the command set and the data set go as they are."""

import re
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass

from tests.fuzz import pdus
from tests.fuzz.peer import read_pdu
from tests.fuzz.surgery import BadFile

ANSWER_SECONDS = 10.0
FRAGMENT_BYTES = 16000
ANY_CLASS = pdus.MAMMOGRAM.decode()
EXPLICIT = pdus.EXPLICIT.decode()
STATUS, COMMENT = 0x0900, 0x0902
ASSOCIATION_OF = re.compile(r"process=(\S+) event=association_opened association=(\d+) calling='(\w+)'")
REASONS = re.compile(r"process=(\S+) event=(\w+) association=(\d+) .*?text=(.*)$")


@dataclass(frozen=True)
class Sent:
    """What came of one file.

    Parameters
    ----------
    status
        Status of the response; None if there was none.
    comment
        Its Error Comment, or why there is no response: `not accepted` (in the negotiation), `aborted`, `stuck`.
    """

    number: int
    status: int | None
    comment: str
    seconds: float

    @property
    def is_clean(self) -> bool:
        """Tell whether the node has said what it makes of the file, in time."""
        return self.status is not None or self.comment in ("not accepted", "aborted")


def calling_aet(number: int) -> str:
    """Name the sender of a file, so that the log tells what became of it."""
    return f"F{number}"


def store(port: int, file: BadFile, *, called: str = "NODE", source: str = "127.0.0.1") -> Sent:
    """Send one file over an association of its own; never raises for what the node does."""
    began = time.monotonic()
    try:
        with socket.create_connection(
            ("127.0.0.1", port), timeout=ANSWER_SECONDS, source_address=(source, 0)
        ) as connection:
            status, comment = _store(connection, file, called.encode())
    except TimeoutError:
        status, comment = None, "stuck"
    except OSError:
        status, comment = None, "aborted"
    return Sent(file.number, status, comment, time.monotonic() - began)


def _store(connection: socket.socket, file: BadFile, called: bytes) -> tuple[int | None, str]:
    own = pdus.Context(1, file.context.encode(), (file.syntax.encode(),))
    other = pdus.Context(3, ANY_CLASS.encode(), (EXPLICIT.encode(),))
    calling = calling_aet(file.number).encode()
    connection.sendall(pdus.association(called=called, calling=calling, contexts=(own, other)))
    kind, accepted = read_pdu(connection)
    if kind != pdus.ACCEPT:
        return None, f"association answered by a PDU of type {kind}"
    context = next((number for number in (1, 3) if _is_accepted(accepted, number)), 0)
    if not context:
        return None, "not accepted"
    for piece in _pdus(file, context):
        connection.sendall(piece)
    kind, value = read_pdu(connection)
    if kind != pdus.P_DATA:
        return None, "aborted"
    connection.sendall(pdus.pdu(pdus.RELEASE_RQ, bytes(4)))
    read_pdu(connection)
    return _answer(value)


def _is_accepted(value: bytes, number: int) -> bool:
    # PS3.8 9.3.3.2: context item 0x21, its length, then the ID, a reserved byte and the result.
    return bool(re.search(rb"\x21\x00..%s\x00\x00\x00\x40" % re.escape(bytes([number])), value, re.DOTALL))


def _pdus(file: BadFile, context: int) -> Iterable[bytes]:
    command = pdus.command(pdus.store_elements(file.sop_class, file.instance))
    yield pdus.pdu(pdus.P_DATA, pdus.pdv(context, pdus.COMMAND | pdus.LAST, command))
    data = file.data_set
    for at in range(0, max(1, len(data)), FRAGMENT_BYTES):
        last = pdus.LAST if at + FRAGMENT_BYTES >= len(data) else 0
        yield pdus.pdu(pdus.P_DATA, pdus.pdv(context, last, data[at : at + FRAGMENT_BYTES]))


def _answer(value: bytes) -> tuple[int | None, str]:
    status, comment, at = None, "", 6
    while at + 8 <= len(value):
        _, number, length = struct.unpack_from("<HHL", value, at)
        if number == STATUS:
            status = int.from_bytes(value[at + 8 : at + 8 + length], "little")
        elif number == COMMENT:
            comment = value[at + 8 : at + 8 + length].decode("ascii", "replace").rstrip(" \0")
        at += 8 + length
    return status, comment


def reasons(log: str) -> dict[str, str]:
    """Find why associations were refused or ended, by the title of who asked."""
    calling = {(process, number): aet for process, number, aet in ASSOCIATION_OF.findall(log)}
    found = {}
    for line in log.splitlines():
        reason = REASONS.search(line)
        if reason and (reason[1], reason[3]) in calling:
            found[calling[reason[1], reason[3]]] = f"{reason[2]}: {reason[4]}"
    return found
