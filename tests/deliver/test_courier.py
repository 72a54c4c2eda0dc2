import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import update

from dcis_node.config import DeliverSettings, DestinationSettings
from dcis_node.deliver import courier as courier_module
from dcis_node.deliver.courier import run_courier
from dcis_node.errors import StorageError
from storage import outbox
from storage.database import open_database
from storage.destinations import condition
from storage.schema import Outbox
from tests.commitment_peer import CommitmentPeer
from tests.deliver.helpers import encoded_dataset
from tests.peers import StoragePeer, black_hole, free_port, wait_until

REPOSITORY = Path(__file__).parents[2]


def destination(port, name="pacs", **options):
    return DestinationSettings(name=name, host="127.0.0.1", port=port, **{"aet": "PACS", **options})


class Courier:
    """A courier in a thread; leaving the block stops it and raises what it raised."""

    def __init__(self, node, *destinations, owner="courier@host", settings=None, db=None):
        self.stop, self.beats, self.error = threading.Event(), [], None
        self._arguments = {
            "db": db or node.db,
            "files": node.files,
            "destinations": destinations,
            "settings": settings or DeliverSettings(timeout_seconds=10.0),
            "aet": "NODE",
            "owner": owner,
            "stop": self.stop,
            "beat": lambda: self.beats.append(time.monotonic()),
        }
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            run_courier(**self._arguments)
        except StorageError as error:
            self.error = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


def test_a_result_leaves_as_soon_as_it_was_made(node, result_file):
    with StoragePeer() as peer, Courier(node, destination(peer.port)) as courier:
        wait_until(lambda: courier.beats, "the courier beats")
        uid = node.add(result_file(), now=time.time())
        peer.wait_for(1)
        wait_until(lambda: node.states() == {"sent": 1}, "the result is sent")
    assert peer.uids() == [uid]
    assert peer.received[0].calling_aet == "NODE"


def test_a_destination_can_have_its_own_calling_ae_title(node, result_file):
    node.add(result_file())
    with StoragePeer() as peer, Courier(node, destination(peer.port, calling_aet="FOR_PACS")):
        assert peer.wait_for(1)[0].calling_aet == "FOR_PACS"


def test_a_dead_destination_does_not_hold_up_another_one(node, result_file):
    uids = [node.add(result_file(), destinations=("aaa-hole", "pacs"), study=f"1.{n}") for n in range(3)]
    with black_hole() as port, StoragePeer() as peer:
        hole = destination(port, "aaa-hole")
        with Courier(node, hole, destination(peer.port), settings=DeliverSettings(timeout_seconds=3.0)):
            wait_until(lambda: node.states() == {"sent": 3}, "the living destination is served")
            assert node.states("aaa-hole") == {"leased": 1, "due": 2}
            assert node.attempts(uids[0]) == [(0, "")]
    assert sorted(peer.uids()) == sorted(uids)


def test_leases_of_a_killed_predecessor_are_taken_back_at_the_start(node, result_file):
    node.add(result_file())
    assert outbox.claim(node.db, owner="courier@host", now=time.time(), lease_seconds=3600)
    with StoragePeer() as peer, Courier(node, destination(peer.port)):
        peer.wait_for(1)
        wait_until(lambda: node.states() == {"sent": 1}, "the result is sent")


def test_what_was_sent_when_nobody_asked_for_proof_is_proven_once_somebody_does(node, sent, caplog):
    caplog.set_level("INFO")
    with CommitmentPeer(answer=CommitmentPeer.report_here) as peer:
        sent(peer)
        with node.db.write() as session:
            session.execute(update(Outbox).values(proof_due_at=None))
        with Courier(node, destination(peer.port, proof="none")) as courier:
            wait_until(lambda: courier.beats, "the courier beats")
        assert (node.states(), peer.requests) == ({"sent": 3}, [])
        with Courier(node, destination(peer.port, proof="commitment")):
            wait_until(lambda: node.states() == {"proven": 3}, "all is proven")
    assert "event=proof_taken_up destination=pacs results=3" in caplog.text


def test_results_for_a_destination_that_is_no_longer_configured_stay_and_are_named(node, result_file, caplog):
    node.add(result_file(), destinations=("gone",))
    node.add(result_file(), destinations=("pacs",))
    with StoragePeer() as peer, Courier(node, destination(peer.port)):
        peer.wait_for(1)
    assert "event=unknown_destination destination=gone waiting=1" in caplog.text
    assert node.states("gone") == {"due": 1}


def test_a_courier_without_destinations_shows_that_it_lives(node, result_file):
    with Courier(node) as courier:
        wait_until(lambda: len(courier.beats) >= 2, "it beats")


def test_an_index_that_cannot_be_used_ends_the_courier_and_all_its_lanes(node, monkeypatch):
    def broken(lane, *, now):
        if lane.destination == "pacs":
            raise StorageError("the index is gone")
        return False

    monkeypatch.setattr(courier_module, "deliver_next", broken)
    with Courier(node, destination(1), destination(1, "archive")) as courier:
        courier.thread.join(20)
        assert not courier.thread.is_alive()
    assert str(courier.error) == "the index is gone"


def test_a_stuck_lane_stops_the_sign_of_life(node, monkeypatch):
    stuck, release = threading.Event(), threading.Event()

    def hang(lane, *, now):
        stuck.set()
        release.wait(30)
        return False

    monkeypatch.setattr(courier_module, "deliver_next", hang)
    monkeypatch.setattr(courier_module.Lane, "lease_seconds", property(lambda self: 0.6))
    with Courier(node, destination(1)) as courier:
        assert stuck.wait(20)
        wait_until(lambda: courier.beats and time.monotonic() - courier.beats[-1] > 1.0, "the beats stop")
        release.set()
        number = len(courier.beats)
        wait_until(lambda: len(courier.beats) > number, "the beats go on")


def test_two_couriers_never_send_the_same_result_twice(node, result_file):
    for study in range(10):
        for _ in range(2):
            node.add(result_file(), study=f"1.2.{study}")
    second = open_database(node.url)
    with StoragePeer() as peer:
        target = destination(peer.port)
        with Courier(node, target, owner="a"), Courier(node, target, owner="b", db=second):
            wait_until(lambda: node.states() == {"sent": 20}, "all are sent")
    second.close()
    assert len(peer.received) == len(set(peer.uids())) == 20


@contextmanager
def courier_process(node, port, *kill):
    """Run a courier of the name `courier@host` in a process of its own."""
    arguments = [sys.executable, "-m", "tests.deliver.courier_process", node.url, node.files.root, port, *kill]
    process = subprocess.Popen([str(a) for a in arguments], cwd=REPOSITORY)
    try:
        yield process
    finally:
        process.kill()
        process.wait(20)


@pytest.mark.parametrize("moment", ["before the answer", "after the answer"])
def test_a_courier_killed_between_sending_and_recording_sends_the_same_bytes_again(node, result_file, moment):
    paths = [result_file(size_bytes=30_000) for _ in range(3)]
    uids = [node.add(path) for path in paths]
    victims = []

    def kill_the_courier(_):
        os.kill(victims[0].pid, signal.SIGKILL)
        return 0x0000

    before = moment == "before the answer"
    with StoragePeer(statuses=[kill_the_courier] if before else []) as peer:
        with courier_process(node, peer.port, *([] if before else ["kill"])) as process:
            victims.append(process)
            assert process.wait(30) == -signal.SIGKILL
        assert node.states() == {"leased": 3}
        with Courier(node, destination(peer.port), owner="courier@host"):
            wait_until(lambda: node.states() == {"sent": 3}, "all are sent")
    assert sorted(peer.uids()) == sorted([uids[0], *uids])
    assert peer.stored() == {uid: {encoded_dataset(path)} for uid, path in zip(uids, paths, strict=True)}


def test_a_destination_that_comes_back_gets_everything(node, result_file):
    uids = [node.add(result_file(), study=f"1.{n}") for n in range(4)]
    quick = DeliverSettings(timeout_seconds=10.0, backoff_first_seconds=0.2, backoff_most_seconds=0.3)
    peer = StoragePeer(port=free_port())
    with Courier(node, destination(peer.port), settings=quick):
        wait_until(lambda: condition(node.db, "pacs").failures > 4, "it was probed")
        assert sum(len(node.attempts(uid)) for uid in uids) == quick.breaker_failures
        with peer:
            wait_until(lambda: node.states() == {"sent": 4}, "all are sent")
    assert peer.uids() == uids


def test_a_courier_process_leaves_in_order_when_it_is_told_to(node, result_file):
    node.add(result_file())
    with StoragePeer() as peer, courier_process(node, peer.port) as process:
        wait_until(lambda: node.states() == {"sent": 1}, "the result is sent")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
