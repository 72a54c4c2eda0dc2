"""What a courier announces is told, also if it is killed in between: by its successor, from the index."""

import json
import random
import threading

import pytest

from dcis_node.config import DeliverSettings
from dcis_node.deliver.events import ResultsSending, ResultsSent
from dcis_node.deliver.lane import Lane, deliver_next
from dcis_node.deliver.routes import dicom_route
from dcis_node.operate.audit.unfinished import CourierTrail
from tests.deliver.helpers import NOW, SECONDARY_CAPTURE, address
from tests.peers import StoragePeer, free_port


class Told:
    """A trail that keeps what it is told."""

    def __init__(self):
        self.events = []

    def tell(self, event):
        self.events.append(event)


@pytest.fixture
def lane(node):
    def make(port, **options):
        return Lane(
            db=node.db,
            files=node.files,
            destination="pacs",
            route=dicom_route(address(port)),
            settings=DeliverSettings(),
            owner="a",
            rng=random.Random(1),  # noqa: S311 -- jitter, not a secret
            stop=threading.Event(),
            **options,
        )

    return make


@pytest.fixture
def trail():
    return Told()


@pytest.fixture
def courier(trail, tmp_path):
    return CourierTrail(trail, tmp_path / "audit", "deliver-0", clock=lambda: NOW)


def notes(tmp_path):
    return list((tmp_path / "audit").glob("*.open"))


def test_a_transfer_is_announced_and_told(node, lane, result_file, courier, trail, tmp_path):
    for _ in range(2):
        node.add(result_file())
    with StoragePeer() as peer:
        assert deliver_next(lane(peer.port, notify=courier.tell), now=NOW)
    sending, sent = trail.events
    assert sending.sop_classes == sent.taken == ((SECONDARY_CAPTURE, 2),)
    assert (sending.destination, sending.study_instance_uid, sent.not_taken) == ("pacs", "1.2", ())
    assert notes(tmp_path) == []


def test_what_was_not_taken_is_told_with_the_reason(node, lane, result_file, courier, trail):
    node.add(result_file())
    deliver_next(lane(free_port(), notify=courier.tell), now=NOW)
    assert (trail.events[1].taken, trail.events[1].not_taken) == ((), ((SECONDARY_CAPTURE, 1),))
    assert trail.events[1].text


def test_what_was_not_tried_is_neither(node, lane, result_file, courier, trail):
    for _ in range(2):
        node.add(result_file())
    with StoragePeer() as peer:
        context = lane(peer.port, notify=courier.tell)
        context.stop.set()
        deliver_next(context, now=NOW)
    assert (trail.events[1].taken, trail.events[1].not_taken) == (((SECONDARY_CAPTURE, 1),), ())


def test_a_killed_couriers_transfer_is_told_by_its_successor(node, lane, result_file, courier, trail, tmp_path):
    def killed(event):
        if isinstance(event, ResultsSending):
            courier.tell(event)

    for _ in range(2):
        node.add(result_file())
    with StoragePeer() as peer:
        deliver_next(lane(peer.port, notify=killed), now=NOW)
    assert len(notes(tmp_path)) == 1
    courier.tell_unfinished(node.db)
    assert isinstance(trail.events[1], ResultsSent)
    assert trail.events[1].taken == ((SECONDARY_CAPTURE, 2),)
    assert notes(tmp_path) == []
    courier.tell_unfinished(node.db)
    assert len(trail.events) == 2


def test_what_was_sent_long_before_is_not_told_again(node, lane, result_file, trail, tmp_path):
    node.add(result_file())
    with StoragePeer() as peer:
        deliver_next(lane(peer.port), now=NOW)
    later = CourierTrail(trail, tmp_path / "audit", "deliver-0", clock=lambda: NOW + 1000)
    later.tell(ResultsSending("pacs", "h", "A", "B", "1.2", ((SECONDARY_CAPTURE, 1),)))
    later.tell_unfinished(node.db)
    assert trail.events[1].taken == ()


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", json.dumps({"at": 1, "sending": {}}).encode()])
def test_a_damaged_note_is_passed_over(node, courier, trail, tmp_path, damage, caplog):
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "deliver-0.pacs.open").write_bytes(damage)
    courier.tell_unfinished(node.db)
    assert trail.events == []
    assert notes(tmp_path) == []
    assert "event=audit_note_unreadable" in caplog.text


def test_a_disk_that_takes_no_note_does_not_stop_the_transfer(courier, trail, tmp_path, caplog):
    (tmp_path / "audit").write_text("a file where the folder should be")
    courier.tell(ResultsSending("pacs", "h", "A", "B", "1.2", ()))
    assert len(trail.events) == 1
    assert "a transfer is not noted" in caplog.text
