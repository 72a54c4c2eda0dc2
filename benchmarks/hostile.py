"""Is an allowed peer answered while hundreds of others stall, lie and trickle? Bars: docs/reliability.md.

A whole node runs with its default limits and an allowlist. Peers of one kind at a time connect, `--peers` of them
(200), and do what their kind does until the node closes their connections. From when they come until all are gone,
DCMTK's echoscu asks for an echo every half second from an address of its own. Held to:

- each echo is answered, within 1 s (the start of the echoscu process included);
- all attackers' connections are closed and all places free 30 s after they came;
- the receivers together need less than 64 MiB more than before (PSS, so that shared pages count once).

The attackers come from an address that is in the allowlist, with an AE title that is: the worst case. Then, stated and
not held to: silent ones from an address that is not in the allowlist, and silent and associated ones from the very
address and with the very AE title of the peer that echoes. The caps per AE title and address then stand in its way as
in theirs, until the places are free again.

The peer in the same run: DCMTK's storescp --fork, which stays up because each connection is a process. It has no TLS
here and no caps, so `associated` kinds all get in. It is not held to the bars.

Not measured: attackers that come again and again (a flood is the firewall's to stop); idle associations, which an
allowed peer may hold for receive.network_timeout_seconds.

    .venv/bin/python benchmarks/hostile.py --json                    # all kinds, about 15 minutes
    .venv/bin/python benchmarks/hostile.py --kind silent --alone     # one kind, without the peer
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

# Run as a file, python looks for modules in benchmarks/ only.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.machine import descendants, machine, processor_seconds
from dcis_node.config import load_configuration
from dcis_node.receive.places import Places
from storage.database import open_database
from storage.heartbeat import beats
from tests.certificates import Authority
from tests.peers import free_port, require, storescp, wait_until
from tests.receive.hostile import KINDS, TLS_KINDS, Target, attack

ECHO_SECONDS, FREE_SECONDS, MEMORY_MB = 1.0, 30.0, 64.0
EVERY_SECONDS = 0.5
LEAST_ECHOES = 6  # some attacks are over at once
MOST_SECONDS = 60.0  # an attack that holds its places longer has won
GOOD, BAD, STRANGER = "127.0.0.1", "127.0.0.3", "127.0.0.2"  # addresses of the echo, the attackers, the refused
SILENT, ASSOCIATED = "silent", "stalled in a data PDU"  # measured from other addresses too

CONFIG = """
[node]
aet = "NODE"
[receive]
port = {port}
[receive.tls]
port = {tls_port}
certificate = "{ours.certificate}"
key = "{ours.key}"
peer_ca = "{ca}"
[[receive.peers]]
aet = "GOOD"
addresses = ["127.0.0.1/32"]
[[receive.peers]]
aet = "GOODTLS"
addresses = ["127.0.0.1/32"]
certificates = ["{good}"]
[[receive.peers]]
aet = "PACS"
addresses = ["127.0.0.3/32"]
[analyse]
threads = 1
"""


@dataclass(frozen=True)
class Server:
    """What is attacked.

    Parameters
    ----------
    processes
        Lists those that receive.
    free
        Tells whether nobody holds a place.
    tls
        Port with TLS, and what echoscu needs to use it.
    """

    name: str
    aet: str
    port: int
    processes: Callable[[], list[int]]
    free: Callable[[], bool]
    tls_port: int = 0
    tls_options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figures:
    """One attack; seconds from the moment the attackers come.

    Parameters
    ----------
    echo_before_seconds
        The longest of five echoes before they come.
    processor_seconds
        What the receivers have used meanwhile.
    """

    server: str
    kind: str
    attackers_from: str
    attackers: dict[str, int]
    echo_before_seconds: float
    echoes: int
    echoes_failed: int
    echo_longest_seconds: float
    outage_seconds: float
    free_seconds: float
    memory_growth_mb: float
    processor_seconds: float
    held_to_bars: bool

    @property
    def passed(self) -> bool:
        """Tell whether the bars are met, if it is held to them."""
        if not self.held_to_bars:
            return True
        answered = self.echoes > 0 and self.echoes_failed == 0 and self.echo_longest_seconds <= ECHO_SECONDS
        return answered and self.free_seconds <= FREE_SECONDS and self.memory_growth_mb < MEMORY_MB


@contextlib.contextmanager
def node(folder: Path) -> Iterator[Server]:
    """Run a whole node."""
    config, port, tls_port = folder / "config.toml", free_port(), free_port()
    authority = Authority(folder / "certificates")
    ours, good = authority.issue("node"), authority.issue("good")
    text = CONFIG.format(port=port, tls_port=tls_port, ca=authority.certificate, ours=ours, good=good.fingerprint)
    config.write_text(text, encoding="utf-8")
    configuration = load_configuration(config)
    with (folder / "node.log").open("wb") as log:
        command = [sys.executable, "-m", "dcis_node", "run", "--config", str(config)]
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        counted = configuration.folder / "locks" / "associations"
        wait_until(lambda: counted.exists() or running.poll() is not None, "the node runs", seconds=60)
        with contextlib.closing(open_database(configuration.index_url)) as db:

            def processes() -> list[int]:
                with db.read() as session:
                    return [beat.pid for beat in beats(session) if beat.process.startswith("receive")]

            wait_until(lambda: len(processes()) == configuration.receive.processes, "the receivers are up", seconds=60)
            with contextlib.closing(Places(counted)) as places:
                yield Server(
                    name="dcis-node",
                    aet="NODE",
                    port=port,
                    processes=processes,
                    free=lambda: _taken(places) == 0,
                    tls_port=tls_port,
                    tls_options=("+tls", str(good.key), str(good.certificate), "+cf", str(authority.certificate)),
                )
    finally:
        running.terminate()
        running.wait(90)


def _taken(places: Places) -> int:
    _, taken = places.take("", "", judge=lambda taken: taken)
    return taken.total if taken else 0


@contextlib.contextmanager
def forking(folder: Path) -> Iterator[Server]:
    """Run DCMTK's storescp --fork."""
    known = set(descendants(os.getpid()))
    with storescp(folder, "--fork") as peer:
        (parent, *_) = set(descendants(os.getpid())) - known
        yield Server("storescp --fork", peer.aet, peer.port, lambda: [parent, *descendants(parent)], lambda: True)


def measure(server: Server, kind: str, *, peers: int, source: str = BAD, calling: str = "PACS") -> Figures:
    """Attack, echo meanwhile, and wait until all is free."""
    tls = kind in TLS_KINDS
    target = Target(server.tls_port if tls else server.port, server.aet, calling, source)
    wait_until(lambda: echo(server, tls=tls)[0], "an echo is answered before the attack", seconds=60)
    usual = max(echo(server, tls=tls)[1] for _ in range(5))
    before = most = memory_mb(server.processes())
    spent = _spent(server)
    began = time.monotonic()
    echoes: list[tuple[float, bool, float]] = []
    with attack(kind, target, peers=peers, most_seconds=MOST_SECONDS) as under_way:
        while not under_way.over() or len(echoes) < LEAST_ECHOES:
            started = time.monotonic()
            echoes.append((started - began, *echo(server, tls=tls)))
            most = max(most, memory_mb(server.processes()))
            time.sleep(max(0.0, EVERY_SECONDS - (time.monotonic() - started)))
        outcomes = under_way.outcomes()
    freed = max(outcome.ended for outcome in outcomes)
    while not server.free() and time.monotonic() - began < 2 * MOST_SECONDS:
        time.sleep(0.05)
        freed = time.monotonic()
    return Figures(
        server=server.name,
        kind=kind,
        attackers_from=f"{calling} at {source}",
        attackers=dict(Counter(outcome.kind for outcome in outcomes)),
        echo_before_seconds=round(usual, 3),
        echoes=len(echoes),
        echoes_failed=sum(not answered for _, answered, _ in echoes),
        echo_longest_seconds=round(max((seconds for _, _, seconds in echoes), default=0.0), 3),
        outage_seconds=_outage(echoes),
        free_seconds=round(freed - began, 1),
        memory_growth_mb=round(most - before, 1),
        processor_seconds=round(_spent(server) - spent, 2),
        held_to_bars=server.name == "dcis-node" and source == BAD,
    )


def echo(server: Server, *, tls: bool) -> tuple[bool, float]:
    """Ask for an echo from an allowed peer: whether it was answered, and after how many seconds."""
    port, options, calling = (server.tls_port, server.tls_options, "GOODTLS") if tls else (server.port, (), "GOOD")
    limits = ("-to", "10", "-ta", "10", "-td", "10")
    command = [require("echoscu"), *limits, *options, "-aet", calling, "-aec", server.aet, GOOD, str(port)]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    return done.returncode == 0, time.monotonic() - started


def memory_mb(processes: list[int]) -> float:
    """Sum up the memory of processes, each page shared out among those that share it (PSS), 2**20 bytes."""
    total = 0
    for pid in processes:
        with contextlib.suppress(OSError):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
            total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1024


def _spent(server: Server) -> float:
    return sum(processor_seconds(pid) for pid in server.processes())


def _outage(echoes: list[tuple[float, bool, float]]) -> float:
    """Give the longest time without an answer to an echo, from the first that failed to the next that did not."""
    longest, failing_since = 0.0, None
    for started, answered, seconds in echoes:
        if not answered and failing_since is None:
            failing_since = started
        if failing_since is not None:
            longest = max(longest, started + seconds - failing_since)
        if answered:
            failing_since = None
    return round(longest, 1)


def attacks(server: Server, kinds: list[str], peers: int) -> Iterator[Figures]:
    """Attack a server with each kind, then, for the node, from the other addresses."""
    for kind in kinds:
        if kind in KINDS or server.tls_port:
            yield measure(server, kind, peers=peers)
    if server.name == "dcis-node":
        for kind in (kind for kind in (SILENT, ASSOCIATED) if kind in kinds):
            yield measure(server, kind, peers=peers, source=GOOD, calling="GOOD")
        if SILENT in kinds:
            yield measure(server, SILENT, peers=peers, source=STRANGER)


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--peers", type=int, default=200, help="attackers at once")
    parser.add_argument("--kind", action="append", choices=[*KINDS, *TLS_KINDS], help="only these kinds")
    parser.add_argument("--alone", action="store_true", help="without storescp")
    arguments = parser.parse_args()
    kinds = arguments.kind or [*KINDS, *TLS_KINDS]
    figures: list[Figures] = []
    with tempfile.TemporaryDirectory(prefix="hostile-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        servers = [stack.enter_context(node(folder))]
        if not arguments.alone:
            servers.append(stack.enter_context(forking(folder)))
        facts = machine(folder)
        for server in servers:
            for figure in attacks(server, kinds, arguments.peers):
                figures.append(figure)
                if not arguments.json:
                    line = " ".join(f"{k}={v!r}" for k, v in asdict(figure).items())
                    print("" if figure.passed else "MISSED", line, flush=True)
    missed = [f"{figure.kind} from {figure.attackers_from}" for figure in figures if not figure.passed]
    if arguments.json:
        bars = {"echo_seconds": ECHO_SECONDS, "free_seconds": FREE_SECONDS, "memory_growth_mb": MEMORY_MB}
        attacked = [asdict(figure) | {"passed": figure.passed} for figure in figures]
        print(json.dumps({"bars": bars, "attacks": attacked, "missed": missed, "machine": facts}))
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
