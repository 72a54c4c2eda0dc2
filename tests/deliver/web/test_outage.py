"""A courier's lane and a service that fails in every way before it takes anything: all arrives, once, unchanged."""

import random
import subprocess
import sys
import threading
from collections import defaultdict

import pytest

from dcis_node.config import DeliverSettings
from dcis_node.deliver.lane import Lane, deliver_next
from dcis_node.deliver.web.route import web_route
from tests.deliver.helpers import NOW
from tests.deliver.web.peer import Reply, WebPeer, cut, module, reset, uids_in


class Flaky:
    """Fails as its script says, then works; keeps the first bytes of each object as an archive does."""

    def __init__(self, replies):
        self.replies = list(replies)
        self.stored = defaultdict(list)

    def __call__(self, asked):
        reply = self.replies.pop(0) if self.replies else None
        if asked.method == "GET":
            return reply or Reply(200, b"[]")
        uids = uids_in(asked)
        if reply is None or reply.act is not None:  # some services store, and die before they say so
            for uid, part in zip(uids, asked.parts(), strict=True):
                self.stored[uid].append(part)
        return reply or Reply(200, module(stored=uids))


def lane_to(node, web, **settings):
    return Lane(
        db=node.db,
        files=node.files,
        destination="pacs",
        route=web_route(web),
        settings=DeliverSettings(**settings),
        owner="a",
        rng=random.Random(1),  # noqa: S311 -- jitter, not a secret
        stop=threading.Event(),
    )


def test_all_arrives_once_the_service_works_and_never_other_bytes(node, result_file):
    uids = [node.add(result_file(), study=f"1.2.{number % 3}") for number in range(9)]
    script = [Reply(503, headers={"Retry-After": "60"}), Reply(act=cut), Reply(401), Reply(502), Reply(act=reset)]
    service = Flaky([*script, Reply(200, b"garbage"), Reply(507), *script])
    moment, looks = NOW, 0
    with WebPeer(service) as peer:
        lane = lane_to(node, peer.address())
        while node.states() != {"sent": 9}:
            looks += 1
            assert looks < 2000, node.states()
            if not deliver_next(lane, now=moment):
                moment += 60.0
    assert set(service.stored) == set(uids)
    assert {uid: len(set(parts)) for uid, parts in service.stored.items()} == dict.fromkeys(uids, 1)
    assert all(service.stored[uid][0] == node.file(uid).read_bytes() for uid in uids)
    assert moment - NOW < 6 * 3600.0


def test_a_service_that_is_down_is_probed_and_its_results_leave_in_a_burst(node, result_file):
    for number in range(4):
        node.add(result_file(), study=f"1.2.{number}")
    service = Flaky([Reply(503)] * 3)
    with WebPeer(service) as peer:
        lane = lane_to(node, peer.address())
        for _ in range(3):
            assert deliver_next(lane, now=NOW)
        assert lane.breaker.condition().is_open
        assert not deliver_next(lane, now=NOW)  # nothing is sent meanwhile
        assert len(peer.posts()) == 3
        later = NOW + 900.0
        while deliver_next(lane, now=later):
            pass
        assert [asked.method for asked in peer.asked] == ["POST"] * 3 + ["GET"] + ["POST"] * 4
    assert node.states() == {"sent": 4}
    assert not lane.breaker.condition().is_open


@pytest.mark.parametrize("queries", [400, 401, 403, 404, 405, 500])
def test_a_service_that_takes_objects_and_answers_no_query_gets_them_after_an_outage(node, result_file, queries):
    for number in range(4):
        node.add(result_file(), study=f"1.2.{number}")
    down = [True]

    def answer(asked):
        if down[0]:
            return Reply(503)
        return Reply(queries) if asked.method == "GET" else Reply(200, module(stored=uids_in(asked)))

    with WebPeer(answer) as peer:
        lane = lane_to(node, peer.address())
        while deliver_next(lane, now=NOW):
            pass
        assert lane.breaker.condition().is_open
        assert not deliver_next(lane, now=NOW + 900.0)  # as long as the gateway finds nobody it is not there
        assert lane.breaker.condition().is_open
        down[0] = False
        while deliver_next(lane, now=NOW + 1800.0):
            pass
    assert node.states() == {"sent": 4}
    assert not lane.breaker.condition().is_open


def test_who_has_no_such_destination_does_not_load_the_libraries():
    code = (
        "import sys, dcis_node.operate.status\n"
        "assert not {'requests', 'urllib3', 'dicomweb_client'} & set(sys.modules)\n"
        "import dcis_node.deliver.courier, dcis_node.operate.sending\n"  # pydicom loads requests where it is installed
        "assert 'dicomweb_client' not in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0
