"""A peer that plays sequences on real connections, and a good one that asks for an echo meanwhile."""

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass

from tests.fuzz import pdus
from tests.fuzz.protocol import Sequence

ANSWER_SECONDS = 0.25  # for an answer in the middle of a session; a mutated one often gets none
END_SECONDS = 10.0  # the node has to end a connection whose peer is through within this
NAMES = {0: "none", 1: "request", 2: "accept", 3: "reject", 4: "data", 5: "release", 6: "released", 7: "abort"}
RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Outcome:
    """What came of one session.

    Parameters
    ----------
    answers
        Names of the PDUs that came, doubled ones once.
    ended
        `closed` or `reset` by the node, `left` by the peer, `stuck` if the node did not end it in time, `unreached` if
        there was no connection.
    """

    number: int
    answers: tuple[str, ...]
    ended: str
    seconds: float


def play(port: int, sequence: Sequence, *, source: str = "127.0.0.1") -> Outcome:
    """Play one sequence to its end; never raises for what the node does."""
    began = time.monotonic()
    answers = bytearray()
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=END_SECONDS, source_address=(source, 0))
    except OSError:
        return Outcome(sequence.number, (), "unreached", time.monotonic() - began)
    with connection:
        ended = _play(connection, sequence, answers)
    return Outcome(sequence.number, _kinds(bytes(answers)), ended, time.monotonic() - began)


def _play(connection: socket.socket, sequence: Sequence, answers: bytearray) -> str:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for step in sequence.steps:
            connection.settimeout(END_SECONDS)
            connection.sendall(step.data)
            if step.wait:
                _listen(connection, answers)
        return _end(connection, sequence.ending, answers)
    except TimeoutError:
        return "stuck"
    except OSError:
        return "reset"


def _listen(connection: socket.socket, answers: bytearray) -> None:
    connection.settimeout(ANSWER_SECONDS)
    with contextlib.suppress(TimeoutError):
        answers += connection.recv(65536)


def _end(connection: socket.socket, ending: str, answers: bytearray) -> str:
    if ending == "silence":
        _listen(connection, answers)
    if ending == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    if ending != "half_close":
        return "left"
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(END_SECONDS)
    while data := connection.recv(65536):
        answers += data
    return "closed"


def _kinds(answers: bytes) -> tuple[str, ...]:
    kinds, at = [], 0
    while at + 6 <= len(answers):
        kinds.append(NAMES.get(answers[at], f"type_{answers[at]}"))
        at += 6 + struct.unpack_from(">L", answers, at + 2)[0]
    return tuple(dict.fromkeys(kinds))


def echo(port: int, *, timeout_seconds: float = END_SECONDS) -> float:
    """Associate, ask for an echo, and release, as a good peer does; gives the seconds it took.

    Raises
    ------
    OSError
        It was not answered.
    """
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_seconds) as connection:
        said = pdus.pdu(pdus.P_DATA, pdus.pdv(3, pdus.COMMAND | pdus.LAST, pdus.command(pdus.echo_elements())))
        for message, awaited in (
            (pdus.association(calling=b"GOOD"), pdus.ACCEPT),
            (said, pdus.P_DATA),
            (pdus.pdu(pdus.RELEASE_RQ, bytes(4)), pdus.RELEASE_RP),
        ):
            connection.sendall(message)
            kind, _ = read_pdu(connection)
            if kind != awaited:
                raise ConnectionError(f"PDU of type {kind} where {awaited} was due")
    return time.monotonic() - began


def read_pdu(connection: socket.socket) -> tuple[int, bytes]:
    """Read one PDU: type and value; (0, b"") at the end of the connection."""
    head = _read(connection, 6)
    if len(head) < 6:
        return 0, b""
    return head[0], _read(connection, struct.unpack(">L", head[2:])[0])


def _read(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length and (piece := connection.recv(length - len(data))):
        data += piece
    return data


class Echoes:
    """Asks for an echo every second from a thread of its own, as long as the block runs."""

    def __init__(self, port: int, *, every_seconds: float = 1.0) -> None:
        self.seconds: list[float] = []
        self.failed: list[str] = []
        self._port = port
        self._every_seconds = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="echoes")

    def __enter__(self) -> "Echoes":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self.seconds.append(echo(self._port))
            except OSError as error:
                self.failed.append(f"{type(error).__name__}: {error}")
            if self._stop.wait(self._every_seconds):
                return
