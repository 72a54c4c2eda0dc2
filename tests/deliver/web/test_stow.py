"""STOW-RS against a service that does whatever services do."""

from io import BytesIO

import pytest
from pydicom import dcmread, dcmwrite

from dcis_node.config import DeliverSettings
from dcis_node.deliver import policy
from dcis_node.deliver.lane import lease_of
from dcis_node.deliver.outcome import Failure
from dcis_node.deliver.policy import Action
from dcis_node.deliver.sender import SLOWEST_BYTES_PER_SECOND
from dcis_node.deliver.web import qido, stow
from dcis_node.deliver.web.qido import PRESENT_SECONDS
from dcis_node.deliver.web.session import LONGEST_ANSWER_BYTES, WAITS
from dcis_node.deliver.web.stow import split, stow_files
from tests.deliver.helpers import CANARY, with_group_length
from tests.deliver.web.peer import Reply, WebPeer, module, uids_in
from tests.peers import free_port


def answering(status, body=b"", **headers):
    return lambda _: Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def outcomes(items, web):
    return [(sent.status, sent.failure) for sent in stow_files(items, web)]


def test_the_bytes_of_the_files_go_out_as_they_are_in_one_request(outgoing):
    items = outgoing(3, size_bytes=200_000)
    with WebPeer() as peer:
        assert outcomes(items, peer.address()) == [(0, None)] * 3
    (asked,) = peer.asked
    assert asked.path == "/dicom-web/studies"
    assert asked.parts() == [item.path.read_bytes() for item in items]
    assert int(asked.headers["Content-Length"]) == len(asked.body)
    assert asked.headers["Host"] == f"127.0.0.1:{peer.port}"
    assert asked.headers["Accept"] == "application/dicom+json"


def test_bytes_that_a_library_would_not_write_go_out_as_they_are(outgoing):
    (item,) = outgoing()
    with_group_length(item.path)
    with WebPeer() as peer:
        assert outcomes([item], peer.address()) == [(0, None)]
    assert peer.asked[0].parts() == [item.path.read_bytes()]
    encoded = BytesIO()
    dcmwrite(encoded, dcmread(item.path))
    assert encoded.getvalue() != item.path.read_bytes()


def test_nothing_to_send_asks_nobody():
    with WebPeer() as peer:
        assert outcomes([], peer.address()) == []
    assert peer.connections == 0


def test_the_same_bytes_go_out_in_each_attempt(outgoing):
    items = outgoing(2)
    with WebPeer() as peer:
        for _ in range(2):
            outcomes(items, peer.address())
    first, second = peer.asked
    assert first.parts() == second.parts()


def test_a_request_is_bounded_in_bytes_and_objects(outgoing, monkeypatch):
    items = outgoing(7, size_bytes=1000)
    monkeypatch.setattr(stow, "MOST_OBJECTS", 3)
    assert [len(group) for group in split(items)] == [3, 3, 1]
    monkeypatch.setattr(stow, "MOST_BYTES", 2 * items[0].path.stat().st_size)
    assert [len(group) for group in split(items)] == [2, 2, 2, 1]
    monkeypatch.setattr(stow, "MOST_BYTES", 10)
    assert [len(group) for group in split(items)] == [1] * 7
    with WebPeer() as peer:
        assert outcomes(items, peer.address()) == [(0, None)] * 7
    assert len(peer.posts()) == 7


def test_what_the_answer_says_of_each_object_becomes_its_status(outgoing):
    items = outgoing(8)
    uids = [item.sop_instance_uid for item in items]
    failed = [(uids[2], 0xA700), (uids[3], 0x0122), (uids[4], 0xC122), (uids[5], 0x0111), (uids[6], 0xA900)]
    body = module(stored=uids[:1], warned=[(uids[1], 0xB000), (uids[7], 1)], failed=failed)
    with WebPeer(answering(202, body)) as peer:
        sent = list(stow_files(items, peer.address()))
    assert [(one.status, one.failure) for one in sent] == [
        (0x0000, None),
        (0xB000, None),
        (0xA700, None),
        (0x0122, None),
        (None, Failure.MEDIA_TYPE),
        (0x0111, None),
        (0xA900, None),
        (0xB000, None),
    ]
    actions = [policy.judge(one, peer.address()).action for one in sent]
    assert actions == [
        Action.DONE,
        Action.DONE,
        Action.RETRY,
        Action.RETRY_SLOW,
        Action.RETRY_SLOW,
        Action.DONE,
        Action.DEAD,
        Action.DONE,
    ]


@pytest.mark.parametrize("reason", [None, 0, 0xB000, 0xB00E, 0x0107, 0x0116])
def test_a_refused_object_is_not_taken_for_stored_whatever_the_number(outgoing, reason):
    (item,) = outgoing()
    body = module(failed=[(item.sop_instance_uid, reason)])

    def answer(asked):
        return Reply(409, body) if asked.method == "POST" else Reply(200, b"[]")

    with WebPeer(answer) as peer:
        (sent,) = stow_files([item], peer.address())
    assert sent.failure is Failure.CONFLICT
    assert policy.judge(sent, peer.address()).action is Action.RETRY


@pytest.mark.parametrize("body", [b"", b"<html>conflict</html>", "0110", "B00E"])
def test_a_conflict_over_an_object_that_is_there_is_a_duplicate(outgoing, body):
    (item,) = outgoing()
    uid = item.sop_instance_uid
    if isinstance(body, str):
        body = module(failed=[(uid, int(body, 16))])

    def answer(asked):
        listed = f'[{{"00080018": {{"vr": "UI", "Value": ["{uid}"]}}}}]'.encode()
        return Reply(409, body) if asked.method == "POST" else Reply(200, listed)

    with WebPeer(answer) as peer:
        (sent,) = stow_files([item], peer.address())
    assert sent.status == 0x0111
    assert policy.judge(sent, peer.address()).action is Action.DONE
    assert peer.asked[-1].path == f"/dicom-web/instances?SOPInstanceUID={uid}"


@pytest.mark.parametrize("queries", [Reply(403), Reply(500), Reply(503)])
def test_a_conflict_of_which_nobody_knows_whether_it_has_the_object_is_unknown(outgoing, queries):
    with WebPeer(lambda asked: Reply(409) if asked.method == "POST" else queries) as peer:
        (sent,) = stow_files(outgoing(), peer.address())
    assert sent.failure is Failure.NO_VALID_ANSWER
    verdict = policy.judge(sent, peer.address())
    assert verdict.action is Action.RETRY
    assert "HTTP 409; whether it has it could not be asked: " in verdict.text
    assert f"HTTP {queries.status}" in verdict.text
    assert "has none of its UID" not in verdict.text


def test_a_service_whose_queries_take_too_long_leaves_unknown_what_it_could_not_be_asked(outgoing, monkeypatch):
    monkeypatch.setattr(qido, "PRESENT_SECONDS", 0.0)
    stored, refused, failed = outgoing(3)
    body = module(
        stored=[stored.sop_instance_uid],
        failed=[(refused.sop_instance_uid, None), (failed.sop_instance_uid, 0x0110)],
    )
    with WebPeer(answering(202, body)) as peer:
        sent = list(stow_files([stored, refused, failed], peer.address()))
    assert [(one.status, one.failure) for one in sent] == [(0, None), (None, Failure.NO_VALID_ANSWER), (0x0110, None)]
    assert "too slowly" in policy.judge(sent[1], peer.address()).text
    assert len(peer.asked) == 1


def test_a_request_in_conflict_as_a_whole_is_told_apart_before_anything_is_asked(outgoing):
    old, new = outgoing(2)
    listed = f'[{{"00080018": {{"vr": "UI", "Value": ["{old.sop_instance_uid}"]}}}}]'.encode()

    def answer(asked):
        if asked.method == "GET":
            return Reply(200, listed)
        uids = uids_in(asked)
        return Reply(409) if old.sop_instance_uid in uids else Reply(200, module(stored=uids))

    with WebPeer(answer) as peer:
        assert outcomes([old, new], peer.address()) == [(0x0111, None), (0, None)]
    assert [asked.method for asked in peer.asked] == ["POST", "POST", "GET", "POST"]


@pytest.mark.parametrize("timeout_seconds", [1.0, 30.0, 3600.0])
def test_between_two_outcomes_the_courier_is_never_silent_for_so_long_that_it_counts_as_stuck(timeout_seconds):
    request = stow.MOST_BYTES / SLOWEST_BYTES_PER_SECOND + WAITS * timeout_seconds
    # The whole, one of its objects, and whether that is there.
    assert 2 * request + PRESENT_SECONDS < lease_of(DeliverSettings(), timeout_seconds)


@pytest.mark.parametrize(
    ("status", "failure", "action"),
    [
        (200, Failure.NO_VALID_ANSWER, Action.RETRY),
        (204, Failure.NO_VALID_ANSWER, Action.RETRY),
        (400, Failure.BAD_REQUEST, Action.RETRY_SLOW),
        (401, Failure.UNAUTHORIZED, Action.RETRY),
        (403, Failure.FORBIDDEN, Action.RETRY_SLOW),
        (404, Failure.NO_SERVICE, Action.RETRY_SLOW),
        (405, Failure.NO_SERVICE, Action.RETRY_SLOW),
        (413, Failure.TOO_LARGE, Action.RETRY_SLOW),
        (415, Failure.MEDIA_TYPE, Action.RETRY_SLOW),
        (418, Failure.BAD_REQUEST, Action.RETRY_SLOW),
        (429, Failure.BUSY, Action.RETRY),
        (500, Failure.SERVER_ERROR, Action.RETRY),
        (502, Failure.BUSY, Action.RETRY),
        (503, Failure.BUSY, Action.RETRY),
        (507, Failure.BUSY, Action.RETRY),
        (599, Failure.SERVER_ERROR, Action.RETRY),
    ],
)
def test_a_status_without_a_word_on_the_object(outgoing, status, failure, action):
    with WebPeer(answering(status)) as peer:
        (sent,) = stow_files(outgoing(), peer.address())
    assert sent.failure is failure
    verdict = policy.judge(sent, peer.address())
    assert verdict.action is action
    assert f"HTTP {status}" in verdict.text
    assert str(peer.address()) in verdict.text
    assert CANARY not in verdict.text


def test_retry_after_is_heeded(outgoing):
    with WebPeer(answering(503, Retry_After="120")) as peer:
        (sent,) = stow_files(outgoing(), peer.address())
    assert policy.judge(sent, peer.address()).wait_seconds == 120.0
    with WebPeer(answering(503, Retry_After="soon")) as peer:
        (sent,) = stow_files(outgoing(), peer.address())
    assert policy.judge(sent, peer.address()).wait_seconds is None


@pytest.mark.parametrize("status", [400, 413, 415, 500])
def test_a_request_refused_as_a_whole_is_tried_object_by_object(outgoing, status):
    items = outgoing(3)
    bad = items[1].sop_instance_uid

    def answer(asked):
        uids = uids_in(asked)
        return Reply(status) if bad in uids else Reply(200, module(stored=uids))

    with WebPeer(answer) as peer:
        sent = list(stow_files(items, peer.address()))
    assert [one.status for one in sent] == [0, None, 0]
    assert len(peer.posts()) == 4


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
def test_a_service_that_takes_nothing_is_asked_once(outgoing, monkeypatch, status):
    monkeypatch.setattr(stow, "MOST_OBJECTS", 2)
    with WebPeer(answering(status, Retry_After="7")) as peer:
        sent = list(stow_files(outgoing(5), peer.address()))
    assert len(peer.posts()) == 1
    assert len({(one.failure, one.detail, one.retry_after_seconds) for one in sent}) == 1


def test_an_object_that_the_answer_leaves_out_is_not_stored(outgoing):
    items = outgoing(2)
    with WebPeer(answering(200, module(stored=[items[0].sop_instance_uid]))) as peer:
        assert outcomes(items, peer.address()) == [(0, None), (None, Failure.NO_VALID_ANSWER)]


@pytest.mark.parametrize("body", [b"", b"ok", b"{", b"[" * 100_000, b"<html/>", bytes(range(256))])
def test_a_garbled_answer_leaves_it_unknown(outgoing, body):
    with WebPeer(answering(200, body)) as peer:
        assert outcomes(outgoing(), peer.address()) == [(None, Failure.NO_VALID_ANSWER)]


def test_an_endless_answer_is_read_to_a_limit(outgoing):
    written = []

    def flood(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:  # ends when the client hangs up
            handler.wfile.write(bytes(1024 * 1024))
            written.append(1)

    with WebPeer(lambda _: Reply(act=flood)) as peer:
        assert outcomes(outgoing(), peer.address()) == [(None, Failure.NO_VALID_ANSWER)]
    assert len(written) * 1024 * 1024 < 8 * LONGEST_ANSWER_BYTES


def test_a_compressed_answer_that_grows_is_read_to_a_limit(outgoing):
    import gzip  # noqa: PLC0415

    body = gzip.compress(bytes(20 * LONGEST_ANSWER_BYTES))
    with WebPeer(answering(200, body, Content_Encoding="gzip")) as peer:
        assert outcomes(outgoing(), peer.address()) == [(None, Failure.NO_VALID_ANSWER)]
    with WebPeer(answering(200, b"no gzip", Content_Encoding="gzip")) as peer:
        assert outcomes(outgoing(), peer.address()) == [(None, Failure.NO_VALID_ANSWER)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_to_another_host(outgoing, secret, status):
    with WebPeer() as other:
        place = f"http://127.0.0.1:{other.port}/dicom-web/studies"
        with WebPeer(answering(status, Location=place)) as peer:
            (sent,) = stow_files(outgoing(), peer.address(token_file=secret("t0ken")))
    assert sent.failure is Failure.NO_SERVICE
    assert "redirects" in policy.judge(sent, peer.address()).text
    assert other.asked == []
    assert len(peer.asked) == 1


def test_a_proxy_of_the_environment_is_not_used(outgoing, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    with WebPeer() as peer:
        assert outcomes(outgoing(), peer.address()) == [(0, None)]


def test_a_file_that_is_not_what_was_announced_is_not_sent(outgoing):
    first, second, third = outgoing(3)
    second.path.write_bytes(first.path.read_bytes())
    third.path.unlink()
    with WebPeer() as peer:
        sent = {one.item: one for one in stow_files([first, second, third], peer.address())}
    assert sent[first].status == 0
    assert sent[second].failure is sent[third].failure is Failure.UNREADABLE
    assert len(peer.asked[0].parts()) == 1


def test_a_file_that_vanishes_while_it_is_sent_leaves_the_others(outgoing, monkeypatch):
    items = outgoing(2)
    real = stow.multipart_of

    def vanishing(paths):
        body = real(paths)
        items[1].path.unlink(missing_ok=True)
        return body

    monkeypatch.setattr(stow, "multipart_of", vanishing)
    with WebPeer() as peer:
        sent = list(stow_files(items, peer.address()))
    assert [(one.status, one.failure) for one in sent] == [(0, None), (None, Failure.UNREADABLE)]


def test_closing_early_ends_in_order(outgoing, monkeypatch):
    monkeypatch.setattr(stow, "MOST_OBJECTS", 1)
    with WebPeer() as peer:
        sending = stow_files(outgoing(3), peer.address())
        assert next(sending).status == 0
        sending.close()
    assert len(peer.posts()) == 1
