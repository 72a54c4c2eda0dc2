"""Does the node stay up under mutated protocol sequences? Bars: docs/reliability.md.

Two real receiver processes (`dcis-node run receive`) share one listening socket, as under the supervisor. `--count`
sequences (100,000) of tests/fuzz/protocol.py are played on loopback connections, several at once, from an address of
their own: first each state of the upper layer with each event (PS3.8 9.2), then mutated ones. A good peer associates,
asks for an echo and releases every second throughout. Held to:

- every connection whose peer is through is ended by the node within 10 s, and every one is taken;
- each good echo is answered within 1 s, its association included;
- no receiver dies, no line of the log tells of a fault of ours (a traceback, a thread that ended by an exception);
- threads and descriptors are back where they were, no process has grown by more than 32 MiB after the first tenth.

A sequence depends on `--seed` and its number only: `--only N` plays that one, and prints it and its outcome.

Not measured: TLS (the handshake comes before the first of these bytes), and peers that stall (benchmarks/hostile.py).
No peer product is measured: none of them is under test here, and a crash of theirs would say nothing of ours.

    python -m benchmarks.fuzz_protocol --json              # the whole, 5 to 10 minutes on two cores
    python -m benchmarks.fuzz_protocol --only 1254         # one sequence
"""

import argparse
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.verdict import end
from tests.fuzz.campaign import campaign
from tests.fuzz.peer import play
from tests.fuzz.protocol import EVENTS, MUTATIONS, STATES, sequence
from tests.fuzz.receivers import running_receivers
from tests.fuzz.watch import events, faults

MOST_SHOWN = 50


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first sequence")
    parser.add_argument("--at-once", type=int, default=12, help="connections at a time")
    parser.add_argument("--only", type=int, help="play this sequence alone, and show it")
    arguments = parser.parse_args()
    if arguments.only is not None:
        return play_one(arguments.seed, arguments.only)
    figures = measure(arguments)
    return end(figures, as_json=arguments.json)


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Play all sequences and judge."""
    numbers = range(arguments.first, arguments.first + arguments.count)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        facts = machine(folder)
        with running_receivers(folder / "node") as receivers:
            began = time.monotonic()
            verdict = campaign(
                receivers,
                (sequence(arguments.seed, number) for number in numbers),
                at_once=arguments.at_once,
                warm=arguments.count // 10,
                tell=lambda done: print(f"{done} of {arguments.count}", file=sys.stderr),
            )
            seconds = time.monotonic() - began
            log = receivers.log()
    figures = asdict(verdict)
    return {
        **figures,
        "outcomes": dict(verdict.outcomes.most_common()),
        "log_faults": verdict.log_faults[:MOST_SHOWN],
        "missed": verdict.objections,
        "seed": arguments.seed,
        "seconds": round(seconds, 1),
        "sequences_per_second": round(verdict.sequences / seconds, 1),
        "states": len(STATES),
        "events": len(EVENTS),
        "mutations": len(MUTATIONS),
        "log_events": dict(events(log).most_common()),
        "machine": facts,
    }


def play_one(seed: int, number: int) -> int:
    """Play one sequence on fresh receivers; show it, its outcome and the log."""
    one = sequence(seed, number)
    print(f"sequence {number}: state={one.state} ways={one.ways} ending={one.ending}")
    for step in one.steps:
        print(f"  {'send, await' if step.wait else 'send'} {len(step.data)} bytes: {step.data[:200].hex(' ')}")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name, running_receivers(Path(name) / "node") as receivers:
        skipped = len(receivers.log())
        print(play(receivers.port, one))
        log = receivers.log()[skipped:]
    print(log)
    return int(bool(faults(log)))


if __name__ == "__main__":
    sys.exit(main())
