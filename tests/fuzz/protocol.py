"""Mutated protocol sequences: each a session with the node, wrong in a way that its seed and number determine.

The first sequences go through the upper layer's state machine (PS3.8 9.2) systematically: each state that an acceptor
can be brought into, and in it each event that a peer can cause. All later ones take a state and events by chance, build
their PDUs with fields of which some are nasty, and are mutated 0 to 4 times: bytes, lengths, whole PDUs, or
their order.
"""

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from tests.fuzz import pdus
from tests.fuzz.pdus import ABORT, ACCEPT, COMMAND, LAST, P_DATA, REJECT, RELEASE_RP, RELEASE_RQ, REQUEST
from tests.receive.helpers import Image

NASTY_TEXT = (
    b"",
    b"\0",
    b" ",
    b"../../../../tmp/FUZZ-OUTSIDE",
    b"$(touch FUZZ-OUTSIDE)",
    b";reboot;",
    b"%s%n%x%d",
    b"%2e%2e%2f",
    b"\xff\xfe\xfd",
    b"\xc3\xa9\xe2\x82\xac",
    b"1.2.840.10008.5.1.4.1.1.1.2\0\0\0",
    b"1..2",
    b"1.2.3" * 40,
    b"A" * 300,
    b"\n2026-01-01 ERROR forged=line",
    b"' OR 1=1 --",
)
NUMBERS = (0, 1, 2, 3, 4, 5, 7, 8, 0x10, 0x7F, 0x80, 0xFE, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
LARGE = (0x10000, 0x20000, 0x20006, 0x20007, 0x40000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
COMMANDS = (0x0001, 0x8001, 0x0010, 0x0020, 0x0021, 0x0030, 0x8030, 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150)
COMMANDS_LATE = (0x8100, 0x0FFF, 0xFFFF, 0x0000)
INSTANCES = 40  # so that most stored objects are ones that are here already
NASTY_SHARE = 24  # one field in so many: a request has eight, and more than half of them are to pass
FLOOD_BYTES = 192 * 1024
# How a session ends: mostly with the peer's end of the stream, so that the node's own end can be awaited.
ENDINGS = (*["half_close"] * 14, *["close"] * 3, *["reset"] * 2, "silence")


@dataclass(frozen=True)
class Step:
    """Bytes that are sent; with `wait`, an answer is awaited for a moment before the next."""

    data: bytes
    wait: bool = False


@dataclass(frozen=True)
class Sequence:
    """One session.

    Parameters
    ----------
    state
        The state that it means to bring the acceptor into.
    ways
        What is wrong with it, by name; empty for a session whose PDUs are each well formed.
    """

    number: int
    state: str
    steps: tuple[Step, ...]
    ending: str
    ways: tuple[str, ...]


def sequence(seed: int, number: int) -> Sequence:
    """Make one sequence; the same for the same seed and number."""
    rng = random.Random(f"{seed}:{number}")  # noqa: S311 -- to be repeatable, not secret
    pairs = len(STATES) * len(EVENTS)
    if number < pairs:
        state, event = tuple(STATES)[number // len(EVENTS)], tuple(EVENTS)[number % len(EVENTS)]
        plain = _Builder(rng, nasty=False)
        steps = [*STATES[state](plain), Step(EVENTS[event](plain), wait=True)]
        return Sequence(number, state, tuple(steps), "half_close", (event,))
    builder = _Builder(rng, nasty=True)
    state = rng.choice(tuple(STATES))
    steps = STATES[state](builder)
    chosen = rng.choices(tuple(EVENTS), k=rng.choice((0, 1, 1, 2, 3, 6)))
    steps += [Step(EVENTS[event](builder), wait=rng.random() < 0.3) for event in chosen]
    ways = rng.choices(tuple(MUTATIONS), k=rng.choice((0, 1, 1, 1, 2, 2, 3, 4)))
    for way in ways:
        steps = MUTATIONS[way](rng, steps) if steps else steps
    return Sequence(number, state, tuple(steps), rng.choice(ENDINGS), tuple(ways))


class _Builder:
    """Builds PDUs; if `nasty`, one field in `NASTY_SHARE` is not what it should be."""

    def __init__(self, rng: random.Random, *, nasty: bool) -> None:
        self.rng = rng
        self._nasty = nasty

    def _or(self, good, choices):
        return self.rng.choice(choices) if self._nasty and not self.rng.randrange(NASTY_SHARE) else good

    def request(self, *, called: bytes = b"NODE", kind: int = REQUEST) -> bytes:
        contexts = self._or(pdus.OFFERED, ((), pdus.OFFERED[:1] * 2, _many_contexts(self.rng), _wide_contexts()))
        contexts = [
            pdus.Context(self._or(c.number, (0, 2, 255)), self._or(c.abstract, NASTY_TEXT), c.syntaxes)
            for c in contexts
        ]
        return pdus.association(
            kind=kind,
            called=self._or(called, NASTY_TEXT),
            calling=self._or(b"FUZZ", NASTY_TEXT),
            contexts=contexts,
            application=self._or(pdus.APPLICATION_CONTEXT, NASTY_TEXT),
            version=self._or(1, (0, 2, 3, 0xFFFF)),
            max_pdu=self._or(16384, (0, 1, 6, 7, 8, 0xFFFFFFFF)),
            more_user_items=self._or(b"", _user_items(self.rng)),
        )

    def command_set(self, elements: list[tuple[int, bytes]]) -> bytes:
        changed = [(number, self._or(value, (*NASTY_TEXT, *map(_short, NUMBERS)))) for number, value in elements]
        if self._or(None, (1,)):
            self.rng.shuffle(changed)
        if self._or(None, (1,)):
            changed = changed[: self.rng.randrange(len(changed))]
        return pdus.command(changed)

    def values(self, context: int, command: bytes, data: bytes | None = None) -> bytes:
        """P-DATA with a command, and the data set behind it."""
        last = self._or(COMMAND | LAST, (0, COMMAND, LAST, 0x80, 0xFF))
        value = pdus.pdv(self._or(context, (0, 2, 5, 255)), last, command)
        if data is not None:
            value += pdus.pdv(self._or(context, (0, 2, 3, 255)), self._or(LAST, (0, COMMAND, 0xFF)), data)
        return pdus.pdu(P_DATA, value)

    def echo(self) -> bytes:
        return self.values(3, self.command_set(pdus.echo_elements(message=self._or(1, (0, 0xFFFF)))))

    def report(self) -> bytes:
        """Report on storage commitment: on a transaction that nobody has asked for, and with lists of odd shape."""
        kind = self._or(1, (0, 2, 3, 0xFFFF))
        uids = [b"2.25.%d" % number for number in range(self._or(3, (0, 1, 5000)))]
        nested = pdus.element(0x0008, 0x1199, b"", length=0xFFFFFFFF) + pdus.element(
            0xFFFE, 0xE000, b"", length=0xFFFFFFFF
        )
        data = pdus.report(self._or(b"2.25.1", NASTY_TEXT), uids, tag=self._or(0x1199, (0x1198, 0x1195)))
        data = self._or(data, (b"", b"\0", data[:-3], nested * 2000, data * 3))
        return self.values(7, self.command_set(pdus.report_elements(kind=kind)), data)

    def commit_request(self) -> bytes:
        """Ask for a commitment of ours."""
        return self.values(7, self.command_set(pdus.action_elements()), pdus.report(b"2.25.1", [b"2.25.2"]))

    def store_command(self) -> bytes:
        instance = b"2.25.77.%d" % self.rng.randrange(INSTANCES)
        return self.command_set(pdus.store_elements(pdus.MAMMOGRAM, instance))

    def store(self) -> bytes:
        instance = b"2.25.77.%d" % self.rng.randrange(INSTANCES)
        command = self.command_set(pdus.store_elements(pdus.MAMMOGRAM, instance))
        return self.values(1, command, self._or(_data_set(instance), (b"", b"\0", _data_set(b"2.25.77.1")[:-3])))


def _data_set(instance: bytes) -> bytes:
    uid = instance.ljust(len(_PLACE), b"\0")
    return _DATA_SET.replace(_PLACE, uid)


def _written() -> bytes:
    ds = Image(rows=8, study="2.25.78").dataset(SOPInstanceUID=_PLACE.decode(), SeriesInstanceUID="2.25.79")
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, ds)
    return bytes(buffer.getvalue())


_PLACE = b"2.25.77.900000"
_DATA_SET = _written()


def _short(value: int) -> bytes:
    return struct.pack("<H", value)


def _many_contexts(rng: random.Random) -> tuple[pdus.Context, ...]:
    return tuple(pdus.Context(n % 256, pdus.MAMMOGRAM, (pdus.EXPLICIT,)) for n in range(1, rng.choice((257, 600)), 2))


def _wide_contexts() -> tuple[pdus.Context, ...]:
    return (pdus.Context(1, pdus.MAMMOGRAM, (*[b"1.2.%d" % n for n in range(400)], pdus.EXPLICIT)),)


def _user_items(rng: random.Random) -> tuple[bytes, ...]:
    """Sub-items of the user information that a request may have (PS3.7 D.3.3), and some that none has."""
    role = pdus.item(0x54, struct.pack(">H", len(pdus.MAMMOGRAM)) + pdus.MAMMOGRAM + bytes((rng.randrange(3), 1)))
    window = pdus.item(0x53, struct.pack(">HH", rng.choice(NUMBERS), rng.choice(NUMBERS)))
    version = pdus.item(0x55, rng.choice(NASTY_TEXT))
    extended = pdus.item(0x56, struct.pack(">H", rng.choice((0, 27, 999))) + pdus.MAMMOGRAM + b"\1\2\3")
    common = pdus.item(0x57, struct.pack(">H", rng.choice((0, 27, 999))) + pdus.MAMMOGRAM + b"\0\0\0\0")
    identity = pdus.item(0x58, bytes((rng.randrange(7), 1)) + struct.pack(">H", rng.choice((0, 4, 60000))) + b"user")
    return (
        role,
        window,
        version,
        extended,
        common,
        identity,
        pdus.item(0x59, b"x"),
        pdus.item(0xEE, b"y" * 9),
        role * 9,
    )


State = Callable[[_Builder], list[Step]]
Event = Callable[[_Builder], bytes]
Mutation = Callable[[random.Random, list[Step]], list[Step]]


def _associated(b: _Builder) -> list[Step]:
    return [Step(b.request(), wait=True)]


# The acceptor's states, PS3.8 9.2.1. Sta7, Sta9 to Sta12 belong to who asks for the release, which we never do.
STATES: dict[str, State] = {
    "sta2": lambda _: [],
    "sta3": lambda b: [Step(b.request())],
    "sta6": _associated,
    "sta6_in_command": lambda b: [
        *_associated(b),
        Step(pdus.pdu(P_DATA, pdus.pdv(1, COMMAND, b.store_command()[:20]))),
    ],
    "sta6_in_data_set": lambda b: [
        *_associated(b),
        Step(pdus.pdu(P_DATA, pdus.pdv(1, COMMAND | LAST, b.store_command()) + pdus.pdv(1, 0, _DATA_SET[:99]))),
    ],
    "sta6_echoed": lambda b: [*_associated(b), Step(b.echo(), wait=True)],
    "sta6_stored": lambda b: [*_associated(b), Step(b.store(), wait=True)],
    "sta6_busy": lambda b: [*_associated(b), Step(b.echo() * 3)],
    "sta8": lambda b: [*_associated(b), Step(pdus.pdu(RELEASE_RQ, bytes(4)))],
    "sta13_rejected": lambda b: [Step(b.request(called=b"NOBODY"), wait=True)],
    "sta13_aborted": lambda b: [*_associated(b), Step(pdus.pdu(0x5A, b""))],
    "sta13_released": lambda b: [*_associated(b), Step(pdus.pdu(RELEASE_RQ, bytes(4)), wait=True)],
}


def _other_command(b: _Builder) -> bytes:
    elements = [*pdus.echo_elements()]
    elements[1] = (0x0100, _short(b.rng.choice((*COMMANDS, *COMMANDS_LATE))))
    elements[3] = (0x0800, _short(b.rng.choice((0, 1, 0x0101))))
    return b.values(b.rng.choice((1, 3)), b.command_set(elements))


def _own_group(b: _Builder) -> bytes:
    """A command set with elements of other groups, unknown ones, doubled ones."""
    odd = pdus.element(b.rng.choice((0x0002, 0x0008, 0x7FE0, 0xFFFE)), b.rng.choice((0x0000, 0x0010, 0xE000)), b"\0\0")
    return b.values(3, b.command_set(pdus.echo_elements()) + odd * b.rng.choice((1, 2, 500)))


# What a peer can do, PS3.8 9.2.2: Evt3, 4, 6, 10, 12, 13, 16, 19 and, by the ending, 17.
EVENTS: dict[str, Event] = {
    "request": lambda b: b.request(),
    "accept": lambda b: b.request(kind=ACCEPT),
    "reject": lambda b: pdus.pdu(REJECT, bytes((0, b.rng.randrange(4), b.rng.randrange(5), b.rng.randrange(12)))),
    "echo": lambda b: b.echo(),
    "store": lambda b: b.store(),
    "report": lambda b: b.report(),
    "commit_request": lambda b: b.commit_request(),
    "store_without_data": lambda b: b.values(1, b.store_command()),
    "data_alone": lambda b: pdus.pdu(P_DATA, pdus.pdv(1, LAST, _DATA_SET[:64])),
    "other_command": _other_command,
    "odd_command": _own_group,
    "no_value": lambda _: pdus.pdu(P_DATA, b""),
    "empty_value": lambda b: pdus.pdu(P_DATA, pdus.pdv(1, b.rng.randrange(4), b"") * b.rng.choice((1, 2, 900))),
    "value_of_no_length": lambda b: pdus.pdu(P_DATA, struct.pack(">L", b.rng.choice((0, 1))) + b"\1"),
    "release": lambda _: pdus.pdu(RELEASE_RQ, bytes(4)),
    "release_answer": lambda _: pdus.pdu(RELEASE_RP, bytes(4)),
    "abort": lambda b: pdus.pdu(ABORT, bytes((0, 0, b.rng.randrange(4), b.rng.randrange(9)))),
    "unknown": lambda b: pdus.pdu(b.rng.choice((0, 8, 0x40, 0x80, 0xFF)), bytes(b.rng.choice((0, 4, 200)))),
    "half": lambda b: b.request()[: b.rng.choice((1, 5, 6, 40, 90))],
    "nothing": lambda _: b"",
}


def _one(rng: random.Random, steps: list[Step], change: Callable[[bytes], bytes]) -> list[Step]:
    """Change the bytes of one step."""
    at = rng.randrange(len(steps))
    return [Step(change(s.data), s.wait) if n == at else s for n, s in enumerate(steps)]


def _spliced(rng: random.Random, data: bytes, middle: bytes, removed: int = 0) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + middle + data[at + removed :]


def _flip(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8)) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _lie(rng: random.Random, data: bytes) -> bytes:
    """Put another number where a length stands."""
    fields = pdus.length_fields(data)
    if not fields:
        return data
    field = rng.choice(fields)
    size = struct.calcsize(field.code)
    true = struct.unpack_from(field.code, data, field.offset)[0]
    near = (true - 1, true + 1, true + 2, true // 2, true * 2)
    lie = rng.choice((*near, rng.choice(NUMBERS), rng.choice(LARGE))) % (1 << 8 * size)
    return data[: field.offset] + struct.pack(field.code, lie) + data[field.offset + size :]


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _in_pieces(rng: random.Random, steps: list[Step]) -> list[Step]:
    at = rng.randrange(len(steps))
    data, size = steps[at].data, rng.choice((1, 2, 7, 64))
    cut = min(len(data), 40 * size)
    pieces = [Step(data[n : n + size]) for n in range(0, cut, size)]
    return [*steps[:at], *pieces, Step(data[cut:], steps[at].wait), *steps[at + 1 :]]


def _again(rng: random.Random, steps: list[Step]) -> list[Step]:
    step = rng.choice(steps)
    times = min(rng.choice((2, 3, 20, 300)), 1 + FLOOD_BYTES // max(1, len(step.data)))
    return [*steps, Step(step.data * times, wait=True)]


def _flood(rng: random.Random, steps: list[Step]) -> list[Step]:
    context, control = rng.choice((1, 3)), rng.randrange(4)
    fragment = pdus.pdu(P_DATA, pdus.pdv(context, control, bytes(rng.choice((0, 1, 100)))))
    return [*steps, Step(fragment * rng.choice((10, 200, 1500)), wait=True)]


def _huge(rng: random.Random, steps: list[Step]) -> list[Step]:
    kind = rng.choice((REQUEST, P_DATA, RELEASE_RQ, ABORT, 0x09))
    return [*steps, Step(pdus.pdu(kind, bytes(4096), length=rng.choice(LARGE)))]


def _shuffled(rng: random.Random, steps: list[Step]) -> list[Step]:
    return rng.sample(steps, len(steps))


MUTATIONS: dict[str, Mutation] = {
    "bytes_flipped": lambda r, s: _one(r, s, lambda d: _flip(r, d)),
    "bytes_inserted": lambda r, s: _one(r, s, lambda d: _spliced(r, d, r.randbytes(r.choice((1, 2, 8, 300))))),
    "bytes_removed": lambda r, s: _one(r, s, lambda d: _spliced(r, d, b"", r.choice((1, 2, 8, 40)))),
    "bytes_replaced": lambda r, s: _one(r, s, lambda d: _spliced(r, d, bytes([r.choice((0, 255))]) * 8, 8)),
    "length_lies": lambda r, s: _one(r, s, lambda d: _lie(r, d)),
    "lengths_lie": lambda r, s: _one(r, s, lambda d: _lie(r, _lie(r, _lie(r, d)))),
    "type_changed": lambda r, s: _one(r, s, lambda d: bytes([r.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 255))]) + d[1:]),
    "cut_off": lambda r, s: _one(r, s, lambda d: _cut(r, d)),
    "emptied": lambda r, s: _one(r, s, lambda d: d[:2] + bytes(4)),
    "in_pieces": _in_pieces,
    "said_again": _again,
    "flood": _flood,
    "huge": _huge,
    "left_out": lambda r, s: [step for n, step in enumerate(s) if n != r.randrange(len(s))],
    "other_order": _shuffled,
    "not_awaited": lambda _, s: [Step(step.data) for step in s],
}
