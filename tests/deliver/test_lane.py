import random
import threading

import pytest
from pydicom.uid import ExplicitVRLittleEndian

from dcis_node.config import DeliverSettings
from dcis_node.deliver import lane as lane_module
from dcis_node.deliver.courier import Lane, deliver_next
from dcis_node.deliver.route import Route
from dcis_node.deliver.routes import dicom_route
from storage import outbox
from tests.deliver.helpers import CANARY, NOW, address, encoded_dataset
from tests.indexes import everything_in
from tests.peers import StoragePeer, black_hole, free_port, rejecting_peer

OTHER_CLASS = "1.2.840.10008.5.1.4.1.1.88.22"


@pytest.fixture
def lane(node):
    def make(port, **options):
        options = {
            "destination": "pacs",
            "settings": DeliverSettings(backoff_first_seconds=10.0, backoff_most_seconds=900.0),
            "owner": "a",
            "rng": random.Random(1),  # noqa: S311 -- jitter, not a secret
            "stop": threading.Event(),
            **options,
        }
        route = dicom_route(options.pop("peer", None) or address(port))
        return Lane(db=node.db, files=node.files, **{"route": route, **options})

    return make


def drain(context, *, now):
    """Deliver until nothing is due; gives the number of claims."""
    number = 0
    while deliver_next(context, now=now):
        number += 1
    return number


def test_nothing_due_is_said_and_nobody_is_called(node, lane, result_file):
    assert not deliver_next(lane(1), now=NOW)
    node.add(result_file(), now=NOW + 100)
    assert not deliver_next(lane(1), now=NOW)


def test_an_exams_results_arrive_as_stored_over_one_association_and_are_sent(node, lane, result_file):
    paths = [result_file(size_bytes=100 * number) for number in range(1, 5)]
    uids = [node.add(path) for path in paths]
    with StoragePeer() as peer:
        assert deliver_next(lane(peer.port), now=NOW)
        assert not deliver_next(lane(peer.port), now=NOW + 1e6)
    assert [one.sop_instance_uid for one in peer.received] == uids
    assert [one.dataset for one in peer.received] == [encoded_dataset(path) for path in paths]
    assert peer.associations == 1
    assert node.states() == {"sent": 4}
    assert node.attempts(uids[0]) == [(0, "")]
    assert node.row(uids[0]).sent_at >= NOW


def test_each_destination_gets_its_own_copy(node, lane, result_file):
    uid = node.add(result_file(), destinations=("pacs", "archive"))
    with StoragePeer() as first, StoragePeer() as second:
        assert drain(lane(first.port), now=NOW) == 1
        assert node.states("archive") == {"due": 1}
        assert drain(lane(second.port, destination="archive"), now=NOW) == 1
    assert first.uids() == second.uids() == [uid]


@pytest.mark.parametrize("status", [0x0000, 0x0111, 0xB000, 0xB006, 0xB007])
def test_a_success_a_warning_and_a_duplicate_end_the_delivery(node, lane, result_file, status):
    uid = node.add(result_file())
    with StoragePeer(status=status) as peer:
        assert drain(lane(peer.port), now=NOW) == 1
    assert node.states() == {"sent": 1}
    assert node.row(uid).last_status == status
    assert (node.attempts(uid)[0][1] == "") == (status == 0)


def test_a_full_pacs_is_asked_again_with_backoff_until_it_has_room(node, lane, result_file):
    path = result_file()
    uid = node.add(path)
    now = NOW
    with StoragePeer(statuses=[0xA700] * 12) as peer:
        context = lane(peer.port)
        for attempt in range(1, 13):
            assert deliver_next(context, now=now)
            row = node.row(uid)
            assert (row.state, row.attempts, row.last_status) == ("due", attempt, 0xA700)
            assert 0 <= row.next_try_at - now <= min(900, 10 * 2 ** (attempt - 1))
            assert not deliver_next(context, now=row.next_try_at - 0.001)
            now = row.next_try_at
        assert deliver_next(context, now=now)
    assert node.states() == {"sent": 1}
    assert len(peer.received) == 13
    assert {one.dataset for one in peer.received} == {encoded_dataset(path)}


def test_what_the_peer_cannot_understand_is_dead_after_an_hour_and_requeue_revives_it(node, lane, result_file):
    uid = node.add(result_file())
    with StoragePeer(statuses=[0xA700, 0xC000, 0xC211, 0xC001, 0xC000, 0xC000, 0x0000]) as peer:
        context = lane(peer.port)
        assert deliver_next(context, now=NOW)
        now = started = node.row(uid).next_try_at
        for _ in range(4):
            assert deliver_next(context, now=now)
            now = max(now, node.row(uid).next_try_at)
        assert node.row(uid).state == "dead"
        assert 3600 <= now - started < 3610
        assert not deliver_next(context, now=now + 1e6)
        assert "4 times" in node.row(uid).last_error
        assert outbox.requeue(node.db, now=now + 100) == 1
        assert deliver_next(context, now=now + 100)
        assert node.states() == {"due": 1}
        assert deliver_next(context, now=now + 2000)
    assert node.states() == {"sent": 1}
    assert [status for status, _ in node.attempts(uid)] == [0xA700, 0xC000, 0xC211, 0xC001, 0xC000, 0xC000, 0]


def test_a_mismatch_is_dead_at_once(node, lane, result_file):
    uid = node.add(result_file())
    with StoragePeer(status=0xA900) as peer:
        deliver_next(lane(peer.port), now=NOW)
    assert node.row(uid).state == "dead"
    assert "0xA900" in node.row(uid).last_error


@pytest.mark.parametrize("status", [0x0122, 0x0124])
def test_a_fault_of_configuration_is_tried_again_every_hour(node, lane, result_file, status):
    uid = node.add(result_file())
    with StoragePeer(status=status) as peer:
        deliver_next(lane(peer.port), now=NOW)
    assert node.row(uid).next_try_at == pytest.approx(NOW + 3600, abs=10)


def test_a_wrong_ae_title_waits_an_hour_and_says_what_to_correct(node, lane, result_file):
    uid = node.add(result_file())
    with rejecting_peer(1, 1, 7) as port:
        deliver_next(lane(port), now=NOW)
    row = node.row(uid)
    assert (row.state, row.last_status) == ("due", None)
    assert row.next_try_at == pytest.approx(NOW + 3600, abs=10)
    assert "correct aet of the destination" in row.last_error


def test_a_peer_that_is_down_gets_everything_when_it_is_back_and_exams_stay_together(node, lane, result_file):
    uids = [node.add(result_file()) for _ in range(3)]
    peer = StoragePeer(port=free_port())
    context = lane(peer.port)
    assert deliver_next(context, now=NOW)
    rows = [node.row(uid) for uid in uids]
    assert {row.state for row in rows} == {"due"}
    assert len({row.next_try_at for row in rows}) == 1
    assert "Connection refused" in rows[0].last_error
    with peer:
        assert deliver_next(context, now=rows[0].next_try_at)
    assert peer.uids() == uids
    assert peer.associations == 1
    assert node.states() == {"sent": 3}


def test_an_object_without_an_answer_is_sent_again_with_the_same_bytes(node, lane, result_file):
    path = result_file(size_bytes=50_000)
    uid = node.add(path)
    with StoragePeer(statuses=[None, None]) as peer:
        context = lane(peer.port)
        for _ in range(3):
            assert deliver_next(context, now=node.row(uid).next_try_at)
    assert [one.dataset for one in peer.received] == [encoded_dataset(path)] * 3
    assert [status for status, _ in node.attempts(uid)] == [None, None, 0]
    assert node.states() == {"sent": 1}


def test_an_object_that_is_refused_does_not_hold_up_the_others_of_its_exam(node, lane, result_file):
    bad = node.add(result_file(sop_class=OTHER_CLASS))
    uids = [node.add(result_file()) for _ in range(2)]
    with StoragePeer(contexts=[("1.2.840.10008.5.1.4.1.1.7", ExplicitVRLittleEndian)]) as peer:
        deliver_next(lane(peer.port), now=NOW)
    assert peer.uids() == uids
    assert node.states() == {"due": 1, "sent": 2}
    assert "SOP class" in node.row(bad).last_error


def test_stored_bytes_that_are_missing_or_altered_are_not_sent_and_said(node, lane, result_file):
    missing, altered, good = (node.add(result_file()) for _ in range(3))
    with node.db.read() as session:
        files = {
            result.sop_instance_uid: node.files.path(result.sha256)
            for result in session.query(lane_module.outbox.Result)
        }
    files[missing].unlink()
    damaged = bytearray(files[altered].read_bytes())
    damaged[-1] ^= 1
    files[altered].write_bytes(damaged)
    with StoragePeer() as peer:
        deliver_next(lane(peer.port), now=NOW)
    assert peer.uids() == [good]
    assert node.states() == {"due": 2, "sent": 1}
    assert "cannot be read" in node.row(missing).last_error
    assert "damaged" in node.row(altered).last_error
    assert node.row(altered).next_try_at == pytest.approx(NOW + 3600, abs=10)


def test_a_defect_of_ours_is_recorded_without_its_text_and_pushes_only_one_object_back(node, lane, result_file, caplog):
    poisoned, *others = [node.add(result_file()) for _ in range(3)]

    def explode(items):
        for item in items:
            if item.sop_instance_uid == poisoned:
                raise ValueError(CANARY)
            yield from route.send([item])

    with StoragePeer() as peer:
        route = dicom_route(address(peer.port))
        assert drain(lane(peer.port, route=Route(route.address, explode, route.probe)), now=NOW) == 2
    assert peer.uids() == others
    assert node.states() == {"due": 1, "sent": 2}
    assert node.row(poisoned).last_error == "an error of this program (ValueError)"
    assert node.row(others[0]).attempts == 1
    assert CANARY not in caplog.text


def test_a_defect_after_the_last_object_changes_nothing(node, lane, result_file):
    node.add(result_file())

    def explode(items):
        yield from route.send(items)
        raise ValueError

    with StoragePeer() as peer:
        route = dicom_route(address(peer.port))
        assert drain(lane(peer.port, route=Route(route.address, explode, route.probe)), now=NOW) == 1
    assert node.states() == {"sent": 1}


def test_a_stop_finishes_the_object_under_way_and_gives_the_others_back(node, lane, result_file):
    uids = [node.add(result_file()) for _ in range(3)]
    stop = threading.Event()

    def stop_now(_):
        stop.set()
        return 0x0000

    with StoragePeer(statuses=[stop_now]) as peer:
        assert deliver_next(lane(peer.port, stop=stop), now=NOW)
        assert peer.uids() == uids[:1]
    assert node.states() == {"sent": 1, "due": 2}
    assert [node.row(uid).attempts for uid in uids] == [1, 0, 0]
    with StoragePeer() as peer:
        assert deliver_next(lane(peer.port), now=NOW)
    assert peer.uids() == uids[1:]


def test_a_courier_that_lost_its_lease_stops_sending(node, lane, result_file):
    uids = [node.add(result_file()) for _ in range(3)]

    def a_rival_takes_over(_):
        assert len(outbox.claim(node.db, owner="b", now=NOW + 1e6, lease_seconds=60)) == 3
        return 0x0000

    with StoragePeer(statuses=[a_rival_takes_over]) as peer:
        assert deliver_next(lane(peer.port), now=NOW)
    assert peer.uids() == uids[:1]
    assert node.states() == {"sent": 1, "leased": 2}
    assert {node.row(uid).lease_owner for uid in uids[1:]} == {"b"}


def test_a_lease_outlasts_the_waits_that_one_object_can_meet(lane):
    settings = DeliverSettings(lease_seconds=10.0, timeout_seconds=30.0)
    assert lane(1, settings=settings, peer=address(1, timeout_seconds=30.0)).lease_seconds == 130


def test_a_silent_peer_costs_one_timeout_and_the_rows_wait(node, lane, result_file):
    uids = [node.add(result_file()) for _ in range(2)]
    ticks = []
    with black_hole() as port:
        context = lane(port, peer=address(port, timeout_seconds=0.2), tick=lambda: ticks.append(1))
        assert deliver_next(context, now=NOW)
    assert {node.row(uid).state for uid in uids} == {"due"}
    assert "silence for 0.2 s" in node.row(uids[0]).last_error
    assert len(ticks) == 2


def test_nothing_of_a_patient_reaches_log_or_index(node, lane, result_file, caplog):
    caplog.set_level("DEBUG")
    for _ in range(5):
        node.add(result_file())
    with StoragePeer(statuses=[0x0000, 0xA700, 0xC000, 0xA900, None]) as peer:
        deliver_next(lane(peer.port), now=NOW)
    assert "event=delivery" in caplog.text
    assert CANARY not in caplog.text
    assert CANARY.encode() not in everything_in(node.db)
