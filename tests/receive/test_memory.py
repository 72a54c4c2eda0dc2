"""The memory of reception does not depend on the size of an object."""

from pathlib import Path

from tests.receive.helpers import Receiver
from tests.receive.wire import P_DATA, fragment, raw_association, read_pdu, store_command

MIB = 2**20
OBJECT_BYTES, MOST_GROWTH_BYTES = 256 * MIB, 16 * MIB
COMMAND_LAST, DATA, DATA_LAST = 3, 0, 2


class PeakMemory:
    """How much more memory this process has had at once than at the begin (proc(5): clear_refs, VmHWM)."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._before = self._peak()

    def growth(self) -> int:
        return self._peak() - self._before

    def _peak(self) -> int:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        (line,) = (line for line in lines if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024


def test_a_large_object_costs_no_more_memory_than_a_small_one(receiver: Receiver) -> None:
    piece = fragment(DATA, bytes(131066))
    with raw_association(receiver.port) as connection:
        memory = PeakMemory()
        connection.sendall(fragment(COMMAND_LAST, store_command()))
        for _ in range(OBJECT_BYTES // len(piece)):
            connection.sendall(piece)
        connection.sendall(fragment(DATA_LAST, b"end"))
        assert read_pdu(connection)[0] == P_DATA  # refused: it has no header
    assert memory.growth() < MOST_GROWTH_BYTES


def test_the_measure_sees_an_object_that_is_held() -> None:
    memory = PeakMemory()
    held = bytearray(b"x") * OBJECT_BYTES  # too large to come from memory that was freed before
    assert memory.growth() > MOST_GROWTH_BYTES
    assert len(held) == OBJECT_BYTES
