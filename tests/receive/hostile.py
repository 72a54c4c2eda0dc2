"""Peers that connect and then stall, lie or trickle; hundreds at once, in a process of their own."""

import asyncio
import contextlib
import multiprocessing
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import MappingProxyType

from pynetdicom.sop_class import Verification

from tests.receive.wire import (
    ACCEPTED,
    COMMAND,
    DATA,
    LAST,
    P_DATA,
    REJECTED,
    echo_command,
    fragment,
    request_pdu,
    store_command,
)

# RFC 8446 5.1 and 4.1.2: the header of a record of 512 bytes, and the first bytes of a ClientHello in it.
HALF_CLIENT_HELLO = b"\x16\x03\x01\x02\x00" + b"\x01\x00\x01\xfc\x03\x03" + bytes(32)
CLAIM = 0xFFFFFFFF
TRICKLE_SECONDS = 1.0
HELD, REFUSED, UNREACHED = "held", "refused", "unreached"


@dataclass(frozen=True)
class Target:
    """Who is attacked, and as whom."""

    port: int
    called: str = "NODE"
    calling: str = "PACS"
    source: str = "127.0.0.1"


@dataclass(frozen=True)
class Outcome:
    """What became of one attacker; monotonic seconds, the same in all processes of a machine.

    Parameters
    ----------
    kind
        HELD until the other side closed the connection, REFUSED an association, or UNREACHED.
    """

    kind: str
    opened: float
    ended: float


class _Refused(Exception):  # noqa: N818 -- an answer, not an error
    pass


Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Misbehave = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Target], Awaitable[None]]


def _say(*pdus: bytes) -> Misbehave:
    """Send this, and then nothing."""

    async def misbehave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _target: Target) -> None:
        writer.write(b"".join(pdus))

    return misbehave


def _pour(head: bytes) -> Misbehave:
    """Send this, and then as much as is taken."""

    async def misbehave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _target: Target) -> None:
        writer.write(head)
        while True:
            writer.write(bytes(65536))
            await writer.drain()

    return misbehave


def _trickle(head: bytes) -> Misbehave:
    """Send this, and then a byte a second."""

    async def misbehave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _target: Target) -> None:
        writer.write(head)
        while True:
            await asyncio.sleep(TRICKLE_SECONDS)
            writer.write(b"\0")
            await writer.drain()

    return misbehave


async def _half_request(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Target) -> None:
    request = request_pdu(target.called, target.calling)
    writer.write(request[: len(request) // 2])


def _associated(then: Misbehave) -> Misbehave:
    async def misbehave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Target) -> None:
        writer.write(request_pdu(target.called, target.calling))
        await _accepted(reader)
        await then(reader, writer, target)

    return misbehave


async def _deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Target) -> None:
    """Send requests back to back and read no answer."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    writer.write(request_pdu(target.called, target.calling, sop_class=Verification))
    await _accepted(reader)
    writer.transport.pause_reading()
    while True:
        writer.write(fragment(COMMAND | LAST, echo_command()))
        await writer.drain()
        await asyncio.sleep(0)


async def _accepted(reader: asyncio.StreamReader) -> None:
    kind, _, length = struct.unpack(">BBL", await reader.readexactly(6))
    await reader.readexactly(length)
    if kind == REJECTED:
        raise _Refused
    assert kind == ACCEPTED, f"a PDU of type {kind} answered the request"


_STORE = fragment(COMMAND | LAST, store_command())
_HALF_PDU = fragment(DATA, bytes(8000))[:4000]

# Each kind of peer that does not speak TLS, by name.
KINDS: MappingProxyType[str, Misbehave] = MappingProxyType(
    {
        "silent": _say(),
        "stalled in the request": _half_request,
        "request that claims 4 GiB": _pour(struct.pack(">BBL", 0x01, 0, CLAIM)),
        "trickled request": _trickle(struct.pack(">BBL", 0x01, 0, 1000)),
        "stalled in a data PDU": _associated(_say(_STORE, _HALF_PDU)),
        "silent between data PDUs": _associated(_say(_STORE, fragment(DATA, bytes(8000)))),
        "data PDU that claims 4 GiB": _associated(_pour(_STORE + struct.pack(">BBL", P_DATA, 0, CLAIM))),
        "trickled data PDU": _associated(_trickle(_STORE + _HALF_PDU)),
        "deaf, with requests back to back": _deaf,
    }
)
TLS_KINDS: MappingProxyType[str, Misbehave] = MappingProxyType(
    {"silent before TLS": _say(), "stalled in the TLS handshake": _say(HALF_CLIENT_HELLO)}
)


@dataclass(frozen=True)
class Attack:
    """An attack under way."""

    _pipe: Connection

    def over(self) -> bool:
        """Tell whether every attacker has ended."""
        return self._pipe.poll()

    def outcomes(self) -> list[Outcome]:
        """Wait for the end, and say what became of each."""
        return self._pipe.recv()


@contextmanager
def attack(kind: str, target: Target, *, peers: int, most_seconds: float) -> Iterator[Attack]:
    """Let so many peers of a kind at a target, each once.

    Each ends when the target closes its connection, at the latest after `most_seconds`.
    """
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(
        target=_run, args=({**KINDS, **TLS_KINDS}[kind], target, peers, most_seconds, theirs), daemon=True
    )
    process.start()
    theirs.close()
    try:
        yield Attack(ours)
    finally:
        process.terminate()
        process.join()
        ours.close()


def _run(misbehave: Misbehave, target: Target, peers: int, most_seconds: float, pipe: Connection) -> None:
    async def all_of_them() -> list[Outcome]:
        return await asyncio.gather(*(_one(misbehave, target, most_seconds) for _ in range(peers)))

    pipe.send(asyncio.run(all_of_them()))


async def _one(misbehave: Misbehave, target: Target, most_seconds: float) -> Outcome:
    opened = time.monotonic()
    kind = UNREACHED
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(most_seconds):
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", target.port, local_addr=(target.source, 0))
            except OSError:
                return Outcome(UNREACHED, opened, time.monotonic())
            kind = HELD
            try:
                await misbehave(reader, writer, target)
                await reader.read()
            except _Refused:
                kind = REFUSED
            except (OSError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.transport.abort()
    return Outcome(kind, opened, time.monotonic())
