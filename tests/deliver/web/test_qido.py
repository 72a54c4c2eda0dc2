"""QIDO-RS: whether a service is there, and which objects it has."""

import json
import logging
import threading
import time
from dataclasses import dataclass

import pytest

from dcis_node.deliver.web import qido
from dcis_node.deliver.web.qido import find_stored, present, probe
from tests.deliver.web.peer import Reply, WebPeer, cut, web_at
from tests.peers import free_port


@dataclass(frozen=True)
class Row:
    sop_instance_uid: str
    study_instance_uid: str = "1.2"
    series_instance_uid: str = "1.2.3"


def element(value, vr="UI"):
    return {"vr": vr, "Value": [value]}


def listing(*uids, **more):
    """Have these objects, and list those that a query names."""

    def answer(asked):
        asked_for = asked.path.partition("SOPInstanceUID=")[2]
        found = [{"00080018": element(uid), **more} for uid in uids if uid == asked_for]
        return Reply(200, json.dumps(found).encode())

    return answer


def test_what_is_there_is_found_and_the_rest_is_missing():
    with WebPeer(listing("2.25.1", "2.25.3")) as peer:
        stored = find_stored([Row("2.25.1"), Row("2.25.2"), Row("2.25.3", "1.5", "1.6")], peer.address())
    assert (stored.found, stored.missing, stored.failure) == ({"2.25.1", "2.25.3"}, {"2.25.2"}, "")
    assert [asked.path for asked in peer.asked] == [
        "/dicom-web/studies/1.2/series/1.2.3/instances?SOPInstanceUID=2.25.1",
        "/dicom-web/studies/1.2/series/1.2.3/instances?SOPInstanceUID=2.25.2",
        "/dicom-web/studies/1.5/series/1.6/instances?SOPInstanceUID=2.25.3",
    ]
    assert peer.connections == 1
    assert {asked.headers["Host"] for asked in peer.asked} == {f"127.0.0.1:{peer.port}"}


def test_a_service_that_lists_something_else_has_not_the_object():
    other = json.dumps([{"00080018": element("2.25.9")}, {}, None, {"00080018": 3}, {"00080018": {"Value": []}}])
    with WebPeer(lambda _: Reply(200, other.encode())) as peer:
        assert find_stored([Row("2.25.1")], peer.address()).missing == {"2.25.1"}


def test_an_object_that_cannot_be_had_is_missing():
    with WebPeer(listing("2.25.1", **{"00080056": element("UNAVAILABLE", "CS")})) as peer:
        assert find_stored([Row("2.25.1")], peer.address()).missing == {"2.25.1"}


@pytest.mark.parametrize("reply", [Reply(200, b"[]"), Reply(204), Reply(404)])
def test_an_empty_answer_is_a_missing_object(reply):
    with WebPeer(lambda asked: reply if "instances" in asked.path else Reply(200, b"[]")) as peer:
        assert find_stored([Row("2.25.1")], peer.address()).missing == {"2.25.1"}


def test_a_service_that_knows_no_queries_has_said_nothing_of_the_object():
    with WebPeer(lambda _: Reply(404)) as peer:
        answer = find_stored([Row("2.25.1")], peer.address())
    assert (answer.missing, "HTTP 404" in answer.failure) == (frozenset(), True)


def test_a_service_that_answers_slowly_is_not_asked_for_ever(monkeypatch):
    monkeypatch.setattr(qido, "WAITS_FOR_ALL", 0)
    with WebPeer(listing()) as peer:
        answer = find_stored([Row("2.25.1"), Row("2.25.2")], peer.address())
    assert "too slowly" in answer.failure
    assert len(answer.missing) < 2


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(401), "refused our credentials"),
        (Reply(403), "does not let us"),
        (Reply(500), "HTTP 500"),
        (Reply(503), "HTTP 503"),
        (Reply(302, headers={"Location": "/login"}), "HTTP 302"),
        (Reply(200, b"<html>log in</html>"), "did not answer"),
        (Reply(200, b'"text"'), "did not answer"),
        (Reply(200, b"[" * 100_000), "did not answer"),
    ],
)
def test_a_failed_query_says_nothing_of_the_object(reply, words):
    with WebPeer(lambda _: reply) as peer:
        stored = find_stored([Row("2.25.1"), Row("2.25.2")], peer.address())
        listed = present([Row("2.25.1")], peer.address())
    for answer in (stored, listed):
        assert (answer.found, answer.missing) == (frozenset(), frozenset())
        assert words in answer.failure


FAILED = {"500": Reply(500), "404": Reply(404), "403": Reply(403), "503": Reply(503), "cut": Reply(act=cut)}
THERE = {"200": Reply(200, b"[]")}


@pytest.mark.parametrize(
    ("question", "probed", "of_service"),
    [
        ("500", "200", False),
        ("403", "200", False),
        ("503", "200", False),
        ("cut", "200", False),
        ("500", "404", False),  # some say so in place of an empty list
        ("cut", "403", False),
        ("500", "500", True),
        ("403", "403", True),
        ("404", "404", True),
        ("404", "500", True),
        ("500", "503", True),
        ("503", "503", True),
        ("cut", "cut", True),
        ("500", "cut", True),
    ],
)
def test_a_failure_is_one_of_the_service_only_if_a_question_about_nothing_meets_it_too(question, probed, of_service):
    replies = FAILED | THERE
    with WebPeer(lambda asked: replies[question if "instances" in asked.path else probed]) as peer:
        answer = find_stored([Row("2.25.1"), Row("2.25.2")], peer.address())
    assert answer.failure
    assert answer.of_service is of_service
    assert ["instances" in asked.path for asked in peer.asked] == [True, False]


def test_who_refuses_our_credentials_is_not_asked_twice():
    with WebPeer(lambda _: Reply(401)) as peer:
        assert find_stored([Row("2.25.1")], peer.address()).of_service
    assert len(peer.asked) == 1


def test_nobody_there_and_a_secret_that_cannot_be_read_are_failures_of_the_service(tmp_path):
    assert find_stored([Row("2.25.1")], web_at(free_port())).of_service
    assert find_stored([Row("2.25.1")], web_at(free_port(), token_file=tmp_path / "none")).of_service


def test_a_service_of_which_all_is_known_has_no_failure():
    with WebPeer(listing("2.25.1")) as peer:
        assert not find_stored([Row("2.25.1"), Row("2.25.2")], peer.address()).of_service
    assert len(peer.asked) == 2


@pytest.mark.parametrize("drips", [False, True])
def test_what_was_asked_before_a_service_fell_silent_counts_and_the_rest_is_cut_short(monkeypatch, drips):
    monkeypatch.setattr(qido, "PRESENT_SECONDS", 1.0)
    over = threading.Event()
    has = listing("2.25.1")

    def stall(handler):
        while not over.wait(0.1 if drips else 60.0):
            handler.wfile.write(b" ")

    def answer(asked):
        return Reply(act=stall) if asked.path.endswith("2.25.3") else has(asked)

    started = time.monotonic()
    with WebPeer(answer) as peer:
        listed = present([Row(f"2.25.{number}") for number in range(1, 65)], peer.address(timeout_seconds=60.0))
        seconds = time.monotonic() - started
        over.set()
    assert (listed.found, listed.missing) == ({"2.25.1"}, {"2.25.2"})
    assert listed.failure == f"{peer.address()} answers queries too slowly"
    assert len(peer.asked) == 3
    assert seconds < 30.0


def test_once_the_time_is_over_nobody_is_asked(monkeypatch):
    monkeypatch.setattr(qido, "PRESENT_SECONDS", 0.0)
    with WebPeer(listing("2.25.1")) as peer:
        listed = present([Row("2.25.1")], peer.address())
    assert (listed.found, listed.missing, peer.connections) == (frozenset(), frozenset(), 0)
    assert "too slowly" in listed.failure


def test_nothing_is_tried_twice_by_the_library():
    with WebPeer(lambda _: Reply(503)) as peer:
        probe(peer.address())
        find_stored([Row("2.25.1"), Row("2.25.2")], peer.address())
    # The one question, and whether that lies in the service.
    assert ["instances" in asked.path for asked in peer.asked] == [False, True, False]


@pytest.mark.parametrize("strange", ["", "../../etc", "1.2?x=1", "1.2#", "1/2", "%2e%2e", "1" * 65])
def test_a_strange_uid_of_a_study_is_not_made_part_of_a_path(strange):
    with WebPeer(listing("2.25.1")) as peer:
        assert find_stored([Row("2.25.1", study_instance_uid=strange)], peer.address()).found == {"2.25.1"}
    assert peer.asked[0].path == "/dicom-web/instances?SOPInstanceUID=2.25.1"


def test_the_probe_asks_for_no_patient():
    with WebPeer(lambda _: Reply(200, b"[]")) as peer:
        answer = probe(peer.address())
    assert (answer.ok, answer.is_there) == (True, True)
    assert peer.asked[0].path == "/dicom-web/studies?StudyInstanceUID=1.2.840.10008.1.1&limit=1"


@pytest.mark.parametrize(
    ("status", "there"),
    [(status, True) for status in (400, 401, 403, 404, 405, 406, 409, 413, 500, 501)]
    + [(status, False) for status in (429, 502, 503, 504, 507)],
)
def test_a_service_that_answers_no_query_may_take_objects_all_the_same(status, there):
    with WebPeer(lambda _: Reply(status)) as peer:
        answer = probe(peer.address())
    assert (answer.ok, answer.is_there) == (False, there)
    assert f"HTTP {status}" in answer.text


def test_a_probe_of_nobody_says_so():
    port = free_port()
    answer = probe(web_at(port))
    assert (answer.ok, answer.is_there) == (False, False)
    assert answer.text == f"no connection to http://127.0.0.1:{port}/dicom-web (Connection refused)"


def test_the_libraries_write_no_uid_once_logging_is_set_up(caplog):
    from dcis_node.operate.logs import WEB  # noqa: PLC0415

    assert {"dicomweb_client", "urllib3", "retrying"} == set(WEB)
    before = {name: logging.getLogger(name).level for name in WEB}
    try:
        for name in WEB:
            logging.getLogger(name).setLevel(logging.CRITICAL)  # as `configure_logging` does
        caplog.set_level(logging.DEBUG)
        with WebPeer(listing("2.25.1")) as peer:
            find_stored([Row("2.25.1")], peer.address())
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
    assert "1.2.3" not in caplog.text
