"""An object that ends its peer's storage process each time holds up no other one, and ends it a few times only."""

from dataclasses import dataclass, field

import pytest

from dcis_node.deliver.lane import deliver_next
from dcis_node.deliver.outcome import EchoResult, Failure, Sent
from dcis_node.deliver.route import Route
from storage import destinations
from tests.deliver.destinations import ADDRESS, Destination
from tests.deliver.helpers import NOW
from tests.deliver.living import DAY, HOUR, MINUTE, Clock, lane_to, live


@dataclass
class Crashing(Clock):
    """A peer on a clock that the object `poison` ends; it is back after `restart_seconds`.

    With a gateway before it, the objects of one request share one answer: that it is busy.
    """

    restart_seconds: float = 60.0
    gateway: bool = False
    poison: str = ""
    back_at: float = 0.0
    crashes: int = 0
    got: dict[str, float] = field(default_factory=dict)

    @property
    def route(self):
        return Route(ADDRESS, self._send, self._probe)

    def _send(self, items):
        if self.gateway and (self.now < self.back_at or self.poison in {item.sop_instance_uid for item in items}):
            if self.now >= self.back_at:
                self._crash()
            yield from (Sent(item, failure=Failure.BUSY, detail="HTTP 502") for item in items)
            return
        for item in items:
            if self.now < self.back_at:
                yield Sent(item, failure=Failure.NO_CONNECTION)
            elif item.sop_instance_uid == self.poison:
                self._crash()
                yield Sent(item, failure=Failure.CUT_OFF)
            else:
                self.got[item.sop_instance_uid] = self.now
                yield Sent(item, status=0)

    def _probe(self):
        return EchoResult(ok=self.now >= self.back_at, text="nobody there", seconds=0.0)

    def _crash(self):
        self.crashes += 1
        self.back_at = self.now + self.restart_seconds


def exam(node, result_file, peer, made, *, study, number=3):
    uids = [node.add(result_file(), study=study, now=peer.now) for _ in range(number)]
    made |= dict.fromkeys(uids, peer.now)
    return uids


@pytest.mark.parametrize(("restart_seconds", "place", "seed"), [(30, 0, 1), (60, 0, 2), (30, 2, 3), (60, 2, 4)])
def test_all_other_objects_arrive_within_minutes(node, result_file, restart_seconds, place, seed):
    peer, made = Crashing(restart_seconds=restart_seconds), {}
    first, *_ = [exam(node, result_file, peer, made, study=f"1.2.{number}") for number in range(8)]
    peer.poison = first[place]
    context = lane_to(node, peer.route, seed=seed)
    for number in range(6):
        live(context, peer, until=NOW + 10 * MINUTE * (number + 1))
        exam(node, result_file, peer, made, study=f"1.9.{number}")
    live(context, peer, until=NOW + 2 * HOUR)
    del made[peer.poison]
    assert set(peer.got) == set(made)
    assert max(peer.got[uid] - at for uid, at in made.items()) < 15 * MINUTE
    assert node.states() == {"sent": 14 * 3 - 1, "due": 1}
    assert 1 < peer.crashes <= 4


def test_the_peer_is_ended_a_few_times_in_a_week_and_then_the_object_is_a_dead_letter(node, result_file, caplog):
    peer, made = Crashing(), {}
    peer.poison = exam(node, result_file, peer, made, study="1.2")[0]
    context = lane_to(node, peer.route)
    for number in range(32):
        live(context, peer, until=NOW + 0.25 * DAY * (number + 1))
        exam(node, result_file, peer, made, study=f"1.9.{number}")
    live(context, peer, until=NOW + 9 * DAY)
    assert node.states() == {"sent": len(made) - 1, "dead": 1}
    assert node.row(peer.poison).last_error.startswith("given up after 7 days: ")
    assert max(at - made[uid] for uid, at in peer.got.items()) < 15 * MINUTE
    assert 10 <= peer.crashes <= 16
    assert "event=object_put_off outbox=1 destination=pacs losses=3 seconds=3600" in caplog.text


def test_alone_it_is_put_off_as_well_though_nothing_else_is_ever_answered(node, result_file):
    peer = Crashing()
    peer.poison = node.add(result_file())
    live(lane_to(node, peer.route), peer, until=NOW + DAY)
    assert peer.crashes <= 8
    assert node.row(peer.poison).losses == peer.crashes


def test_behind_a_gateway_that_says_busy_the_other_exams_arrive(node, result_file):
    peer, made = Crashing(gateway=True), {}
    hopeless, *_ = [exam(node, result_file, peer, made, study=f"1.2.{number}") for number in range(8)]
    peer.poison = hopeless[0]
    live(lane_to(node, peer.route), peer, until=NOW + 2 * HOUR)
    assert set(peer.got) == set(made) - set(hopeless)
    assert max(peer.got.values()) - NOW < HOUR


def test_a_peer_that_loses_everything_for_hours_gets_it_all_soon_after_it_is_well(node, result_file):
    peer, clock = Destination(Failure.CUT_OFF), Clock()
    uids = [node.add(result_file(), study=f"1.2.{number // 3}") for number in range(9)]
    context = lane_to(node, peer.route)
    live(context, clock, until=NOW + 5 * HOUR)
    assert {node.row(uid).losses for uid in uids} == {0}
    peer.answer = 0x0000
    live(context, clock, until=NOW + 5 * HOUR + 15 * MINUTE)
    assert sorted(peer.got) == sorted(uids)


def test_one_that_was_put_off_is_tried_at_once_if_a_person_says_so(node, result_file):
    peer = Crashing()
    peer.poison = node.add(result_file())
    context = lane_to(node, peer.route)
    live(context, peer, until=NOW + 20 * MINUTE)
    assert (node.row(peer.poison).losses, peer.crashes) == (3, 3)
    peer.poison = ""
    assert not deliver_next(context, now=peer.now)
    assert destinations.hasten(node.db, "pacs", now=peer.now) == 1
    live(context, peer, until=peer.now + MINUTE)
    assert node.states() == {"sent": 1}
