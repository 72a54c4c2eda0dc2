"""What is asked for elsewhere: once for an exam and a source, under a lease, given up in the end."""

import pytest

from storage import retrievals
from storage.overview import queues
from storage.retention_facts import kept_exam
from storage.schema import Retrieval
from tests.storage.exam_rows import exam, instance, receive, set_exam, set_instance

WAIT = 200.0


@pytest.fixture
def asked(db):
    """An open exam whose missing views are to be asked for from two sources at 10."""
    receive(db, 1)
    assert retrievals.ask(db, 1, ("pacs", "archive"), missing="R MLO", last_image_at=1.0, now=10.0)
    return db


def claim(db, *, source="pacs", owner="o", now=11.0, max_tries=3):
    return retrievals.claim(db, source=source, owner=owner, now=now, wait_seconds=WAIT, max_tries=max_tries)


def rows(db):
    with db.read() as session:
        return retrievals.asked_of(session, 1)


def test_a_source_is_asked_once_for_an_exam(asked):
    assert not retrievals.ask(asked, 1, ("pacs",), missing="R MLO", last_image_at=1.0, now=20.0)
    assert retrievals.ask(asked, 1, ("pacs", "third"), missing="R CC", last_image_at=1.0, now=20.0)
    assert [(one.source, one.missing, one.asked_at) for one in rows(asked)] == [
        ("pacs", "R MLO", 10.0),
        ("archive", "R MLO", 10.0),
        ("third", "R CC", 20.0),
    ]


def test_an_exam_that_changed_meanwhile_is_not_asked_for(db):
    receive(db, 1)
    assert not retrievals.ask(db, 1, ("pacs",), missing="R MLO", last_image_at=0.5, now=10.0)
    set_exam(db, state="due")
    assert not retrievals.ask(db, 1, ("pacs",), missing="R MLO", last_image_at=1.0, now=10.0)
    assert rows(db) == ()


def test_a_question_is_handed_out_once_and_as_long_as_its_exam_waits(asked):
    errand = claim(asked)
    assert (errand.exam_id, errand.source, errand.attempts, errand.lease_until) == (1, "pacs", 1, 10.0 + WAIT)
    assert claim(asked, owner="other") is None
    assert claim(asked, source="archive") is not None
    assert claim(asked, source="nobody") is None


def test_a_question_that_waits_for_another_try_is_not_handed_out_before(asked):
    assert retrievals.retry(asked, claim(asked), moved=0, text="no connection", next_try_at=30.0)
    assert claim(asked, now=29.9) is None
    assert claim(asked, now=30.0).attempts == 2
    assert rows(asked)[0].text == "no connection"


def test_what_was_found_is_kept_before_it_is_moved(asked):
    errand = retrievals.note_found(asked, claim(asked), 3)
    assert errand.found == 3
    assert retrievals.release_leases(asked, "o") == 1
    again = claim(asked)
    assert (again.found, again.attempts) == (3, 2)
    assert retrievals.finish(asked, again, moved=2, now=20.0)
    (first, _) = rows(asked)
    assert (first.state, first.found, first.moved, first.failed, first.finished_at) == ("done", 3, 2, 1, 20.0)


def test_who_lost_the_lease_writes_nothing(asked):
    errand = claim(asked)
    retrievals.release_leases(asked, "o")
    newer = claim(asked)
    assert retrievals.note_found(asked, errand, 1) is None
    assert not retrievals.finish(asked, errand, moved=0, now=20.0)
    assert not retrievals.fail(asked, errand, moved=0, now=20.0, text="x")
    assert not retrievals.retry(asked, errand, moved=0, text="x", next_try_at=20.0)
    assert retrievals.finish(asked, newer, moved=0, now=21.0)


def test_a_question_that_kills_its_process_each_time_is_given_up(asked):
    for _ in range(2):
        claim(asked)
        retrievals.release_leases(asked, "o")
    assert claim(asked, now=20.0, max_tries=2) is None
    assert (rows(asked)[0].state, rows(asked)[0].text) == ("failed", retrievals.DIED)


def test_a_question_that_nobody_waits_for_is_given_up_when_a_retriever_sees_it(asked):
    assert claim(asked, now=10.0 + WAIT) is None
    assert (rows(asked)[0].state, rows(asked)[0].text) == ("failed", retrievals.OUT_OF_TIME)
    assert rows(asked)[1].state == "due"


def test_a_lease_that_ran_out_binds_nobody_and_its_question_is_given_up(asked):
    lost = claim(asked, owner="retrieve-0@old-name")
    assert claim(asked, owner="retrieve-0@new-name", now=10.0 + WAIT - 0.1) is None
    assert claim(asked, owner="retrieve-0@new-name", now=10.0 + WAIT) is None
    (first, second) = rows(asked)
    assert (first.state, first.text, first.finished_at) == ("failed", retrievals.OUT_OF_TIME, 10.0 + WAIT)
    assert second.state == "due"
    assert not retrievals.finish(asked, lost, moved=0, now=300.0)


def test_a_lease_that_ran_out_before_its_exam_is_handed_on(asked):
    lost = claim(asked)
    later = retrievals.claim(asked, source="pacs", owner="p", now=10.0 + WAIT, wait_seconds=2 * WAIT, max_tries=3)
    assert (later.id, later.attempts, later.lease_owner, later.lease_until) == (lost.id, 2, "p", 10.0 + 2 * WAIT)
    assert retrievals.note_found(asked, lost, 1) is None
    assert retrievals.finish(asked, later, moved=0, now=300.0)


def test_a_question_of_a_clock_that_was_ahead_is_given_up(asked):
    with asked.write() as session:
        session.query(Retrieval).update({"asked_at": 5000.0})
    assert claim(asked, now=11.0) is None
    assert (rows(asked)[0].state, rows(asked)[0].text) == ("failed", retrievals.OUT_OF_TIME)


def test_another_retriever_that_claims_at_the_same_time_gets_it_alone(asked, monkeypatch):
    taken = []
    changed = retrievals.changed

    def slow(session, statement):
        if not taken:
            # In the same transaction, as if its commit had come just before.
            taken.append(True)
            session.execute(statement)
        return changed(session, statement)

    monkeypatch.setattr(retrievals, "changed", slow)
    assert claim(asked) is None


def test_all_of_an_exam_is_given_up_together(asked):
    claim(asked)
    assert retrievals.expire(asked, 1, now=300.0) == 2
    assert {(one.state, one.finished_at) for one in rows(asked)} == {("failed", 300.0)}
    assert retrievals.expire(asked, 1, now=301.0) == 0


@pytest.fixture
def stuck(asked):
    """What nobody will close: leased by one who never came back, of a source that left, and for priors."""
    claim(asked)
    retrievals.ask(asked, 1, ["gone"], missing="", last_image_at=1.0, now=50.0, purpose=retrievals.PRIORS)
    return asked


def test_whatever_nobody_can_be_at_any_more_is_given_up_of_any_source_and_purpose(stuck):
    assert retrievals.expire_all(stuck, longest_seconds=WAIT, now=9.9 + WAIT) == 0
    assert [one.state for one in rows(stuck)] == ["leased", "due", "due"]
    assert retrievals.expire_all(stuck, longest_seconds=WAIT, now=10.0 + WAIT) == 2
    assert [one.state for one in rows(stuck)] == ["failed", "failed", "due"]
    assert retrievals.expire_all(stuck, longest_seconds=WAIT, now=50.0 + WAIT) == 1
    assert [(one.text, one.finished_at) for one in rows(stuck)] == [
        (retrievals.OUT_OF_TIME, moment) for moment in (10.0 + WAIT, 10.0 + WAIT, 50.0 + WAIT)
    ]


def test_what_is_done_stays_done_and_what_the_last_try_came_to_is_kept(asked):
    retrievals.finish(asked, claim(asked), moved=0, now=20.0)
    retrievals.retry(asked, claim(asked, source="archive"), moved=0, text="no connection", next_try_at=30.0)
    assert retrievals.expire_all(asked, longest_seconds=WAIT, now=1000.0) == 1
    assert [(one.state, one.text) for one in rows(asked)] == [("done", ""), ("failed", "no connection")]


def test_what_was_asked_for_by_a_clock_that_was_ahead_is_given_up_with_the_rest(stuck):
    # The clock was set back: of 10 it is not sure, 50 is further ahead than it can be.
    assert retrievals.expire_all(stuck, longest_seconds=WAIT, now=10.0 - retrievals.AHEAD_SECONDS) == 1
    assert [one.state for one in rows(stuck)] == ["leased", "due", "failed"]


def test_an_exam_whose_questions_are_given_up_is_at_work_no_more(stuck):
    def is_at_work():
        with stuck.read() as session:
            return kept_exam(session, 1).at_work

    set_exam(stuck, state="reported")
    set_instance(stuck, 1, analysis="analysed")
    assert is_at_work()
    retrievals.expire_all(stuck, longest_seconds=WAIT, now=1000.0)
    assert not is_at_work()


def test_an_exam_is_sought_by_the_studies_of_its_images_and_its_patient(db):
    receive(db, 1)
    receive(db, 2, study_instance_uid="1.2.77")
    with db.read() as session:
        sought = retrievals.exam_sought(session, 1)
    assert sought == retrievals.ExamSought(("1.2.1", "1.2.77"), "P1", "A", "20261123")


def test_objects_that_came_are_known(db):
    receive(db, 1)
    with db.read() as session:
        assert retrievals.known_objects(session, ["1.2.3.1", "1.2.3.2"]) == {"1.2.3.1"}


def test_questions_are_counted_by_state(asked):
    retrievals.finish(asked, claim(asked), moved=0, now=20.0)
    with asked.read() as session:
        assert queues(session)["retrievals"] == {"due": 1, "done": 1}


def test_an_image_that_comes_is_recorded_like_all_others(asked):
    receive(asked, 2, now=20.0)
    assert exam(asked).last_image_at == 20.0
    assert instance(asked, 2).analysis == "pending"
