"""The judge notices what it is there for: receivers that are broken on purpose, and folders with strays."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fuzz.campaign import Verdict, campaign
from tests.fuzz.nasty import OUTSIDE
from tests.fuzz.peer import Echoes, play
from tests.fuzz.protocol import sequence
from tests.fuzz.receivers import Receivers
from tests.fuzz.watch import damaged, faults, figures_of, named, strays, tree

GOOD_LINE = "2026-11-23T18:00:00+0000 WARNING process=receive-0 event=association_aborted association=1 text='why'"


@contextmanager
def deaf() -> Iterator[int]:
    """A server that takes connections, and never says or ends anything."""
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in taken:
        connection.close()


def test_a_server_that_never_ends_a_connection_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzz.peer.END_SECONDS", 0.3)
    with deaf() as port:
        assert play(port, sequence(1, 0)).ended == "stuck"


def test_a_server_that_is_gone_is_unreached_and_its_echo_has_failed() -> None:
    with deaf() as port:
        pass
    assert play(port, sequence(1, 0)).ended == "unreached"
    with Echoes(port) as echoes:
        pass
    assert echoes.seconds == []
    assert len(echoes.failed) == 1


def test_a_receiver_that_dies_in_the_middle_is_noticed(receivers: Receivers) -> None:
    assert campaign(receivers, [sequence(1, 0)], at_once=1).objections == []
    receivers.processes[0].kill()
    receivers.processes[0].wait()
    # Connections are still taken into the backlog of the socket; nobody answers them.
    receivers.processes[0].poll()
    assert receivers.died() == 1
    assert figures_of(receivers.processes[0].pid).threads == 0


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "ValueError: something",
        "Fatal Python error: Segmentation fault",
        GOOD_LINE.replace("association_aborted", "association_failed"),
        GOOD_LINE.replace("association_aborted", "connection_failed"),
        GOOD_LINE.replace("WARNING", "ERROR"),
        GOOD_LINE.replace("WARNING", "ERROR")
        .replace("association_aborted", "refused")
        .replace("why", "KeyError at f:3"),
    ],
)
def test_a_line_that_no_peer_may_bring_about_is_a_fault(line: str) -> None:
    assert faults(f"{GOOD_LINE}\n{line}\n") == [line]


def test_what_a_bad_peer_brings_about_is_none() -> None:
    refused = GOOD_LINE.replace("WARNING", "ERROR").replace("association_aborted", "refused")
    assert faults(f"{GOOD_LINE}\n{refused}\n") == []


def test_a_file_outside_the_store_is_a_stray_and_one_in_it_has_to_be_what_its_name_says(tmp_path: Path) -> None:
    store = tmp_path / "data" / "store"
    (store / "ab").mkdir(parents=True)
    before = tree(tmp_path)
    (store / "ab" / ("ab" * 32)).write_bytes(b"other bytes")
    assert strays(tmp_path, before, store=store) == []
    assert damaged(store) == ["ab" * 32]
    (store / "ab" / "1.2.3.dcm").touch()
    (tmp_path / f"x{OUTSIDE}.dcm").touch()
    assert strays(tmp_path, before, store=store) == ["data/store/ab/1.2.3.dcm", f"x{OUTSIDE}.dcm"]
    assert named(OUTSIDE, tmp_path) == [str(tmp_path / f"x{OUTSIDE}.dcm")]


def test_each_figure_that_is_missed_is_an_objection() -> None:
    good = Verdict(sequences=1, echoes=1, threads=[(5, 5)], descriptors=[(12, 13)])
    assert good.objections == []
    bad = Verdict(
        unfinished=["sequence 1: stuck"],
        echo_longest_seconds=1.5,
        echoes_failed=["OSError"],
        died=1,
        log_faults=["Traceback"],
        memory_growth_bytes=10**9,
        threads=[(5, 6)],
        descriptors=[(12, 40)],
    )
    assert len(bad.objections) == 9
