"""Do the receivers stay as they are over many associations? Bars: docs/reliability.md.

Two real receiver processes (`dcis-node run receive`) share one listening socket, as under the supervisor. There come
`--associations` (20,000), several at once, a fixed mix by number: echoes, stores of small images (each its own object,
with its file, its row and its fsyncs), stores cut off in the middle by an abort, a closed or a reset connection, and
bare connects as a load balancer's health check makes them. Each echo and store has to be answered as it should be.
Held to:

- the memory of each process grows by at most 1 MiB per 1,000 associations: the slope of a straight line through its
  resident memory, noted every 250 associations after the first fifth;
- threads and descriptors are back where they were.

Not measured: pixels and analysis (no such process runs here); a day of wall-clock time.

    python -m benchmarks.soak --json                       # 20,000: 3 to 6 minutes on two cores
"""

import argparse
import socket
import statistics
import struct
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.raw_scu import RawScu, command_pdu, echo_command, request_pdu, sendable, template
from benchmarks.verdict import end
from tests.fuzz import pdus
from tests.fuzz.receivers import Receivers, running_receivers, settled
from tests.fuzz.watch import Figures, faults

SLOPE_MIB_PER_1000 = 1.0
MOST_MORE = 4  # descriptors that may come and go
EVERY = 250
WARM_SHARE = 5
MIX = ("echo", "store", "echo", "abort", "store", "connect", "echo", "cut", "store", "reset")
PIXEL_BYTES = 3328 * 2 * 2
MAX_PDU = 16384
RESET = struct.pack("ii", 1, 0)
OBJECT = sendable(template(PIXEL_BYTES), MAX_PDU)
REQUEST = request_pdu("NODE", "SOAK")
ECHO = command_pdu(echo_command(), 3)


def one(port: int, number: int) -> str:
    """Do one association; says what came of it."""
    kind = MIX[number % len(MIX)]
    try:
        if kind == "connect":
            socket.create_connection(("127.0.0.1", port), timeout=30).close()
            return "connect: done"
        with RawScu(port, REQUEST, timeout_seconds=30) as scu:
            return f"{kind}: {_talk(scu, kind, number)}"
    except (OSError, RuntimeError) as error:
        return f"{kind}: {type(error).__name__}"


def _talk(scu: RawScu, kind: str, number: int) -> str:
    uid = f"2.25.{10**34 + number}"
    if kind == "echo":
        status = scu.echo(ECHO)
    elif kind == "store":
        status = scu.store(OBJECT.pdus(uid))
    else:
        _leave_in_the_middle(scu._connection, kind, uid)  # noqa: SLF001 -- what no SCU offers
        return "done"
    scu.release()
    return f"0x{status:04X}"


def _leave_in_the_middle(connection: socket.socket, kind: str, uid: str) -> None:
    connection.sendall(next(iter(OBJECT.pdus(uid))))
    if kind == "abort":
        connection.sendall(pdus.pdu(pdus.ABORT, bytes(4)))
    elif kind == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def slope_mib_per_1000(numbers: list[int], taken: list[Figures]) -> float:
    """Fit a line through the memory of one process."""
    memory = [figures.memory_bytes / 2**20 for figures in taken]
    return round(1000 * statistics.linear_regression(numbers, memory).slope, 4)


def measure(receivers: Receivers, associations: int, *, at_once: int) -> dict[str, object]:
    """Run the mix, and fit."""
    outcomes: Counter[str] = Counter()
    before = settled(receivers)
    numbers, taken = [0], [before]
    began = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        for first in range(0, associations, EVERY):
            lot = range(first, min(first + EVERY, associations))
            outcomes.update(pool.map(lambda number: one(receivers.port, number), lot))
            numbers.append(lot.stop)
            taken.append(receivers.figures())
            if not lot.stop % (20 * EVERY):
                print(f"{lot.stop} of {associations}", file=sys.stderr)
    seconds = time.monotonic() - began
    after = settled(receivers)
    warm = len(numbers) // WARM_SHARE
    by_process = list(zip(*taken, strict=True))
    return {
        "associations": associations,
        "seconds": round(seconds, 1),
        "associations_per_second": round(associations / seconds, 1),
        "outcomes": dict(outcomes.most_common()),
        "slope_mib_per_1000": [slope_mib_per_1000(numbers[warm:], list(one)[warm:]) for one in by_process],
        "memory_mib": [[round(figures.memory_bytes / 2**20, 1) for figures in one] for one in by_process],
        "threads": [(a.threads, b.threads) for a, b in zip(before, after, strict=True)],
        "descriptors": [(a.descriptors, b.descriptors) for a, b in zip(before, after, strict=True)],
        "died": receivers.died(),
        "log_faults": faults(receivers.log())[:50],
    }


EXPECTED = frozenset({"connect: done", "echo: 0x0000", "store: 0x0000", "abort: done", "cut: done", "reset: done"})


def objections(figures: dict) -> list[str]:
    """Say what was missed, in words."""
    missed = {
        f"not answered as they should be: {set(figures['outcomes']) - EXPECTED}": set(figures["outcomes"]) - EXPECTED,
        f"memory grows by {figures['slope_mib_per_1000']} MiB per 1,000": max(figures["slope_mib_per_1000"])
        > SLOPE_MIB_PER_1000,
        f"threads are left: {figures['threads']}": any(after > before for before, after in figures["threads"]),
        f"descriptors are left: {figures['descriptors']}": any(
            after > before + MOST_MORE for before, after in figures["descriptors"]
        ),
        f"{figures['died']} receivers died": figures["died"],
        "the log tells of a fault of ours": figures["log_faults"],
    }
    return [text for text, found in missed.items() if found]


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--associations", type=int, default=20_000)
    parser.add_argument("--at-once", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-", dir=Path.cwd()) as name:
        facts = machine(Path(name))
        with running_receivers(Path(name) / "node") as receivers:
            figures = measure(receivers, arguments.associations, at_once=arguments.at_once)
    figures |= {"missed": objections(figures), "machine": facts}
    return end(figures, as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
