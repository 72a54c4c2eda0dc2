from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.orm import Session

from storage.database import Database
from storage.index import (
    ReceivedInstance,
    Recorded,
    close_association,
    close_associations_of,
    open_association,
    record_instance,
)
from storage.schema import Association, Base, Conflict, Exam, Instance, Patient, Report, Result, Study

IMAGE = ReceivedInstance(
    sop_instance_uid="1.2.3.1",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.1.2",
    study_instance_uid="1.2.3",
    series_instance_uid="1.2.3.9",
    transfer_syntax_uid="1.2.840.10008.1.2.1",
    sha256="a" * 64,
    size_bytes=100,
    patient_id="P1",
    issuer="A",
    study_date="20261123",
    eligible=True,
    reason="eligible",
    is_image=True,
    calling_aet="PACS",
    facts={"kind": "ffdm"},
)
MARKS = replace(
    IMAGE,
    sop_instance_uid="1.2.3.7",
    sha256="7" * 64,
    eligible=False,
    reason="not_an_image",
    is_image=False,
    may_carry_marks=True,
)
KEY_OBJECT = replace(MARKS, sop_instance_uid="1.2.3.8", sha256="8" * 64, may_carry_marks=False)


def record(db: Database, received: ReceivedInstance, now: float = 1.0, **options: object) -> Recorded:
    with db.write() as session:
        return record_instance(session, received, now=now, **options)


def get(db: Database, table, key):
    with db.read() as session:
        return session.get(table, key)


def count(db: Database, table) -> int:
    with db.read() as session:
        return session.scalar(select(func.count()).select_from(table))


def set_state(db: Database, exam_id: int, state: str) -> None:
    with db.write() as session:
        exam = session.get(Exam, exam_id)
        exam.state, exam.attempts, exam.failure = state, 2, "x"


def other(number: int, **changes: object) -> ReceivedInstance:
    changes = {"sop_instance_uid": f"1.2.3.1{number}", "sha256": f"{number:064x}", **changes}
    return replace(IMAGE, **changes)


def test_an_eligible_image_is_to_be_analysed_and_opens_its_exam(db: Database) -> None:
    recorded = record(db, IMAGE, now=5.0)

    instance, exam = get(db, Instance, recorded.instance_id), get(db, Exam, recorded.exam_id)
    assert recorded.outcome == "new"
    assert (instance.analysis, instance.reason, instance.facts) == ("pending", "eligible", {"kind": "ffdm"})
    assert (exam.state, exam.opened_at, exam.last_image_at) == ("open", 5.0, 5.0)


def test_an_ineligible_image_is_kept_with_its_reason_and_opens_its_exam(db: Database) -> None:
    recorded = record(db, replace(IMAGE, eligible=False, reason="for_processing"))

    instance = get(db, Instance, recorded.instance_id)
    assert (instance.analysis, instance.reason, instance.eligible) == ("not_applicable", "for_processing", False)
    assert get(db, Exam, recorded.exam_id).state == "open"


def test_the_same_bytes_again_are_no_new_work(db: Database) -> None:
    first = record(db, IMAGE)
    set_state(db, first.exam_id, "reported")

    again = record(db, IMAGE, now=9.0)

    assert again == Recorded("duplicate", first.instance_id, first.exam_id)
    assert get(db, Instance, first.instance_id).duplicates == 1
    assert get(db, Exam, first.exam_id).state == "reported"


def test_other_bytes_under_a_known_uid_are_kept_aside_once(db: Database) -> None:
    first = record(db, IMAGE)
    set_state(db, first.exam_id, "reported")
    other_bytes = replace(IMAGE, sha256="b" * 64, size_bytes=7, calling_aet="OTHER")

    outcomes = [record(db, other_bytes, now=9.0).outcome, record(db, other_bytes).outcome]

    assert outcomes == ["conflict", "conflict"]
    with db.read() as session:
        conflict = session.scalars(select(Conflict)).one()
    assert (conflict.instance_id, conflict.sha256, conflict.size_bytes) == (first.instance_id, "b" * 64, 7)
    assert (conflict.received_at, conflict.calling_aet) == (9.0, "OTHER")
    assert get(db, Instance, first.instance_id).sha256 == "a" * 64
    assert get(db, Exam, first.exam_id).state == "reported"


def test_images_of_one_study_are_one_exam(db: Database) -> None:
    assert record(db, IMAGE).exam_id == record(db, other(2), merge_same_day=False).exam_id
    assert count(db, Patient) == count(db, Study) == 1


def test_studies_of_one_patient_and_day_are_one_exam(db: Database) -> None:
    first, second = record(db, IMAGE), record(db, other(2, study_instance_uid="1.9"))
    assert first.exam_id == second.exam_id
    assert count(db, Study) == 2


@pytest.mark.parametrize(
    "changes",
    [{"study_date": "20261124"}, {"patient_id": "P2"}, {"issuer": "B"}, {"patient_id": ""}, {"study_date": ""}],
)
def test_studies_of_another_day_or_patient_or_of_none_are_exams_of_their_own(db: Database, changes) -> None:
    first = record(db, replace(IMAGE, **{key: "" for key, value in changes.items() if value == ""}))
    assert record(db, other(2, study_instance_uid="1.9", **changes)).exam_id != first.exam_id


def test_merging_of_days_can_be_switched_off(db: Database) -> None:
    first = record(db, IMAGE, merge_same_day=False)
    assert record(db, other(2, study_instance_uid="1.9"), merge_same_day=False).exam_id != first.exam_id


def test_one_study_under_two_patients_is_two_exams(db: Database) -> None:
    first = record(db, IMAGE)
    stranger = record(db, other(2, patient_id="P2"))
    stranger_again = record(db, other(3, patient_id="P2", study_date="20200101"))
    first_again = record(db, other(4))

    assert stranger.exam_id == stranger_again.exam_id != first.exam_id == first_again.exam_id
    assert count(db, Study) == 1


@pytest.mark.parametrize(("first", "second"), [("A", ""), ("", "A")])
def test_within_a_study_a_missing_issuer_does_not_split_the_exam(db: Database, first: str, second: str) -> None:
    one = record(db, replace(IMAGE, issuer=first), merge_same_day=False)
    two = record(db, other(2, issuer=second), merge_same_day=False)
    assert one.exam_id == two.exam_id


def test_within_a_study_two_issuers_split_the_exam(db: Database) -> None:
    assert record(db, IMAGE).exam_id != record(db, other(2, issuer="B")).exam_id


def test_long_ids_that_differ_only_at_their_end_are_two_patients(db: Database) -> None:
    long = "X" * 80
    record(db, replace(IMAGE, patient_id=long + "1"))
    record(db, other(2, patient_id=long + "2"))
    with db.read() as session:
        ids = session.scalars(select(Patient.patient_id)).all()
    assert len(set(ids)) == 2
    assert all(len(text) == 64 for text in ids)


@pytest.mark.parametrize("state", ["reported", "failed"])
@pytest.mark.parametrize("later", [other(2), MARKS], ids=["image", "marks"])
def test_a_late_image_or_mark_opens_a_finished_exam_anew(db: Database, state: str, later) -> None:
    exam_id = record(db, IMAGE, now=1.0).exam_id
    set_state(db, exam_id, state)

    record(db, later, now=50.0)

    exam = get(db, Exam, exam_id)
    assert (exam.state, exam.opened_at, exam.last_image_at) == ("open", 50.0, 50.0)
    assert (exam.attempts, exam.failure) == (0, "")


def test_an_image_for_a_due_exam_opens_it_and_leaves_its_deadline(db: Database) -> None:
    exam_id = record(db, IMAGE, now=1.0).exam_id
    set_state(db, exam_id, "due")

    record(db, other(2), now=50.0)

    exam = get(db, Exam, exam_id)
    assert (exam.state, exam.opened_at, exam.last_image_at) == ("open", 1.0, 50.0)


def test_an_object_that_changes_no_answer_opens_nothing(db: Database) -> None:
    exam_id = record(db, IMAGE, now=1.0).exam_id
    set_state(db, exam_id, "reported")
    record(db, KEY_OBJECT, now=50.0)
    exam = get(db, Exam, exam_id)
    assert (exam.state, exam.last_image_at) == ("reported", 1.0)


def test_marks_without_images_wait_for_the_first_image(db: Database) -> None:
    exam_id = record(db, MARKS, now=1.0).exam_id
    assert get(db, Exam, exam_id).state == "idle"

    record(db, IMAGE, now=50.0)

    exam = get(db, Exam, exam_id)
    assert (exam.state, exam.opened_at) == ("open", 50.0)


def test_our_own_result_coming_back_is_known_and_opens_nothing(db: Database) -> None:
    exam_id = record(db, IMAGE).exam_id
    set_state(db, exam_id, "reported")
    with db.write() as session:
        report = Report(
            exam_id=exam_id,
            version=1,
            inputs_sha256="",
            bundle_sha256="",
            decision={},
            views=[],
            made_at=2.0,
        )
        session.add(report)
        session.flush()
        session.add(
            Result(
                kind="readable_report",
                report_id=report.id,
                sop_instance_uid="2.25.1",
                sop_class_uid=MARKS.sop_class_uid,
                study_instance_uid=IMAGE.study_instance_uid,
                series_instance_uid="2.25.2",
                transfer_syntax_uid="1.2.840.10008.1.2.1",
                modality="SEG",
                sha256="d" * 64,
            )
        )

    recorded = record(db, replace(MARKS, sop_instance_uid="2.25.1", eligible=True))

    instance = get(db, Instance, recorded.instance_id)
    assert (instance.reason, instance.eligible, instance.analysis) == ("own_result", False, "not_applicable")
    assert get(db, Exam, exam_id).state == "reported"


def test_an_association_is_open_until_it_is_closed(db: Database) -> None:
    with db.write() as session:
        row = open_association(session, owner="receive-1", calling_aet="PACS", address="10.0.0.1", now=1.0)
    recorded = record(db, IMAGE, association_id=row)
    assert get(db, Instance, recorded.instance_id).association_id == row
    assert get(db, Association, row).closed_at is None

    for now in (2.0, 3.0):
        with db.write() as session:
            close_association(session, row, now=now)
            close_association(session, 999, now=now)

    assert get(db, Association, row).closed_at == 2.0


def test_only_the_open_associations_of_an_owner_are_closed_for_it(db: Database) -> None:
    with db.write() as session:
        mine = open_association(session, owner="receive-1", calling_aet="A", address="", now=1.0)
        done = open_association(session, owner="receive-1", calling_aet="A", address="", now=1.0)
        yours = open_association(session, owner="receive-2", calling_aet="A", address="", now=1.0)
        close_association(session, done, now=2.0)
        assert close_associations_of(session, "receive-1", now=9.0) == 1

    assert [get(db, Association, row).closed_at for row in (mine, done, yours)] == [9.0, 2.0, None]


@pytest.fixture(scope="module")
def memory() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@given(
    arrivals=st.lists(
        st.builds(
            lambda uid, study, patient, day, digest: replace(
                IMAGE,
                sop_instance_uid=f"1.{uid}",
                study_instance_uid=f"1.5.{study}",
                patient_id=patient,
                study_date=f"2026010{day}",
                sha256=f"{digest:064x}",
            ),
            uid=st.integers(1, 6),
            study=st.integers(1, 3),
            patient=st.sampled_from(["", "P1", "P2"]),
            day=st.integers(1, 2),
            digest=st.integers(1, 3),
        ),
        max_size=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_whatever_arrives_no_exam_mixes_patients_and_no_uid_is_used_twice(memory: Engine, arrivals) -> None:
    with Session(memory) as session:
        outcomes = [record_instance(session, received, now=1.0).outcome for received in arrivals]
        owners = {
            received.sop_instance_uid: received.patient_id
            for received, outcome in zip(arrivals, outcomes, strict=True)
            if outcome == "new"
        }
        rows = session.execute(
            select(Instance.sop_instance_uid, Patient.patient_id)
            .join(Exam, Exam.id == Instance.exam_id)
            .join(Patient, Patient.id == Exam.patient_id)
        ).all()
        session.rollback()

    assert dict(tuple(row) for row in rows) == owners
    assert outcomes.count("new") == len({received.sop_instance_uid for received in arrivals})
