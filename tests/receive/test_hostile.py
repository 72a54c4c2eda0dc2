"""200 peers that stall, lie and trickle at once, and one that means well. Whole, with memory: benchmarks/hostile.py."""

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pynetdicom import AE, build_context

from dcis_node.config import Peer, ReceiveSettings
from dcis_node.receive.places import Places
from dcis_node.receive.server import serve
from storage.database import Database, open_database
from storage.files import FileStore
from tests.peers import wait_until
from tests.receive.helpers import AET, VERIFICATION, echo, listen
from tests.receive.hostile import HELD, KINDS, REFUSED, Attack, Target, attack

FORK = multiprocessing.get_context("fork")
GOOD, BAD = "127.0.0.1", "127.0.0.3"
OF_EACH_KIND = 23  # of nine kinds
# Shorter than the defaults; long enough for an honest peer on a machine that other tests share.
SETTINGS = ReceiveSettings(
    peers=(Peer(aet="PACS", addresses=(f"{GOOD}/32",)), Peer(aet="BAD", addresses=(f"{BAD}/32",))),
    acse_timeout_seconds=2.5,
    dimse_timeout_seconds=2.5,
    network_timeout_seconds=6.0,
    pdu_deadline_seconds=2.5,
)
# The bar of the figure is 1 s, with nothing else on the machine; free after 30 s, with deadlines eight times as long.
ECHO_SECONDS, FREE_SECONDS = 4.0, 20.0


def receive(listener: socket.socket, url: str, root: Path, places: Path, owner: str) -> None:
    """Be a receiver process."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    named = {"db": open_database(url), "files": FileStore(root), "owner": owner, "merge_same_day": True}
    serve(listener, settings=SETTINGS, aet=AET, stop=stop, places=places, grace_seconds=1.0, **named)
    os._exit(0)


@pytest.fixture
def places(tmp_path: Path) -> Path:
    return tmp_path / "locks" / "associations"


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listen() as listening:
        yield listening


@pytest.fixture
def receivers(listener: socket.socket, db: Database, files: FileStore, places: Path) -> Iterator[list[int]]:
    """Two receivers on one socket; gives their process ids."""
    named = (listener, db.url, files.root, places)
    processes = [FORK.Process(target=receive, args=(*named, f"receive-{number}")) for number in range(2)]
    for process in processes:
        process.start()
    yield [process.pid for process in processes]
    for process in processes:
        process.terminate()
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0]


def taken(places: Path) -> int:
    looking = Places(places)
    count = looking.take("", "", judge=lambda taken: taken)[1].total
    looking.close()
    return count


def longest_echo(port: int, while_: Callable[[], bool]) -> float:
    """Echo again and again; gives the longest time that one took. Each has to be answered."""
    longest = 0.0
    while while_():
        started = time.monotonic()
        assert echo(port)
        longest = max(longest, time.monotonic() - started)
    return longest


def test_an_allowed_peer_is_answered_while_200_hostile_ones_hold_and_all_places_are_free_soon_after(
    listener: socket.socket, receivers: list[int], places: Path, files: FileStore
) -> None:
    port = listener.getsockname()[1]
    assert all(echo(port) for _ in range(4))
    began = time.monotonic()
    with ExitStack() as stack:
        target = Target(port, AET, "BAD", BAD)
        attacks: list[Attack] = [
            stack.enter_context(attack(kind, target, peers=OF_EACH_KIND, most_seconds=2 * FREE_SECONDS))
            for kind in KINDS
        ]
        longest = longest_echo(port, lambda: not all(attack.over() for attack in attacks))
        outcomes = [outcome for attack in attacks for outcome in attack.outcomes()]
    wait_until(lambda: taken(places) == 0, "all places are free")
    seconds = time.monotonic() - began

    counts = Counter(outcome.kind for outcome in outcomes)
    assert counts[HELD] + counts[REFUSED] == len(outcomes) == OF_EACH_KIND * len(KINDS)
    assert counts[REFUSED]  # 25 places for one title are not enough for them
    assert longest < ECHO_SECONDS
    assert seconds < FREE_SECONDS
    wait_until(lambda: not list(files.incoming.iterdir()), "half objects are gone")


def test_the_same_attack_shuts_a_plain_server_so_that_the_test_above_can_fail() -> None:
    entity = AE(ae_title=AET)
    entity.supported_contexts = [build_context(VERIFICATION)]
    entity.acse_timeout = 1
    server = entity.start_server(("127.0.0.1", 0), block=False)
    port = server.socket.getsockname()[1]
    assert echo(port)
    with attack("stalled in the request", Target(port, AET), peers=12, most_seconds=4) as under_way:
        wait_until(lambda: len(server.active_associations) > 10, "they are there")
        assert not echo(port)
        assert under_way.outcomes()
    wait_until(lambda: echo(port), "they are gone")
    server.shutdown()
