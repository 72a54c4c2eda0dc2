"""One question after another: what is found is moved, what comes is counted, what fails is tried again or given up."""

import threading
import time
from io import BytesIO

import pytest
from pydicom import Dataset
from pynetdicom.dsutils import decode

from dcis_node.errors import StorageError
from dcis_node.retrieve import retriever, running
from dcis_node.retrieve.retriever import NOTHING_MISSING, retrieve_next
from dcis_node.retrieve.running import run_retriever
from storage import retrievals
from tests.peers import black_hole, free_port, wait_until
from tests.retrieve.helpers import CANARY, exam, settings, source
from tests.retrieve.peer import PENDING, QueryPeer, matches


def ended(node, number=0):
    one = node.asked()[number]
    return one.state, one.found, one.moved, one.failed


def archive(node, objects, **changes):
    return QueryPeer(objects=objects, node_port=node.port, **changes)


def test_a_missing_view_is_found_moved_and_here(listening, caplog):
    views = exam()
    listening.ask(listening.receive(*views[:3]))
    with archive(listening, views) as peer:
        assert retrieve_next(listening.lane(source(peer.port)))
    assert ended(listening) == ("done", 1, 1, 0)
    assert [str(keys.SOPInstanceUID) for keys in peer.moves] == ["1.2.3.4"]
    assert {str(ds.SOPInstanceUID) for ds in views} == listening.objects()
    assert CANARY not in caplog.text
    assert "P1" not in caplog.text.replace("TCP1", "")


def test_each_query_is_told_without_what_identifies_the_patient(listening):
    views, told = exam(), []
    exam_id = listening.receive(*views[:3])
    listening.ask(exam_id)
    with archive(listening, views) as peer:
        retrieve_next(listening.lane(source(peer.port), notify=told.append))
        assert len(told) == len(peer.queries)
        assert {str(keys.PatientID) for keys in peer.queries if "PatientID" in keys} == {views[0].PatientID}
    assert {(one.exam, one.source, one.called_aet, one.calling_aet) for one in told} == {
        (exam_id, "archive", "ARCHIVE", "NODE")
    }
    keys = [decode(BytesIO(one.keys), is_implicit_vr=False, is_little_endian=True) for one in told]
    assert {str(one.QueryRetrieveLevel) for one in keys} == {"STUDY", "SERIES", "IMAGE"}
    assert {str(one.PatientID) for one in keys if "PatientID" in one} == {""}
    assert {str(one.StudyInstanceUID) for one in keys} >= {str(views[0].StudyInstanceUID)}
    assert str(views[0].PatientID).encode() not in b"".join(one.keys for one in told)


def test_nothing_is_done_where_nothing_is_asked(node):
    assert not retrieve_next(node.lane(source(free_port())))


def test_an_exam_that_the_source_has_no_more_of_than_we_is_asked_to_the_end(listening):
    views = exam()
    listening.ask(listening.receive(*views[:3]))
    with archive(listening, views[:3]) as peer:
        retrieve_next(listening.lane(source(peer.port)))
    assert ended(listening) == ("done", 0, 0, 0)
    assert peer.moves == []


def test_an_exam_that_lacks_nothing_any_more_is_not_asked_for(node):
    exam_id = node.receive(*exam()[:3])
    node.ask(exam_id)
    node.receive(exam()[3])
    assert retrieve_next(node.lane(source(free_port())))
    (asked,) = node.asked()
    assert (asked.state, asked.text) == ("done", NOTHING_MISSING)


def test_a_source_that_is_down_is_tried_again_later_and_given_up_in_the_end(node):
    node.ask(node.receive(*exam()[:3]))
    lane = node.lane(source(free_port()), settings=settings("archive", max_tries=2))
    assert retrieve_next(lane)
    assert ended(node)[0] == "due"
    assert not retrieve_next(lane)
    node.clock.now += 10.0
    assert retrieve_next(lane)
    (asked,) = node.asked()
    assert (asked.state, asked.attempts) == ("failed", 2)
    assert "no connection" in asked.text


def test_no_try_is_left_for_a_time_at_which_the_exam_waits_no_more(node):
    node.ask(node.receive(*exam()[:3]))
    node.clock.now += 295.0
    retrieve_next(node.lane(source(free_port())))
    assert ended(node)[0] == "failed"


def test_what_comes_in_part_is_asked_for_again_and_only_what_is_left(listening):
    views = exam(SeriesInstanceUID="1.2.5.77")
    listening.ask(listening.receive(views[0], views[1]), missing="R MLO, L MLO")
    parts = iter([1, 2])
    with archive(listening, views, moved=lambda wanted: wanted[: next(parts)]) as peer:
        lane = listening.lane(source(peer.port, timeout_seconds=1.0))
        retrieve_next(lane)
        first = listening.asked()[0]
        listening.clock.now += 10.0
        retrieve_next(lane)
    assert (first.state, first.found, first.moved) == ("due", 2, 1)
    assert "did not send 1 of 2 images" in first.text
    assert ended(listening) == ("done", 2, 2, 0)
    assert [len(keys.get("SOPInstanceUID")) for keys in peer.moves][:1] == [2]
    assert len(peer.moves) == 2


def test_a_source_that_never_sends_what_it_has_found_is_given_up(listening):
    views = exam()
    listening.ask(listening.receive(*views[:3]))
    with archive(listening, views, moved=lambda _: []) as peer:
        lane = listening.lane(source(peer.port, timeout_seconds=0.5), settings=settings("archive", max_tries=1))
        retrieve_next(lane)
    assert ended(listening) == ("failed", 1, 0, 1)


def test_images_that_come_behind_the_last_answer_of_a_move_are_waited_for(listening, monkeypatch):
    views = exam()
    listening.ask(listening.receive(*views[:3]))
    looked = []

    def known(session, uids):
        looked.append(True)
        if len(looked) == 3:
            threading.Thread(target=listening.receive, args=(views[3],)).start()
        return known_objects(session, uids)

    known_objects = retrievals.known_objects
    monkeypatch.setattr(retrievals, "known_objects", known)
    with archive(listening, views, moved=lambda _: []) as peer:
        retrieve_next(listening.lane(source(peer.port)))
    assert ended(listening) == ("done", 1, 1, 0)


def test_a_successor_goes_on_where_a_killed_retriever_was(listening):
    views = exam()
    listening.ask(listening.receive(views[0], views[1]), missing="R MLO, L MLO")
    errand = retrievals.claim(
        listening.db, source="archive", owner="retrieve-0@test", now=listening.clock.now, wait_seconds=300, max_tries=3
    )
    retrievals.note_found(listening.db, errand, 2)
    listening.receive(views[2])  # it came, and nobody wrote that down
    assert retrievals.release_leases(listening.db, "retrieve-0@test") == 1
    with archive(listening, views) as peer:
        retrieve_next(listening.lane(source(peer.port)))
    assert ended(listening) == ("done", 2, 2, 0)
    assert [str(keys.SOPInstanceUID) for keys in peer.moves] == ["1.2.3.4"]


def test_a_try_that_does_not_come_to_search_keeps_what_is_known(listening):
    views = exam(SeriesInstanceUID="1.2.5.77")
    listening.ask(listening.receive(views[0], views[1]), missing="R MLO, L MLO")
    with archive(listening, views, moved=lambda wanted: wanted[:1]) as peer:
        retrieve_next(listening.lane(source(peer.port, timeout_seconds=0.5)))
    listening.clock.now += 10.0
    retrieve_next(listening.lane(source(free_port())))
    assert ended(listening) == ("due", 2, 1, 1)


def test_whoever_lost_its_lease_moves_nothing(listening, monkeypatch):
    views = exam()
    exam_id = listening.receive(*views[:3])
    listening.ask(exam_id)

    def answer(keys):
        retrievals.expire(listening.db, exam_id, now=listening.clock.now)
        yield from ((PENDING, match) for match in matches(views, keys))

    with archive(listening, views, answer=answer) as peer:
        retrieve_next(listening.lane(source(peer.port)))
    assert peer.moves == []
    assert listening.asked()[0].text == retrievals.OUT_OF_TIME


def test_no_more_images_are_moved_than_allowed(listening, caplog):
    views = exam()
    listening.ask(listening.receive(views[0]), missing="R MLO")
    with archive(listening, views) as peer:
        retrieve_next(listening.lane(source(peer.port), settings=settings("archive", most_images=2)))
    assert ended(listening) == ("done", 2, 2, 0)
    assert "event=retrieval_cut" in caplog.text


def test_a_retriever_that_is_told_to_stop_asks_no_further_query(listening):
    views = exam()
    listening.ask(listening.receive(*views[:3]))
    lane = listening.lane(source(0))

    def answer(keys):
        lane.stop.set()
        yield from ((PENDING, match) for match in matches(views, keys))

    with archive(listening, views, answer=answer) as peer:
        retrieve_next(listening.lane(source(peer.port), stop=lane.stop))
    assert ended(listening)[0] == "due"
    assert len(peer.queries) == 1


def test_a_retriever_that_is_told_to_stop_does_not_wait_for_late_images(listening):
    views = exam()
    listening.ask(listening.receive(*views[:3]))
    stop = threading.Event()

    def moved(_wanted):
        stop.set()
        return []

    with archive(listening, views, moved=moved) as peer:
        retrieve_next(listening.lane(source(peer.port), stop=stop))
    assert ended(listening) == ("due", 1, 0, 1)


def test_a_defect_of_ours_is_recorded_without_what_it_quotes(node, monkeypatch):
    node.ask(node.receive(*exam()[:3]))

    def broken(_source):
        raise ValueError(CANARY)

    monkeypatch.setattr(retriever, "association_with", broken)
    retrieve_next(node.lane(source(104)))
    assert node.asked()[0].text == "an error of this program (ValueError)"


GARBAGE = [b"\x00" * 40, b"\x08\x00\x52\x00CS\xff\xff", b"\xff" * 64]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_answers_that_are_garbage_find_nothing(listening, garbage, monkeypatch, caplog):
    monkeypatch.setattr("pynetdicom.service_class.encode", lambda *_: garbage)
    listening.ask(listening.receive(*exam()[:3]))
    with archive(listening, [], answer=lambda _: iter([(PENDING, Dataset())])) as peer:
        retrieve_next(listening.lane(source(peer.port)))
    assert ended(listening)[1:] == (0, 0, 0)
    assert CANARY not in caplog.text


# ---- the process


def run(node, sources, *, stop=None, chosen=None, beat=lambda: None):
    run_retriever(
        db=node.db,
        sources=sources,
        settings=chosen or settings("archive"),
        merge_same_day=True,
        owner="retrieve-0@test",
        stop=stop or threading.Event(),
        beat=beat,
    )


@pytest.fixture
def running_retriever(listening):
    stop = threading.Event()
    threads = []

    def start(*sources, **changes):
        beats = []
        thread = threading.Thread(
            target=run, args=(listening, sources), kwargs={"stop": stop, "beat": lambda: beats.append(True), **changes}
        )
        thread.start()
        threads.append(thread)
        return beats

    yield start
    stop.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_a_source_that_hangs_holds_no_other_up(listening, running_retriever):
    listening.clock.now = time.time()
    views = exam()
    listening.ask(listening.receive(*views[:3]), "dead", "archive")
    with black_hole() as port, archive(listening, views) as peer:
        beats = running_retriever(
            source(port, name="dead", timeout_seconds=5.0), source(peer.port), chosen=settings("dead", "archive")
        )
        wait_until(lambda: listening.asked()[1].state == "done", "the other source has answered")
        assert listening.asked()[0].state == "leased"
        wait_until(lambda: beats, "it beats")
        wait_until(lambda: listening.asked()[0].state != "leased", "the first is given up for now")


def test_an_index_that_cannot_be_used_is_tried_again(node, monkeypatch, caplog):
    stop = threading.Event()
    tried = []

    def broken(_lane):
        tried.append(True)
        if len(tried) > 1:
            stop.set()
        raise StorageError("the index was busy")

    monkeypatch.setattr(running, "retrieve_next", broken)
    monkeypatch.setattr(running, "POLL_SECONDS", 0.01)
    run(node, [source(104)], stop=stop)
    assert "event=index_unusable source=archive" in caplog.text


def test_a_thread_that_dies_ends_the_process(node, monkeypatch):
    def broken(_lane):
        raise ValueError

    monkeypatch.setattr(running, "retrieve_next", broken)
    with pytest.raises(ValueError):
        run(node, [source(104)])


def test_a_retriever_whose_thread_is_stuck_does_not_beat(node, monkeypatch):
    stop, beats = threading.Event(), []
    monkeypatch.setattr(running, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(retriever.Lane, "longest_seconds", property(lambda _: -1.0))
    threading.Timer(0.2, stop.set).start()
    run(node, [source(104)], stop=stop, beat=lambda: beats.append(True))
    assert beats == []


def test_a_lane_tells_how_long_a_question_may_take(node):
    assert node.lane(source(104)).longest_seconds == 300.0 + 5.0 + 4 * 5.0
