"""Earlier mammograms that come because they were asked for: kept, not analysed, not answered, until they are sent."""

import datetime as dt

import pytest

from storage import retrievals, work
from storage.priors import (
    LONGEST_WAIT_SECONDS,
    STILL_COMING_SECONDS,
    PriorStudy,
    expect_priors,
    is_fetched,
    prior_dates,
    recognise_priors,
)
from storage.schema import Exam, Instance, Study
from tests.storage.exam_rows import exam, receive, receive_key_object, set_exam, set_instance

NOW = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC).timestamp()
PRIOR = {"study_instance_uid": "1.2.77", "study_date": "20241101"}
LATER = NOW + 3 * 3600.0


@pytest.fixture
def errand(db):
    """An exam of 2026-11-23 whose priors are being asked for."""
    receive(db, 1, now=NOW)
    retrievals.ask(db, 1, ["pacs"], missing="", last_image_at=NOW, now=NOW, purpose=retrievals.PRIORS)
    return retrievals.claim(db, source="pacs", owner="o", now=NOW, wait_seconds=300, max_tries=3)


@pytest.fixture
def expected(db, errand):
    """One earlier study that is about to come."""
    assert expect_priors(db, errand, [PriorStudy("1.2.77", "20241101")], now=NOW) == ("1.2.77",)
    return errand


def row(db, number):
    with db.read() as session:
        return session.get_one(Instance, number)


def came(db, number=2, *, now=NOW + 1.0, **changes):
    """Receive an image of the earlier study; gives its row."""
    return row(db, receive(db, number, now=now, **{**PRIOR, **changes}))


def dates(db, *, until=LATER):
    with db.read() as session:
        return prior_dates(session, 1, until=until)


def test_what_was_asked_for_opens_no_exam_and_is_not_analysed(db, expected):
    image = came(db)
    assert (exam(db, 2).state, image.exam_id, image.analysis, image.eligible) == ("prior", 2, "prior", True)
    assert exam(db, 1).state == "open"
    claim = work.claim_instance(db, owner="w", now=LATER, lease_seconds=9)
    assert claim.id == 1
    assert work.claim_instance(db, owner="w", now=LATER, lease_seconds=9) is None


def test_what_comes_behind_the_end_of_its_retrieval_is_still_a_prior(db, expected):
    came(db)
    retrievals.fail(db, expected, moved=0, now=NOW + 10.0, text="silence")
    assert came(db, 3, now=NOW + 20.0).analysis == "prior"
    assert exam(db, 2).state == "prior"


@pytest.mark.parametrize("number", [2, 3])
def test_what_somebody_sends_later_is_an_exam_like_others(db, expected, number):
    came(db)
    retrievals.finish(db, expected, moved=0, now=NOW + 10.0)
    came(db, number, now=LATER)
    opened = exam(db, 2)
    assert (opened.state, opened.opened_at, opened.last_image_at) == ("open", LATER, LATER)
    with db.read() as session:
        states = {image.analysis for image in session.query(Instance).filter(Instance.exam_id == 2)}
    assert states == {"pending"}


def test_what_somebody_sends_is_an_exam_though_the_question_was_never_closed(db, expected):
    came(db)
    days_later = NOW + LONGEST_WAIT_SECONDS + STILL_COMING_SECONDS
    assert came(db, 3, now=days_later).analysis == "prior"
    assert came(db, 4, now=days_later + 1.0).analysis == "pending"
    assert exam(db, 2).state == "open"


def test_an_old_question_that_is_closed_now_makes_no_prior_of_what_somebody_sends(db, expected):
    came(db)
    month_later = NOW + 30 * 86400.0
    assert retrievals.expire_all(db, longest_seconds=500.0, now=month_later) == 1
    assert came(db, 3, now=month_later + 1.0).analysis == "pending"


@pytest.mark.parametrize(("ahead", "state"), [(STILL_COMING_SECONDS, "prior"), (40 * 86400.0, "open")])
def test_a_question_that_a_clock_ahead_has_closed_does_not_count_until_then(db, expected, ahead, state):
    came(db)
    retrievals.finish(db, expected, moved=0, now=NOW + 10.0 + ahead)
    came(db, 3, now=NOW + 10.0)
    assert exam(db, 2).state == state


def test_the_same_bytes_again_while_they_are_asked_for_change_nothing(db, expected):
    came(db)
    image = came(db)
    assert (image.duplicates, image.analysis, exam(db, 2).state) == (1, "prior", "prior")


def test_an_object_that_is_no_image_opens_no_prior(db, expected):
    came(db)
    retrievals.finish(db, expected, moved=0, now=NOW + 10.0)
    receive_key_object(db, 5, now=LATER, **PRIOR)
    assert exam(db, 2).state == "prior"


def test_a_prior_that_is_another_patients_by_its_header_opens_no_exam_either(db, expected):
    for number in (2, 3):
        image = came(db, number, patient="P2", study_instance_uid="1.2.77", issuer="B")
        assert (image.exam_id, image.analysis) == (3, "prior")
    assert exam(db, 3).state == "prior"


def test_another_study_of_the_day_that_somebody_sends_opens_the_exam(db, expected):
    came(db)
    came(db, 3, study_instance_uid="1.2.78")
    assert exam(db, 2).state == "open"


def test_a_study_whose_day_has_an_exam_here_is_not_fetched(db, errand):
    receive(db, 7, now=NOW - 9.0, study_instance_uid="1.2.70", study_date="20241101")
    studies = [PriorStudy("1.2.77", "20241101"), PriorStudy("1.2.70", "20241101"), PriorStudy("1.2.79", "20221101")]
    assert expect_priors(db, errand, studies, now=NOW) == ("1.2.79",)


def test_a_prior_that_is_noted_already_is_fetched_again(db, expected):
    assert expect_priors(db, expected, [PriorStudy("1.2.77", "20241101")], now=NOW) == ("1.2.77",)
    with db.read() as session:
        assert session.query(Exam).count() == 2


def test_two_studies_of_one_day_are_both_fetched(db, errand):
    studies = [PriorStudy("1.2.77", "20241101"), PriorStudy("1.2.78", "20241101")]
    assert expect_priors(db, errand, studies, now=NOW) == ("1.2.77", "1.2.78")


def test_who_lost_its_lease_notes_nothing(db, errand):
    retrievals.release_leases(db, "o")
    assert expect_priors(db, errand, [PriorStudy("1.2.77", "20241101")], now=NOW) == ()


def test_a_study_of_an_exam_is_not_fetched(db, expected):
    with db.read() as session:
        assert not is_fetched(session, session.get_one(Study, 1), now=NOW)
        assert is_fetched(session, session.get_one(Study, 2), now=NOW)


def test_the_days_of_earlier_mammograms_are_told_once_newest_first(db, expected):
    came(db)
    came(db, 3)
    receive(db, 4, now=NOW + 2.0, study_instance_uid="1.2.70", study_date="20221001")
    receive(db, 5, now=NOW + 2.0, study_instance_uid="1.2.71", study_date="20270101")
    receive(db, 6, now=NOW + 2.0, study_instance_uid="1.2.72", study_date="20200101", patient="P9")
    assert dates(db) == ("20241101", "20221001")
    assert dates(db, until=NOW + 1.5) == ("20241101",)


def test_an_earlier_exam_without_an_image_is_none(db, expected):
    assert dates(db) == ()


def test_nothing_is_told_where_nothing_was_asked(db):
    receive(db, 1, now=NOW)
    assert dates(db) is None


def test_an_index_made_again_knows_a_prior_by_what_was_never_done_with_it(db):
    receive(db, 1, now=NOW)
    receive(db, 2, now=NOW, study_instance_uid="1.2.70", study_date="20241101")
    receive(db, 3, now=NOW, study_instance_uid="1.2.71", study_date="20231101")
    receive(db, 4, now=NOW, study_instance_uid="1.2.72", study_date="")
    set_instance(db, 3, analysis="analysed")
    with db.write() as session:
        assert recognise_priors(session, newest=NOW + 3600.0) == 0
        assert recognise_priors(session, newest=NOW + 2 * 86400.0) == 1
    assert [exam(db, number).state for number in (1, 2, 3, 4)] == ["open", "prior", "open", "open"]
    assert [row(db, number).analysis for number in (1, 2, 3)] == ["pending", "prior", "analysed"]


def test_an_exam_that_failed_before_is_no_prior(db):
    receive(db, 1, now=NOW, study_date="20241101")
    set_exam(db, state="failed")
    with db.write() as session:
        assert recognise_priors(session, newest=NOW + 2 * 86400.0) == 0
