"""However a peer cuts its messages, the object is the same, and the same as by pynetdicom's own way."""

import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise
from queue import Queue
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.pdu import P_DATA_TF

from dcis_node.receive import transport
from dcis_node.receive.dimse import ProtocolFault, StreamingDimse, fragments
from dcis_node.receive.transport import DeadlineSocket
from tests.receive.wire import COMMAND, CONTEXT, DATA, LAST, fragment, store_command

MAX_PDU = 2000


class Kept:
    """A sink that keeps what it is given."""

    def __init__(self, preface: bytes) -> None:
        self.data = bytearray(preface)

    def write(self, data: memoryview) -> None:
        self.data += data

    def discard(self) -> None:
        pass


class Peer:
    """A connection that gives its bytes in pieces of given sizes, then is closed."""

    def __init__(self, stream: bytes, sizes: Sequence[int]) -> None:
        self._stream, self._sizes = stream, list(sizes)

    def gettimeout(self) -> float:
        return 0.0

    def recv_into(self, view: memoryview) -> int:
        size = min(len(view), self._sizes.pop(0) if self._sizes else len(view))
        piece, self._stream = self._stream[:size], self._stream[size:]
        view[: len(piece)] = piece
        return len(piece)


def receiver() -> tuple[StreamingDimse, SimpleNamespace]:
    context = SimpleNamespace(transfer_syntax=[ExplicitVRLittleEndian])
    association = SimpleNamespace(
        network_timeout=60.0, dul=SimpleNamespace(event_queue=Queue()), _accepted_cx={CONTEXT: context, 3: context}
    )
    dimse = StreamingDimse(association, new_sink=Kept, max_queued=100, silence_in_message_seconds=60.0)
    return dimse, association


def outcome(dimse: StreamingDimse, association: SimpleNamespace) -> tuple[list[tuple[int, str, bytes]], bool]:
    """Give what was received as (context, UID, file), and whether the association was aborted."""
    found = [
        (context, str(request.AffectedSOPInstanceUID), bytes(request.sink.data))
        for context, request in dimse.msg_queue.queue
    ]
    return found, not association.dul.event_queue.empty()


def by_us(stream: bytes, sizes: Sequence[int]) -> tuple[list[tuple[int, str, bytes]], bool]:
    dimse, association = receiver()
    connection = DeadlineSocket(
        association, Peer(stream, sizes), max_pdu_bytes=MAX_PDU, read_seconds=5.0, pdu_seconds=5.0, end=pytest.fail
    )
    association.dul.event_queue.get_nowait()  # the connection indication
    while (value := connection.data_value()) is not None:
        dimse.receive_data(value)
    return outcome(dimse, association)


def by_pynetdicom(pdus: Sequence[bytes]) -> tuple[list[tuple[int, str, bytes]], bool]:
    dimse, association = receiver()
    for encoded in pdus:
        pdu = P_DATA_TF()
        try:
            pdu.decode(encoded)
        except Exception:  # noqa: BLE001 -- whatever it is, its upper layer answers with Evt19
            association.dul.event_queue.put("Evt19")
            break
        dimse.receive_primitive(pdu.to_primitive())
    return outcome(dimse, association)


def value_item(control: int, data: bytes, context: int) -> bytes:
    return struct.pack(">LBB", len(data) + 2, context, control) + data


def cut(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    places = [0, *sorted({place % (len(data) + 1) for place in cuts}), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


def items_of(kind: int, data: bytes, cuts: Sequence[int], context: int) -> Iterator[bytes]:
    pieces = cut(data, cuts)
    for number, piece in enumerate(pieces):
        yield value_item(kind | (LAST if number == len(pieces) - 1 else 0), piece, context)


def grouped(items: Sequence[bytes], together: Sequence[bool]) -> list[bytes]:
    """Put items into PDUs: each with the one before where `together` says so and there is room."""
    values = [b""]
    for item, joined in zip(items, together, strict=True):
        if values[-1] and (not joined or len(values[-1]) + len(item) > MAX_PDU):
            values.append(b"")
        values[-1] += item
    return [struct.pack(">BBL", 4, 0, len(value)) + value for value in values]


messages = st.lists(
    st.tuples(
        st.binary(max_size=900),
        st.sampled_from([CONTEXT, 3]),
        st.lists(st.integers(0, 2000), max_size=4),
        st.lists(st.integers(0, 2000), max_size=4),
    ),
    min_size=1,
    max_size=4,
)
sizes_read = st.lists(st.integers(1, 700), max_size=60)


@given(given_messages=messages, sizes=sizes_read, draw=st.data())
def test_a_message_cut_anywhere_is_the_same_object(given_messages, sizes, draw) -> None:
    items = []
    for number, (data, context, command_cuts, data_cuts) in enumerate(given_messages):
        items += items_of(COMMAND, store_command(f"1.2.{number}"), command_cuts, context)
        items += items_of(DATA, data, data_cuts, context)
    together = draw.draw(st.lists(st.booleans(), min_size=len(items), max_size=len(items)))
    pdus = grouped(items, together)
    found, aborted = by_us(b"".join(pdus), sizes)
    assert not aborted
    assert [(context, uid) for context, uid, _ in found] == [(m[1], f"1.2.{n}") for n, m in enumerate(given_messages)]
    assert all(file.endswith(message[0]) for (_, _, file), message in zip(found, given_messages, strict=True))
    assert (found, aborted) == by_pynetdicom(pdus)


@given(
    damage=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3), sizes=sizes_read
)
def test_a_damaged_message_ends_as_it_does_by_pynetdicoms_way(damage, sizes) -> None:
    items = [
        *items_of(COMMAND, store_command("1.2.3"), [50], CONTEXT),
        *items_of(DATA, bytes(300), [100, 200], CONTEXT),
    ]
    values = [bytearray(pdu[6:]) for pdu in grouped(items, [True, True, False, True, False])]
    for place, byte in damage:
        value = values[place % len(values)]
        value[place % len(value)] = byte
    pdus = [struct.pack(">BBL", 4, 0, len(value)) + value for value in values]
    assert by_us(b"".join(pdus), sizes) == by_pynetdicom(pdus)


@pytest.mark.parametrize(
    "value",
    [b"\0\0\0", struct.pack(">L", 1), struct.pack(">LB", 0, 1), struct.pack(">LB", 9, 1) + b"abc"],
    ids=["no header", "no context", "too short", "too long"],
)
def test_a_length_that_does_not_fit_is_a_fault(value: bytes) -> None:
    with pytest.raises(ProtocolFault):
        fragments(memoryview(value))


def test_nothing_of_a_pdu_with_a_wrong_length_is_taken() -> None:
    good = value_item(COMMAND | LAST, store_command(), CONTEXT)
    dimse, association = receiver()
    dimse.receive_data(memoryview(good + b"\0"))
    assert not dimse.receiving
    assert association.dul.event_queue.get_nowait() == "Evt19"


def reading(stream: bytes, sizes: Sequence[int] = ()) -> DeadlineSocket:
    association = SimpleNamespace(dul=SimpleNamespace(event_queue=Queue()))
    return DeadlineSocket(
        association, Peer(stream, sizes), max_pdu_bytes=100, read_seconds=5.0, pdu_seconds=5.0, end=lambda _: None
    )


def test_another_pdu_is_left_to_pynetdicom() -> None:
    release = struct.pack(">BBLL", 5, 0, 4, 0)
    connection = reading(fragment(DATA, b"abc") + release)
    assert bytes(connection.data_value() or b"").endswith(b"abc")
    assert connection.data_value() is None
    assert connection.recv(6) + connection.recv(4) == release


def test_a_pdu_over_the_limit_is_refused_from_its_header() -> None:
    with pytest.raises(ConnectionAbortedError):
        reading(fragment(DATA, bytes(200))).data_value()


def test_a_connection_that_closes_within_a_pdu_breaks() -> None:
    with pytest.raises(ConnectionResetError):
        reading(fragment(DATA, b"abc")[:-1]).data_value()


def test_a_connection_that_closes_between_pdus_has_no_more_data() -> None:
    connection = reading(fragment(DATA, b"abc"))
    connection.data_value()
    assert connection.data_value() is None
    assert connection.recv(6) == b""


def test_the_buffer_does_not_grow_with_the_message() -> None:
    connection = reading(fragment(DATA, bytes(80)) * 10_000)
    while connection.data_value() is not None:
        assert connection.buffered <= transport.READ_BYTES
