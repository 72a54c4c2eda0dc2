"""Sources that refuse, hang, lie, send too much or too little: each has its words, and no exam waits for ever."""

import threading
import time

import pytest
from pydicom import Dataset

from dcis_node.mammogram.storage_classes import MAMMOGRAPHY_FOR_PRESENTATION
from dcis_node.retrieve import query
from dcis_node.retrieve.association import FIND, MOVE, association_with
from dcis_node.retrieve.move import move
from dcis_node.retrieve.query import MOST_MATCHES, find
from dcis_node.retrieve.search import Image
from dcis_node.retrieve.source import Trouble
from tests.peers import black_hole, free_port, rejecting_peer, resetting_peer
from tests.retrieve.helpers import exam, source
from tests.retrieve.peer import PENDING, QueryPeer


def soon(seconds: float = 60.0) -> float:
    return time.monotonic() + seconds


def keys(level: str = "SERIES") -> Dataset:
    ds = Dataset()
    ds.QueryRetrieveLevel = level
    ds.StudyInstanceUID = "1.2"
    ds.SeriesInstanceUID = ""
    return ds


def trouble_with(port: int, **changes) -> Trouble:
    """Open an association that cannot come about."""
    with pytest.raises(Trouble) as caught, association_with(source(port, **changes)):
        pytest.fail("an association came about")
    return caught.value


def asked_of(port: int, **changes) -> Trouble:
    """Ask a query that fails."""
    with pytest.raises(Trouble) as caught, association_with(source(port, **changes)) as association:
        find(association, source(port, **changes), keys(), until=soon())
    return caught.value


# ---- associations


def test_a_peer_that_is_down_is_no_connection():
    trouble = trouble_with(free_port())
    assert "no connection to ARCHIVE at 127.0.0.1" in str(trouble)
    assert not trouble.permanent


def test_a_name_that_does_not_resolve_is_no_connection():
    assert "no connection" in str(trouble_with(104, host="nowhere.invalid"))


def test_a_peer_that_says_nothing_is_given_up():
    with black_hole() as port:
        assert "silence for 0.5 s" in str(trouble_with(port, timeout_seconds=0.5))


def test_a_peer_that_hangs_up_says_so():
    with resetting_peer() as port:
        assert "did not answer the association request" in str(trouble_with(port))


@pytest.mark.parametrize(
    ("rejection", "words", "permanent"),
    [
        ((1, 1, 3), "it does not know our AE title 'NODE'", True),
        ((1, 1, 7), "its AE title is not 'ARCHIVE'", True),
        ((2, 3, 2), "its limit of associations is reached", False),
        ((1, 2, 1), "source 2, reason 1", True),
    ],
)
def test_a_rejection_has_its_reason(rejection, words, permanent):
    with rejecting_peer(*rejection) as port:
        trouble = trouble_with(port)
    assert words in str(trouble)
    assert trouble.permanent is permanent


@pytest.mark.parametrize("services", [[FIND], [MOVE], [MAMMOGRAPHY_FOR_PRESENTATION]])
def test_a_peer_that_offers_one_service_only_is_of_no_use(services):
    with QueryPeer(services=services) as peer:
        trouble = trouble_with(peer.port)
    assert "does not offer query and retrieve" in str(trouble)
    assert trouble.permanent


def test_a_connection_attempt_that_takes_too_long_is_given_up(monkeypatch):
    def slow(self, _address):
        raise TimeoutError

    monkeypatch.setattr("socket.socket.connect", slow)
    assert "within 5 s" in str(trouble_with(104))


def test_a_peer_that_sends_too_much_is_cut_off():
    def answer(_keys):
        match = Dataset()
        match.StudyDescription = "x" * 60
        for _ in range(MOST_MATCHES):
            yield PENDING, match

    with QueryPeer(answer=answer) as peer:
        where = source(peer.port)
        with pytest.raises(Trouble), association_with(where, most_bytes=20_000) as association:
            find(association, where, keys(), until=soon())


# ---- queries


@pytest.mark.parametrize(
    ("status", "words"),
    [(0xA700, "out of resources"), (0xA900, "does not understand"), (0xC001, "failed"), (0xFE00, "it cancelled")],
)
def test_a_query_that_fails_says_how(status, words):
    with QueryPeer(answer=lambda _: iter([(status, None)])) as peer:
        trouble = asked_of(peer.port)
    assert f"answered C-FIND with 0x{status:04X}" in str(trouble)
    assert words in str(trouble)


def test_a_peer_that_has_more_matches_than_are_read_is_told_to_stop(monkeypatch):
    monkeypatch.setattr(query, "MOST_MATCHES", 20)

    def answer(_keys):
        for number in range(20_000):
            match = Dataset()
            match.SeriesInstanceUID = f"1.2.{number + 1}"
            yield PENDING, match

    with QueryPeer(answer=answer) as peer, association_with(source(peer.port)) as association:
        found = find(association, source(peer.port), keys(), until=soon())
        again = find(association, source(peer.port), keys(), until=soon(), message_id=2)
    assert len(found) == len(again) == 20
    assert peer.cancelled == 2


def test_a_peer_that_does_not_stop_is_left(monkeypatch):
    monkeypatch.setattr(query, "MOST_MATCHES", 5)
    monkeypatch.setattr(query, "MOST_ON_THE_WAY", 20)

    def answer(_keys):
        for _ in range(300):
            match = Dataset()
            match.SeriesInstanceUID = "1.2"
            yield PENDING, match

    with QueryPeer(answer=answer, deaf=True) as peer:
        assert "did not stop" in str(asked_of(peer.port))


def test_a_query_that_goes_on_and_on_is_ended():
    def answer(_keys):
        for _ in range(100):
            yield PENDING, keys()

    with QueryPeer(answer=answer) as peer:
        where = source(peer.port)
        with pytest.raises(Trouble, match="in time"), association_with(where) as association:
            find(association, where, keys(), until=time.monotonic())


def test_a_query_that_is_not_answered_is_given_up():
    hold = threading.Event()

    def answer(_keys):
        hold.wait(20)
        yield 0x0000, None

    with QueryPeer(answer=answer, hold=hold) as peer:
        assert "did not answer C-FIND in time" in str(asked_of(peer.port, timeout_seconds=0.5))
        hold.set()


def test_a_peer_that_ends_the_association_between_two_queries_is_told_of():
    with QueryPeer() as peer, association_with(source(peer.port)) as association:
        association.abort()
        with pytest.raises(Trouble, match="did not answer C-FIND"):
            find(association, source(peer.port), keys(), until=soon())


def test_a_match_that_cannot_be_decoded_is_no_match(monkeypatch):
    with QueryPeer(answer=lambda _: iter([(PENDING, Dataset()), (PENDING, None)])) as peer:
        where = source(peer.port)
        with association_with(where) as association:
            monkeypatch.setattr(association, "send_c_find", lambda *_, **__: iter(_answers()))
            assert find(association, where, keys(), until=soon()) == ()


def _answers():
    pending, done = Dataset(), Dataset()
    pending.Status, done.Status = PENDING, 0
    return [(pending, None), (done, None)]


# ---- moves

IMAGE = Image("1.2.4.1", "1.2.5.1", "1.2.3.1")


def moved(peer, **changes) -> Trouble:
    """Ask for a move that fails; `until` in seconds from now."""
    until = soon(changes.pop("until", 60.0))
    where = source(peer.port, **changes)
    with pytest.raises(Trouble) as caught, association_with(where) as association:
        move(association, where, [IMAGE], until=until)
    return caught.value


def test_a_destination_that_is_not_known_says_what_to_do():
    with QueryPeer(objects=exam(), knows=()) as peer:
        trouble = moved(peer)
    assert "0xA801" in str(trouble)
    assert "does not know 'NODE' as a destination of images: enter us there" in str(trouble)
    assert trouble.permanent


@pytest.mark.parametrize(
    ("status", "words", "permanent"),
    [
        (0xA701, "cannot count the images", False),
        (0xA702, "cannot send the images", False),
        (0xC000, "look whether we are entered there", False),
        (0x0124, "not authorized", True),
        (0xFE00, "it cancelled", False),
        (0x0110, "it failed", False),
    ],
)
def test_a_move_that_fails_says_how(monkeypatch, status, words, permanent):
    answer = Dataset()
    answer.Status = status
    with QueryPeer() as peer:
        where = source(peer.port)
        with association_with(where) as association:
            monkeypatch.setattr(association, "send_c_move", lambda *_, **__: iter([(answer, None)]))
            with pytest.raises(Trouble) as caught:
                move(association, where, [IMAGE], until=soon())
    assert f"answered C-MOVE with 0x{status:04X}" in str(caught.value)
    assert words in str(caught.value)
    assert caught.value.permanent is permanent


def test_a_move_that_is_not_answered_is_given_up(listening):
    with QueryPeer(objects=exam(), node_port=listening.port, hold=threading.Event()) as peer:
        assert "did not finish C-MOVE in time" in str(moved(peer, move_timeout_seconds=0.5))


def test_a_move_that_goes_on_for_too_long_is_cancelled_and_then_left(monkeypatch):
    pending = Dataset()
    pending.Status = PENDING
    cancelled = []
    with QueryPeer() as peer:
        where = source(peer.port)
        with association_with(where) as association:
            monkeypatch.setattr(association, "send_c_move", lambda *_, **__: iter([(pending, None)] * 9))
            monkeypatch.setattr(association, "send_c_cancel", lambda *_, **__: cancelled.append(True))
            with pytest.raises(Trouble, match="did not finish C-MOVE in time"):
                move(association, where, [IMAGE], until=time.monotonic())
    assert cancelled == [True]


def test_a_peer_that_ends_the_association_before_a_move_is_told_of():
    with QueryPeer() as peer, association_with(source(peer.port)) as association:
        association.abort()
        with pytest.raises(Trouble, match="did not finish C-MOVE"):
            move(association, source(peer.port), [IMAGE], until=soon())
