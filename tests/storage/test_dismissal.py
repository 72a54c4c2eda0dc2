"""What a person dismisses is no alarm any more, loses nothing, and is an alarm again once it is tried anew."""

import pytest

from storage import outbox
from storage.database import Database
from storage.dismissal import dismiss_failures, dismiss_results
from storage.exams import sweep_exams
from storage.overview import count_failed, failed_exams, last_exams, trace
from storage.work import claim_exam, fail_exam, retry_exam
from tests.storage.exam_rows import exam, receive, set_exam, set_instance
from tests.storage.outbox.rows import NOW, add_results, claim, make_report, row


@pytest.fixture
def failed(db: Database) -> int:
    """Give an exam that was answered without its analysis."""
    receive(db, 1)
    set_instance(db, 1, analysis="analysed")
    set_exam(db, state="reported", failure="the worker died while it decided the exam")
    return 1


@pytest.fixture
def in_part(db: Database) -> int:
    """Give an exam that was answered without a view whose process died."""
    receive(db, 1)
    set_instance(db, 1, analysis="failed", reason="analysis_process_died")
    set_exam(db, state="reported")
    return 1


def named(db: Database) -> list[int]:
    with db.read() as session:
        found = [one["exam"] for one in failed_exams(session)]
        assert count_failed(session) == len(found)
        return found


@pytest.mark.parametrize("sort", ["failed", "in_part"])
def test_a_dismissed_failure_is_named_no_more_and_still_told(db: Database, request: pytest.FixtureRequest, sort: str):
    number = request.getfixturevalue(sort)
    before = exam(db)
    assert named(db) == [number]
    assert dismiss_failures(db, [number], now=7.0) == 1
    assert named(db) == []
    assert (exam(db).state, exam(db).failure, exam(db).dismissed_at) == (before.state, before.failure, 7.0)
    with db.read() as session:
        assert [one["dismissed_at"] for one in (*last_exams(session), *trace(session, "1.2.3.1"))] == [7.0, 7.0]
    assert dismiss_failures(db, [number], now=8.0) == 0
    assert exam(db).dismissed_at == 7.0


def test_an_exam_without_an_answer_can_be_dismissed_and_others_stay(db: Database):
    for number in (1, 2):
        receive(db, number, patient=f"P{number}")
        set_instance(db, number, analysis="analysed")
        set_exam(db, number, state="failed", failure="why")
    assert dismiss_failures(db, [2], now=7.0) == 1
    assert named(db) == [1]


@pytest.mark.parametrize("state", ["open", "due", "reported"])
def test_what_has_not_failed_cannot_be_dismissed_beforehand(db: Database, state: str):
    receive(db, 1)
    set_exam(db, state=state)
    assert dismiss_failures(db, [1], now=7.0) == 0
    assert exam(db).dismissed_at is None


def test_what_fails_again_after_a_retry_is_named_again(db: Database, failed: int):
    dismiss_failures(db, [failed], now=7.0)
    assert retry_exam(db, failed)
    claim_ = claim_exam(db, owner="a", now=9.0, lease_seconds=60)
    assert claim_ is not None
    fail_exam(db, claim_, failure="again", retry_at=9.0)
    set_exam(db, state="reported")
    assert named(db) == [failed]


def test_what_fails_again_after_a_late_view_is_named_again(db: Database, failed: int):
    dismiss_failures(db, [failed], now=7.0)
    receive(db, 2, now=8.0)
    set_instance(db, 2, analysis="analysed")
    sweep_exams(db, lambda _: "late")
    assert claim_exam(db, owner="a", now=9.0, lease_seconds=60) is not None
    set_exam(db, state="reported", failure="again")
    assert named(db) == [failed]


def test_an_exam_whose_attempts_are_spent_after_its_dismissal_is_named_again(db: Database, failed: int):
    dismiss_failures(db, [failed], now=7.0)
    set_exam(db, state="due", attempts=2)
    assert claim_exam(db, owner="a", now=9.0, lease_seconds=60) is None
    assert (exam(db).state, named(db)) == ("failed", [failed])


def dead(db: Database, number: int = 1, *, destination: str = "pacs") -> list[outbox.Parcel]:
    add_results(db, make_report(db, patient_id=f"{number}{destination}"), number, destinations=(destination,))
    parcels = claim(db, destination=destination)
    for parcel in parcels:
        outbox.mark_dead(db, parcel, owner="a", now=NOW, status=0xA900, error="no match")
    return parcels


def test_dead_results_of_one_destination_are_dismissed_and_no_other(db: Database):
    dead(db, 2)
    dead(db, 1, destination="archive")
    add_results(db, make_report(db, patient_id="W"), 3)
    assert dismiss_results(db, now=7.0, destination="pacs") == 2
    assert outbox.counts(db) == {"pacs": {"dismissed": 2, "due": 3}, "archive": {"dead": 1}}


def test_what_waits_is_dismissed_only_for_a_destination_that_is_gone(db: Database):
    add_results(db, make_report(db), 2, destinations=("pacs", "old"))
    claim(db, destination="old")
    assert dismiss_results(db, now=NOW + 1, gone={"old"}) == 0  # leased: somebody sends them yet
    assert dismiss_results(db, now=NOW + 100, gone={"old"}) == 2
    assert outbox.counts(db) == {"pacs": {"due": 2}, "old": {"dismissed": 2}}


def test_what_was_dismissed_is_revived_only_by_its_own_number(db: Database):
    (parcel,) = dead(db)
    dismiss_results(db, now=7.0, destination="pacs")
    assert outbox.requeue(db, now=8.0) == outbox.requeue(db, now=8.0, destination="pacs") == 0
    assert (row(db, parcel).state, row(db, parcel).dismissed_at) == ("dismissed", 7.0)
    assert outbox.requeue(db, now=8.0, outbox_ids=[parcel.outbox_id]) == 1
    assert (row(db, parcel).state, row(db, parcel).dismissed_at) == ("due", None)


def test_an_answer_that_comes_after_the_dismissal_counts(db: Database):
    (parcel,) = dead(db)
    dismiss_results(db, now=7.0, destination="pacs")
    assert outbox.mark_sent(db, parcel, now=8.0, status=0)
    assert outbox.counts(db) == {"pacs": {"sent": 1}}
