from dataclasses import replace

import pytest
from sqlalchemy import func, select

from dcis_node.errors import StorageError
from storage.database import Database
from storage.reports import NewReport, NewResult, Saved, is_reported, keep_report, last_report, save_report
from storage.schema import Outbox, Report, Result
from storage.work import ExamClaim, claim_exam, release_leases
from tests.storage.exam_rows import exam, receive_refused, set_exam

REPORT_CLASS = "1.2.840.10008.5.1.4.1.1.88.33"


def result(number: int) -> NewResult:
    return NewResult(
        "readable_report",
        f"2.25.{number}",
        REPORT_CLASS,
        "1.2.1",
        "2.25.9",
        "1.2.840.10008.1.2.1",
        "SR",
        f"{number:064x}",
    )


REPORT = NewReport(
    version=1,
    inputs_sha256="a" * 64,
    bundle_sha256="b" * 64,
    decision={"patient": {"probability": None}},
    views=[{"reason": "tomosynthesis"}],
    made_at=20.0,
    results=(result(1), result(2)),
    deliveries={"pacs": {"readable_report"}},
)

EVERYWHERE = {"pacs": {"readable_report", "segmentation"}, "archive": {"readable_report"}}


@pytest.fixture
def claim(db: Database) -> ExamClaim:
    receive_refused(db, 1)
    return claim_again(db)


def claim_again(db: Database) -> ExamClaim:
    set_exam(db, state="due")
    claimed = claim_exam(db, owner="w1", now=10.0, lease_seconds=100.0)
    assert claimed is not None
    return claimed


def counts(db: Database) -> tuple[int, int, int]:
    with db.read() as session:
        reports, results, parcels = (
            session.scalar(select(func.count()).select_from(table)) for table in (Report, Result, Outbox)
        )
    return reports, results, parcels


def test_report_results_deliveries_and_state_are_written_together(db: Database, claim: ExamClaim):
    assert save_report(db, claim, replace(REPORT, deliveries=EVERYWHERE)) is Saved.NEW
    assert counts(db) == (1, 2, 4)
    assert (exam(db).state, exam(db).lease_owner, exam(db).attempts) == ("reported", "", 0)
    with db.read() as session:
        earlier = last_report(session, 1)
        assert set(session.scalars(select(Outbox.state))) == {"due"}
    assert earlier is not None
    assert (earlier.version, earlier.views, earlier.results) == (1, REPORT.views, REPORT.results)


def test_nothing_is_written_if_an_image_came_meanwhile(db: Database, claim: ExamClaim):
    receive_refused(db, 2, now=11.0)
    assert save_report(db, claim, REPORT) is Saved.LEASE_LOST
    assert counts(db) == (0, 0, 0)
    assert exam(db).state == "open"


def test_nothing_is_written_if_an_image_came_and_the_exam_is_due_again(db: Database, claim: ExamClaim):
    receive_refused(db, 2, now=11.0)
    set_exam(db, state="due", lease_owner="", lease_until=12.0)
    assert save_report(db, claim, REPORT) is Saved.LEASE_LOST
    assert counts(db) == (0, 0, 0)


def test_nothing_is_written_after_the_lease_was_returned(db: Database, claim: ExamClaim):
    release_leases(db, "w1")
    assert save_report(db, claim, REPORT) is Saved.LEASE_LOST
    assert keep_report(db, claim) is Saved.LEASE_LOST
    assert exam(db).state == "due"


def test_the_same_inputs_give_no_second_report(db: Database, claim: ExamClaim):
    save_report(db, claim, REPORT)
    again = claim_again(db)
    assert save_report(db, again, replace(REPORT, version=2)) is Saved.SAME_INPUTS
    assert counts(db) == (1, 2, 2)
    assert exam(db).state == "reported"


def test_a_report_that_is_there_already_can_be_kept(db: Database, claim: ExamClaim):
    save_report(db, claim, replace(REPORT, deliveries={}))
    with db.read() as session:
        assert is_reported(session, 1, REPORT.inputs_sha256)
        assert not is_reported(session, 1, "f" * 64)
    assert keep_report(db, claim_again(db)) is Saved.SAME_INPUTS
    assert exam(db).state == "reported"


def test_a_result_that_cannot_be_written_leaves_nothing_behind(db: Database, claim: ExamClaim):
    twice = replace(REPORT, results=(result(1), result(1)))
    with pytest.raises(StorageError):
        save_report(db, claim, twice)
    assert counts(db) == (0, 0, 0)
    assert exam(db).state == "due"


def test_the_newest_version_is_the_last_report(db: Database, claim: ExamClaim):
    with db.read() as session:
        assert last_report(session, 1) is None
    save_report(db, claim, replace(REPORT, deliveries={}))
    second = replace(REPORT, version=2, inputs_sha256="c" * 64, results=(result(3),))
    assert save_report(db, claim_again(db), replace(second, deliveries={})) is Saved.NEW
    with db.read() as session:
        found = last_report(session, 1)
    assert found is not None
    assert (found.version, found.results) == (2, (result(3),))
