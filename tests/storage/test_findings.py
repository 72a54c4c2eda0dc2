from sqlalchemy import func, select

from storage.database import Database
from storage.findings import AnalysisKey, StoredAnalysis, analyse_again, find_analysis, finish_view
from storage.schema import ViewAnalysis
from storage.work import claim_exam, claim_instance, release_leases
from tests.storage.exam_rows import exam, instance, receive, set_exam, set_instance

KEY = AnalysisKey("1" * 64, "b" * 64, "c" * 64)
ANALYSIS = StoredAnalysis({"probability": 0.5}, "d" * 64, "e" * 64, 1.5)


def stored(db: Database, key: AnalysisKey = KEY) -> StoredAnalysis | None:
    with db.read() as session:
        return find_analysis(session, key)


def test_a_finished_view_is_found_under_its_key_and_under_no_other(db: Database):
    receive(db, 1)
    claim = claim_instance(db, owner="w1", now=2.0, lease_seconds=10.0)
    assert finish_view(db, claim, KEY, ANALYSIS, now=3.0)
    assert instance(db, 1).analysis == "analysed"
    assert stored(db) == ANALYSIS
    assert stored(db, AnalysisKey(KEY.instance_sha256, "e" * 64, KEY.settings_sha256)) is None


def test_who_lost_the_lease_stores_nothing(db: Database):
    receive(db, 1)
    claim = claim_instance(db, owner="w1", now=2.0, lease_seconds=10.0)
    release_leases(db, "w1")
    assert not finish_view(db, claim, KEY, ANALYSIS, now=3.0)
    assert stored(db) is None
    assert instance(db, 1).analysis == "pending"


def test_an_analysis_is_stored_once(db: Database):
    receive(db, 1)
    finish_view(db, claim_instance(db, owner="w1", now=2.0, lease_seconds=10.0), KEY, ANALYSIS, now=3.0)
    set_instance(db, 1, analysis="pending")
    claim = claim_instance(db, owner="w1", now=4.0, lease_seconds=10.0)
    assert finish_view(db, claim, KEY, StoredAnalysis({"probability": 0.9}, "", "", 2.0), now=5.0)
    assert stored(db) == ANALYSIS
    with db.read() as session:
        assert session.scalar(select(func.count()).select_from(ViewAnalysis)) == 1


def test_views_sent_back_to_analysis_hold_their_exam_until_they_are_done(db: Database):
    done, failed = receive(db, 1), receive(db, 2)
    set_instance(db, done, analysis="analysed", attempts=2)
    set_instance(db, failed, analysis="failed", reason="pixels_missing")
    set_exam(db, state="due")
    claim = claim_exam(db, owner="w1", now=2.0, lease_seconds=10.0)
    assert analyse_again(db, claim, [done, failed])
    assert (instance(db, done).analysis, instance(db, done).attempts) == ("pending", 0)
    assert instance(db, failed).analysis == "failed"
    assert exam(db).state == "due"
    assert claim_exam(db, owner="w1", now=2.0, lease_seconds=10.0) is None
    set_instance(db, done, analysis="analysed")
    again = claim_exam(db, owner="w1", now=2.0, lease_seconds=10.0)
    assert again is not None
    assert again.attempts == 1


def test_an_exam_that_was_lost_sends_nothing_back(db: Database):
    done = receive(db, 1)
    set_instance(db, done, analysis="analysed")
    set_exam(db, state="due")
    claim = claim_exam(db, owner="w1", now=2.0, lease_seconds=10.0)
    release_leases(db, "w1")
    assert not analyse_again(db, claim, [done])
    assert instance(db, done).analysis == "analysed"
