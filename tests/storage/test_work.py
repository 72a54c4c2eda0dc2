import threading
from dataclasses import replace

import pytest

from storage import work
from storage.database import Database
from storage.work import (
    DIED,
    ExamClaim,
    ViewClaim,
    claim_exam,
    claim_instance,
    fail_exam,
    fail_view,
    give_back_view,
    release_leases,
    renew,
)
from tests.storage.exam_rows import exam, instance, receive, receive_refused, set_exam, set_instance


def claim_view(db: Database, now: float = 10.0, owner: str = "w1", **options) -> ViewClaim | None:
    return claim_instance(db, owner=owner, now=now, lease_seconds=100.0, **options)


def claim_due(db: Database, now: float = 10.0, owner: str = "w1", **options) -> ExamClaim | None:
    return claim_exam(db, owner=owner, now=now, lease_seconds=100.0, **options)


@pytest.fixture
def due_exam(db: Database) -> int:
    receive_refused(db, 1)
    set_exam(db, state="due", completeness="quiet")
    return 1


def test_the_view_that_waited_longest_is_claimed_first(db: Database):
    receive(db, 7, now=2.0)
    receive(db, 8, now=1.0)
    claim = claim_view(db)
    assert claim == ViewClaim(2, 1, f"{8:064x}", 1, "w1", 110.0)
    assert instance(db, 2).analysis == "leased"


def test_an_empty_queue_gives_nothing(db: Database):
    receive_refused(db, 1)
    assert claim_view(db) is None
    assert claim_due(db) is None


def test_a_leased_view_is_not_given_to_another_before_the_lease_ends(db: Database):
    receive(db, 1)
    claim_view(db, now=10.0)
    assert claim_view(db, now=109.0, owner="w2") is None
    second = claim_view(db, now=110.0, owner="w2")
    assert second is not None
    assert (second.attempts, second.lease_owner) == (2, "w2")


def test_a_view_that_kills_its_worker_twice_fails_and_lets_the_next_one_through(db: Database, caplog):
    receive(db, 1, now=1.0)
    receive(db, 2, now=200.0)
    for attempt in (1, 2):
        assert claim_view(db, now=10.0) == ViewClaim(1, 1, f"{1:064x}", attempt, "w1", 110.0)
        release_leases(db, "w1")
    third = claim_view(db)
    assert third is not None
    assert third.id == 2
    assert (instance(db, 1).analysis, instance(db, 1).reason) == ("failed", "analysis_process_died")
    assert "event=view_set_aside instance=1 attempts=2 reason=analysis_process_died" in caplog.text


def test_what_killed_its_worker_goes_behind_what_came_a_little_later(db: Database):
    receive(db, 1, now=1.0)
    receive(db, 2, now=2.0)
    receive(db, 3, now=100.0)
    assert claim_view(db).id == 1
    release_leases(db, "w1")
    assert [claim_view(db).id for _ in range(3)] == [2, 1, 3]


def test_a_view_that_is_given_back_untried_has_its_attempts_as_before(db: Database):
    receive(db, 1)
    claim = claim_view(db)
    assert give_back_view(db, claim, retry_at=50.0)
    assert (instance(db, 1).analysis, instance(db, 1).attempts) == ("pending", 0)
    assert claim_view(db, now=49.0) is None
    assert claim_view(db, now=50.0).attempts == 1
    assert not give_back_view(db, claim, retry_at=60.0)


def test_an_attempt_that_leaves_no_word_is_known_as_one_whatever_came_before(db: Database, due_exam: int):
    assert fail_exam(db, claim_due(db), failure="ValueError at a.py:1", retry_at=10.0)
    second = claim_due(db, max_attempts=3)
    assert (second.attempts, second.failure) == (2, "ValueError at a.py:1")
    assert exam(db, due_exam).failure == ""
    release_leases(db, "w1")
    assert claim_due(db, max_attempts=3).failure == DIED


def test_a_failed_view_keeps_its_reason_and_is_never_claimed_again(db: Database):
    receive(db, 1)
    claim = claim_view(db)
    assert fail_view(db, claim, reason="pixels_truncated")
    row = instance(db, 1)
    assert (row.analysis, row.reason, row.lease_owner) == ("failed", "pixels_truncated", "")
    assert claim_view(db, now=1e9) is None


def test_a_view_to_be_tried_again_waits_for_its_time(db: Database):
    receive(db, 1)
    assert fail_view(db, claim_view(db), reason="analysis_failed", retry_at=50.0)
    assert claim_view(db, now=49.0) is None
    assert instance(db, 1).reason == "eligible"
    again = claim_view(db, now=50.0)
    assert again is not None
    assert again.attempts == 2


def test_who_lost_the_lease_cannot_write(db: Database):
    receive(db, 1)
    lost = claim_view(db, now=10.0)
    claim_view(db, now=200.0, owner="w2")
    assert not fail_view(db, lost, reason="analysis_failed")
    assert renew(db, lost, now=201.0, lease_seconds=100.0) is None
    assert instance(db, 1).lease_owner == "w2"


def test_a_renewed_lease_lasts_longer_and_voids_the_old_claim(db: Database):
    receive(db, 1)
    claim = claim_view(db, now=10.0)
    longer = renew(db, claim, now=90.0, lease_seconds=100.0)
    assert longer == replace(claim, lease_until=190.0)
    assert claim_view(db, now=150.0, owner="w2") is None
    assert not fail_view(db, claim, reason="analysis_failed")
    assert fail_view(db, longer, reason="analysis_failed")


def test_an_exam_lease_is_renewed_too(db: Database, due_exam: int):
    claim = claim_due(db)
    longer = renew(db, claim, now=90.0, lease_seconds=100.0)
    assert longer == ExamClaim(due_exam, "quiet", 1, "w1", 190.0)
    assert exam(db).lease_until == 190.0


def test_an_exam_is_claimed_only_when_due(db: Database):
    receive_refused(db, 1)
    assert claim_due(db) is None
    for state in ("reported", "failed", "idle"):
        set_exam(db, state=state)
        assert claim_due(db) is None


@pytest.mark.parametrize("analysis", ["pending", "leased"])
def test_an_exam_waits_for_its_unfinished_views(db: Database, analysis: str):
    number = receive(db, 1)
    set_exam(db, state="due")
    set_instance(db, number, analysis=analysis)
    assert claim_due(db) is None
    set_instance(db, number, analysis="failed")
    assert claim_due(db) is not None


def test_the_exam_whose_last_image_is_oldest_comes_first(db: Database):
    receive_refused(db, 1, patient="P1", now=5.0)
    receive_refused(db, 2, patient="P2", now=4.0)
    for number in (1, 2):
        set_exam(db, number, state="due")
    first, second = claim_due(db), claim_due(db)
    assert first is not None
    assert second is not None
    assert (first.id, second.id) == (2, 1)
    assert claim_due(db) is None


def test_an_exam_that_could_not_be_decided_comes_again_at_its_time(db: Database, due_exam: int):
    claim = claim_due(db)
    assert fail_exam(db, claim, failure="ResultError at report.py:1", retry_at=40.0)
    assert exam(db, due_exam).failure == "ResultError at report.py:1"
    assert claim_due(db, now=39.0) is None
    again = claim_due(db, now=40.0)
    assert again is not None
    assert again.attempts == 2


def test_an_exam_whose_attempts_are_spent_fails_and_blocks_no_other(db: Database, due_exam: int):
    receive_refused(db, 2, patient="P2", now=1000.0)
    set_exam(db, 2, state="due")
    set_exam(db, due_exam, attempts=3)
    claim = claim_due(db, max_attempts=3)
    assert claim is not None
    assert claim.id == 2
    assert exam(db, due_exam).state == "failed"


def test_an_exam_that_got_an_image_is_no_longer_held(db: Database, due_exam: int):
    claim = claim_due(db)
    receive_refused(db, 2, now=11.0)
    assert exam(db, due_exam).state == "open"
    assert not fail_exam(db, claim, failure="x", retry_at=1.0)
    assert renew(db, claim, now=12.0, lease_seconds=100.0) is None


def test_releasing_leases_returns_views_and_exams_of_that_owner_only(db: Database, due_exam: int):
    for number in (2, 3):
        receive(db, number, now=float(number), patient="P2")
    claim_due(db)
    claim_view(db)
    others = claim_view(db, owner="w2")
    assert release_leases(db, "w1") == 2
    mine = claim_view(db, now=11.0)
    assert mine is not None
    assert (mine.id, mine.attempts) == (2, 2)
    assert claim_due(db, now=11.0) is not None
    assert instance(db, others.id).lease_owner == "w2"


def test_two_workers_never_get_the_same_view(db: Database):
    for number in range(1, 13):
        receive(db, number)
    claimed: list[int] = []

    def take(owner: str) -> None:
        while (claim := claim_view(db, owner=owner)) is not None:
            claimed.append(claim.id)

    threads = [threading.Thread(target=take, args=(f"w{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == list(range(1, 13))


@pytest.mark.parametrize(("name", "state"), [("claim_instance", "leased"), ("claim_exam", "due")])
def test_a_claim_that_loses_the_race_looks_for_the_next_item(db: Database, monkeypatch, name: str, state: str):
    receive(db, 1, now=1.0)
    receive_refused(db, 2, patient="P2", now=2.0)
    receive_refused(db, 3, patient="P3", now=3.0)
    for number in (2, 3):
        set_exam(db, number, state="due")
    swap = work.changed
    lost: list[bool] = []

    def lose_the_first(session, statement) -> bool:
        # Another worker takes the item between this one's look and its write.
        if not lost:
            lost.append(True)
            return False
        return swap(session, statement)

    monkeypatch.setattr(work, "changed", lose_the_first)
    claim = getattr(work, name)(db, owner="w1", now=10.0, lease_seconds=100.0)
    assert claim is not None
    assert (instance(db, 1).analysis if name == "claim_instance" else exam(db, claim.id).state) == state
