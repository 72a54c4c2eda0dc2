"""After a step back of the clock nothing waits for longer than it would have without."""

import pytest

from storage import proofs
from storage.commitments import expire
from storage.database import Database
from storage.heartbeat import record_beat
from storage.index import close_association, open_association
from storage.losses import LOST_OFTEN
from storage.outbox import claim
from storage.schema import (
    Association,
    Commitment,
    CommitmentItem,
    DestinationState,
    Exam,
    Instance,
    Outbox,
    Report,
    Result,
    Retrieval,
)
from storage.time_steps import LongestWaits, bring_back
from tests.storage.exam_rows import exam, instance, receive, set_exam, set_instance

DAY = 86400.0
NOW = 1_795_000_000.0
WAITS = LongestWaits(delivery=900.0, proof=DAY, delivery_lease=300.0, analysis_lease=300.0)
# What a clock a day ahead has set.
AHEAD = NOW + DAY + 900.0


@pytest.fixture
def parcel(db: Database) -> int:
    """Give a due row of the outbox."""
    receive(db, 1, now=NOW)
    with db.write() as session:
        report = Report(exam_id=1, version=1, inputs_sha256="", bundle_sha256="", decision={}, views=[], made_at=1.0)
        session.add(report)
        session.flush()
        result = Result(
            report_id=report.id, kind="k", sop_instance_uid="1.7", sop_class_uid="1.4", study_instance_uid="1.2",
            series_instance_uid="1.8", transfer_syntax_uid="1.6", modality="SR", sha256="0" * 64,
        )  # fmt: skip
        session.add(result)
        session.flush()
        row = Outbox(result_id=result.id, destination="pacs", state="due", next_try_at=NOW)
        session.add(row)
        session.flush()
        return row.id


def change(db: Database, table: type, row: object, **values: object) -> None:
    with db.write() as session:
        found = session.get_one(table, row)
        for name, value in values.items():
            setattr(found, name, value)


def of(db: Database, table: type, row: object):
    with db.read() as session:
        return session.get_one(table, row)


def test_a_result_that_would_wait_for_a_day_is_sent_now(db: Database, parcel: int):
    change(db, Outbox, parcel, next_try_at=AHEAD)
    assert not claim(db, owner="a", now=NOW, lease_seconds=10)
    assert bring_back(db, WAITS, now=NOW) == 1
    assert len(claim(db, owner="a", now=NOW, lease_seconds=10)) == 1


@pytest.mark.parametrize(("wait", "changed"), [(DAY, 0), (2 * DAY, 1)])
def test_a_result_that_was_put_off_may_wait_for_a_day(db: Database, parcel: int, wait: float, changed: int):
    change(db, Outbox, parcel, next_try_at=NOW + wait, losses=LOST_OFTEN)
    assert bring_back(db, WAITS, now=NOW) == changed
    assert of(db, Outbox, parcel).next_try_at == (NOW if changed else NOW + wait)


@pytest.mark.parametrize("wait", [0.0, 900.0, 3600.0])
def test_a_wait_that_may_be_is_left_alone(db: Database, parcel: int, wait: float):
    change(db, Outbox, parcel, next_try_at=NOW + wait)
    assert bring_back(db, WAITS, now=NOW) == 0


def test_a_lease_on_a_parcel_ends_after_its_usual_time(db: Database, parcel: int):
    change(db, Outbox, parcel, state="leased", lease_owner="deliver-0@h", lease_until=AHEAD)
    bring_back(db, WAITS, now=NOW)
    assert not claim(db, owner="b", now=NOW + 299, lease_seconds=10)
    assert len(claim(db, owner="b", now=NOW + 300, lease_seconds=10)) == 1


def test_a_proof_is_asked_for_and_a_destination_probed(db: Database, parcel: int):
    change(db, Outbox, parcel, state="sent", proof_due_at=AHEAD + DAY)
    with db.write() as session:
        session.add(DestinationState(destination="pacs", breaker="open", changed_at=AHEAD, next_probe_at=AHEAD))
    assert bring_back(db, WAITS, now=NOW) == 2
    assert of(db, Outbox, parcel).proof_due_at == NOW
    assert of(db, DestinationState, "pacs").next_probe_at == NOW


@pytest.mark.parametrize(
    ("state", "ahead", "due"), [("asked", 1.0, True), ("asked", 0.0, False), ("reported", 1.0, False)]
)
def test_a_request_for_commitment_expires_in_time_and_its_objects_are_asked_after(
    db: Database, parcel: int, state: str, ahead: float, due: bool
):
    change(db, Outbox, parcel, state="sent", sent_at=NOW - 5, proof_due_at=NOW)
    due_at = NOW + DAY + ahead * DAY
    with db.write() as session:
        request = Commitment(transaction_uid="1.3", destination="pacs", state=state, asked_at=NOW, due_at=due_at)
        session.add(request)
        session.flush()
        session.add(CommitmentItem(commitment_id=request.id, outbox_id=parcel))
    assert bring_back(db, WAITS, now=NOW) == int(due)
    assert of(db, Commitment, 1).due_at == (NOW if due else due_at)
    assert expire(db, now=NOW) == int(due)
    assert bool(proofs.claim(db, "pacs", now=NOW, lease_seconds=60)) == (state != "asked" or due)


def test_what_was_sent_in_the_future_was_sent_now_and_gets_too_old_in_its_time(db: Database, parcel: int):
    change(db, Outbox, parcel, state="sent", sent_at=AHEAD)
    assert bring_back(db, WAITS, now=NOW) == 1
    assert of(db, Outbox, parcel).sent_at == NOW


@pytest.mark.parametrize(("state", "sent_at"), [("sent", NOW + 30), ("sent", NOW - DAY), ("proven", AHEAD)])
def test_other_moments_of_sending_stay(db: Database, parcel: int, state: str, sent_at: float):
    change(db, Outbox, parcel, state=state, sent_at=sent_at)
    assert bring_back(db, WAITS, now=NOW) == 0


def test_what_is_not_to_be_proven_stays_so(db: Database, parcel: int):
    change(db, Outbox, parcel, state="sent")
    assert bring_back(db, WAITS, now=NOW) == 0
    assert of(db, Outbox, parcel).proof_due_at is None


def test_a_view_that_waits_for_its_next_try_is_tried(db: Database):
    row = receive(db, 1, now=NOW)
    set_instance(db, row, next_try_at=AHEAD)
    bring_back(db, WAITS, now=NOW)
    assert instance(db, row).next_try_at == NOW


@pytest.mark.parametrize("lives", [True, False])
def test_the_lease_of_one_who_lives_is_not_touched_as_it_writes_by_it(db: Database, lives: bool):
    row = receive(db, 1, now=NOW)
    held = {"lease_owner": "analyse-0@h", "lease_until": AHEAD}
    set_instance(db, row, analysis="leased", **held)
    set_exam(db, 1, state="due", **held)
    if lives:
        with db.write() as session:
            record_beat(session, "analyse-0", pid=1, started_at=1.0, now=NOW)
    assert bring_back(db, WAITS, now=NOW) == (0 if lives else 2)
    assert instance(db, row).lease_until == (AHEAD if lives else NOW + 300)
    assert exam(db).lease_until == (AHEAD if lives else NOW)


def test_an_exam_that_was_to_be_decided_again_is_decided(db: Database):
    receive(db, 1, now=NOW)
    set_exam(db, 1, state="due", lease_until=AHEAD)
    bring_back(db, WAITS, now=NOW)
    assert exam(db).lease_until == NOW


def test_an_open_exam_settles_and_its_association_has_closed(db: Database):
    with db.write() as session:
        row = open_association(session, owner="r@h", calling_aet="P", address="a", now=AHEAD)
        close_association(session, row, now=AHEAD)
    receive(db, 1, now=AHEAD, association=row)
    assert bring_back(db, WAITS, now=NOW) == 3
    assert (exam(db).opened_at, exam(db).last_image_at) == (NOW, NOW)
    assert of(db, Association, row).closed_at == NOW


def test_an_answered_exam_keeps_its_moments(db: Database):
    receive(db, 1, now=AHEAD)
    set_exam(db, 1, state="reported")
    assert bring_back(db, WAITS, now=NOW) == 0


def test_a_retrieval_is_tried(db: Database):
    receive(db, 1, now=NOW)
    with db.write() as session:
        for source, state in (("a", "due"), ("b", "leased")):
            session.add(
                Retrieval(
                    exam_id=1, source=source, purpose="views", state=state, asked_at=AHEAD, next_try_at=AHEAD,
                    lease_until=AHEAD,
                )
            )  # fmt: skip
    assert bring_back(db, WAITS, now=NOW) == 2
    assert (of(db, Retrieval, 1).next_try_at, of(db, Retrieval, 2).lease_until) == (NOW, NOW + 3600.0)


def test_after_a_step_ahead_there_is_nothing_to_do(db: Database, parcel: int):
    change(db, Outbox, parcel, next_try_at=NOW - DAY)
    assert bring_back(db, WAITS, now=NOW) == 0
    assert of(db, Instance, 1).analysis == "pending"
    assert of(db, Exam, 1).state == "open"
