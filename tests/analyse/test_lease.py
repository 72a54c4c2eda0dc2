import threading

import pytest

from dcis_node.analyse import lease
from dcis_node.analyse.lease import LeaseKeeper
from dcis_node.errors import StorageError
from storage.work import claim_instance, release_leases
from tests.analyse.nodes import Node
from tests.analyse.objects import mammogram


@pytest.fixture
def claim(node: Node):
    node.receive(mammogram(1))
    return claim_instance(node.db, owner="w1", now=node.clock.now, lease_seconds=0.03)


def keeper(node: Node, claim, beat) -> LeaseKeeper:
    return LeaseKeeper(node.db, claim, lease_seconds=0.03, clock=node.clock, beat=beat)


class Beats:
    """Moves the clock on at every beat, and says when there were enough."""

    def __init__(self, node: Node, enough: int) -> None:
        self.node, self.left, self.done = node, enough, threading.Event()

    def __call__(self) -> None:
        self.node.clock.now += 1.0
        self.left -= 1
        if self.left <= 0:
            self.done.set()


def test_the_lease_of_a_long_item_is_renewed_and_its_claim_stays_good(node: Node, claim):
    beats = Beats(node, enough=4)
    with keeper(node, claim, beats) as held:
        assert beats.done.wait(10)
    assert held.claim.lease_until > claim.lease_until
    assert node.instance(1).lease_until == held.claim.lease_until


def test_a_lost_lease_is_not_taken_back(node: Node, claim, caplog):
    release_leases(node.db, "w1")
    held = keeper(node, claim, Beats(node, enough=1))
    with held:
        held._thread.join(10)
        assert not held._thread.is_alive()
    assert "event=lease_lost" in caplog.text
    assert held.claim == claim


def test_an_item_that_hangs_is_given_up_in_the_end(node: Node, claim, caplog):
    beats, hung = Beats(node, enough=3), threading.Event()
    # Each beat takes a second, by whichever clock.
    held = LeaseKeeper(
        node.db,
        claim,
        lease_seconds=0.03,
        clock=node.clock,
        beat=beats,
        item_seconds=2.5,
        hangs=hung.set,
        monotonic=node.clock,
    )
    with held:
        held._thread.join(10)
        assert not held._thread.is_alive()
    assert hung.is_set()
    assert beats.left == 0
    assert "event=item_hangs item=1" in caplog.text


def test_a_busy_index_is_asked_again(node: Node, claim, monkeypatch, caplog):
    faults = [StorageError("busy")]
    renew = lease.renew

    def busy_once(*arguments, **options):
        if faults:
            raise faults.pop()
        return renew(*arguments, **options)

    monkeypatch.setattr(lease, "renew", busy_once)
    beats = Beats(node, enough=5)
    with keeper(node, claim, beats) as held:
        assert beats.done.wait(10)
    assert held.claim.lease_until > claim.lease_until
    assert "event=lease_not_renewed" in caplog.text


def test_a_short_item_needs_no_renewal(node: Node):
    node.receive(mammogram(1))
    claim = claim_instance(node.db, owner="w1", now=node.clock.now, lease_seconds=300.0)
    with LeaseKeeper(node.db, claim, lease_seconds=300.0, clock=node.clock, beat=lambda: None) as held:
        pass
    assert held.claim == claim
