"""PDUs and command sets byte by byte: nothing is checked, so that everything can be said wrongly.

A PDU is PS3.8 9.3, a command set PS3.7 6.3 and E.1. Where a length is not given, it is the true one.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

REQUEST, ACCEPT, REJECT, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
COMMAND, LAST = 1, 2  # PS3.8 E.2
APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"  # PS3.7 A.2.1
VERIFICATION = b"1.2.840.10008.1.1"
MAMMOGRAM = b"1.2.840.10008.5.1.4.1.1.1.2"
COMMITMENT, COMMITMENT_INSTANCE = b"1.2.840.10008.1.20.1", b"1.2.840.10008.1.20.1.1"
IMPLICIT, EXPLICIT = b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1"
STORE_RQ, ECHO_RQ, EVENT_RQ, ACTION_RQ = 0x0001, 0x0030, 0x0100, 0x0130
HAS_DATA_SET, NO_DATA_SET = 0x0000, 0x0101

Elements = Sequence[tuple[int, bytes]]


class Field(NamedTuple):
    """A place in a PDU where a length stands; `code` is its `struct` format."""

    offset: int
    code: str


class Context(NamedTuple):
    """A presentation context as it is offered."""

    number: int
    abstract: bytes
    syntaxes: tuple[bytes, ...]


OFFERED = (
    Context(1, MAMMOGRAM, (EXPLICIT,)),
    Context(3, VERIFICATION, (IMPLICIT,)),
    Context(7, COMMITMENT, (IMPLICIT,)),
)


def pdu(kind: int, value: bytes, *, length: int | None = None) -> bytes:
    return struct.pack(">BBL", kind & 0xFF, 0, len(value) if length is None else length) + value


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value) & 0xFFFF) + value


def association(
    *,
    kind: int = REQUEST,
    called: bytes = b"NODE",
    calling: bytes = b"FUZZ",
    contexts: Sequence[Context] = OFFERED,
    application: bytes = APPLICATION_CONTEXT,
    version: int = 1,
    max_pdu: int = 16384,
    more_user_items: bytes = b"",
) -> bytes:
    """A-ASSOCIATE-RQ, or something shaped like it of another type."""
    user = item(0x51, struct.pack(">L", max_pdu)) + item(0x52, b"2.25.2") + more_user_items
    offered = b"".join(map(_context, contexts))
    head = struct.pack(">HH", version, 0) + called.ljust(16)[:16] + calling.ljust(16)[:16] + bytes(32)
    return pdu(kind, head + item(0x10, application) + offered + item(0x50, user))


def _context(context: Context) -> bytes:
    syntaxes = b"".join(item(0x40, syntax) for syntax in context.syntaxes)
    return item(0x20, bytes((context.number, 0, 0, 0)) + item(0x30, context.abstract) + syntaxes)


def pdv(context: int, control: int, data: bytes, *, length: int | None = None) -> bytes:
    """One presentation data value item (PS3.8 9.3.5.1)."""
    return struct.pack(">LBB", len(data) + 2 if length is None else length, context & 0xFF, control & 0xFF) + data


def command(elements: Elements) -> bytes:
    """A command set with its group length (implicit VR, little endian)."""
    rest = b"".join(element(0x0000, number, value) for number, value in elements)
    return element(0x0000, 0x0000, struct.pack("<L", len(rest))) + rest


def element(group: int, number: int, value: bytes, *, length: int | None = None) -> bytes:
    return struct.pack("<HHL", group, number, len(value) if length is None else length) + value


def even(text: bytes, filler: bytes = b"\0") -> bytes:
    return text + filler * (len(text) % 2)


def store_elements(sop_class: bytes, instance: bytes, *, message: int = 1) -> list[tuple[int, bytes]]:
    """The elements of a C-STORE-RQ (PS3.7 9.3.1.1)."""
    return [
        (0x0002, even(sop_class)),
        (0x0100, struct.pack("<H", STORE_RQ)),
        (0x0110, struct.pack("<H", message)),
        (0x0700, struct.pack("<H", 0)),
        (0x0800, struct.pack("<H", HAS_DATA_SET)),
        (0x1000, even(instance)),
    ]


def echo_elements(*, message: int = 1) -> list[tuple[int, bytes]]:
    """The elements of a C-ECHO-RQ (PS3.7 9.3.5.1)."""
    return [
        (0x0002, even(VERIFICATION)),
        (0x0100, struct.pack("<H", ECHO_RQ)),
        (0x0110, struct.pack("<H", message)),
        (0x0800, struct.pack("<H", NO_DATA_SET)),
    ]


def report_elements(*, kind: int = 1) -> list[tuple[int, bytes]]:
    """The elements of an N-EVENT-REPORT-RQ (PS3.7 10.3.1.1) on storage commitment."""
    return [
        (0x0002, even(COMMITMENT)),
        (0x0100, struct.pack("<H", EVENT_RQ)),
        (0x0110, struct.pack("<H", 1)),
        (0x0800, struct.pack("<H", HAS_DATA_SET)),
        (0x1000, even(COMMITMENT_INSTANCE)),
        (0x1002, struct.pack("<H", kind)),
    ]


def action_elements() -> list[tuple[int, bytes]]:
    """The elements of an N-ACTION-RQ (PS3.7 10.3.4.1) for storage commitment."""
    return [
        (0x0003, even(COMMITMENT)),
        (0x0100, struct.pack("<H", ACTION_RQ)),
        (0x0110, struct.pack("<H", 1)),
        (0x0800, struct.pack("<H", HAS_DATA_SET)),
        (0x1001, even(COMMITMENT_INSTANCE)),
        (0x1008, struct.pack("<H", 1)),
    ]


def report(transaction: bytes, instances: Sequence[bytes], *, tag: int = 0x1199) -> bytes:
    """The data set of a report (PS3.4 Table J.3-2), implicit VR."""
    items = b"".join(
        element(0xFFFE, 0xE000, element(0x0008, 0x1150, even(MAMMOGRAM)) + element(0x0008, 0x1155, even(uid)))
        for uid in instances
    )
    return element(0x0008, 0x1195, even(transaction)) + element(0x0008, tag, items)


def length_fields(data: bytes) -> list[Field]:
    """Find the lengths in a PDU: its own, and those of its items, values and command elements."""
    fields = [Field(2, ">L")]
    if data[:1] in (b"\x01", b"\x02"):
        fields += _items(data, 74, len(data))
    elif data[:1] == b"\x04":
        fields += _values(data)
    return [field for field in fields if field.offset + struct.calcsize(field.code) <= len(data)]


def _items(data: bytes, start: int, end: int) -> Iterator[Field]:
    while start + 4 <= end:
        kind, length = data[start], struct.unpack_from(">H", data, start + 2)[0]
        yield Field(start + 2, ">H")
        if kind in (0x20, 0x21):
            yield from _items(data, start + 8, min(end, start + 4 + length))
        elif kind == 0x50:
            yield from _items(data, start + 4, min(end, start + 4 + length))
        start += 4 + length


def _values(data: bytes) -> Iterator[Field]:
    at = 6
    while at + 6 <= len(data):
        length = struct.unpack_from(">L", data, at)[0]
        yield Field(at, ">L")
        if data[at + 5] & COMMAND:
            yield from _elements(data, at + 6, min(len(data), at + 4 + length))
        at += 4 + max(length, 2)


def _elements(data: bytes, start: int, end: int) -> Iterator[Field]:
    while start + 8 <= end:
        yield Field(start + 4, "<L")
        start += 8 + struct.unpack_from("<L", data, start + 4)[0]
