"""The rows of an exam leave the index whole, and nothing of another exam with them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from storage.forgetting import OF_AN_EXAM, forget_exam
from storage.index import open_association
from storage.leaving import Door
from storage.schema import (
    Association,
    Base,
    Commitment,
    CommitmentItem,
    DeliveryAttempt,
    Exam,
    Instance,
    Outbox,
    Patient,
    Retrieval,
    Study,
)
from tests.indexes import KINDS, fresh_index
from tests.operate.retained import Node, header_of, retained_node
from tests.storage.exam_rows import receive


@pytest.fixture(params=KINDS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    with fresh_index(request, tmp_path, request.param) as url, retained_node(tmp_path, url) as made:
        yield made


def door(node: Node) -> Door:
    return Door(node.db, node.files, header_of, now=node.now())


def rows(node: Node) -> dict[str, int]:
    with node.db.read() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        }


def with_everything(node: Node) -> int:
    """Give an exam that has a row in every table."""
    exam = node.answered(days_ago=900)
    with node.db.write() as session:
        association = open_association(session, owner="r@h", calling_aet="P", address="a", now=1.0)
        session.get_one(Association, association).closed_at = 2.0
        for instance in session.scalars(select(Instance).where(Instance.exam_id == exam)):
            instance.association_id = association
        parcel = session.scalars(select(Outbox).order_by(Outbox.id.desc())).first()
        assert parcel is not None
        session.add(DeliveryAttempt(outbox_id=parcel.id, tried_at=1.0, status=0))
        asked = Commitment(transaction_uid=f"1.{exam}", destination="pacs", state="reported", asked_at=1.0, due_at=2.0)
        session.add(asked)
        session.flush()
        session.add(CommitmentItem(commitment_id=asked.id, outbox_id=parcel.id))
        session.add(Retrieval(exam_id=exam, source="pacs", purpose="views", state="done", asked_at=1.0))
    return exam


def test_all_rows_of_an_exam_leave_and_all_others_stay(node: Node):
    with_everything(node)
    before = rows(node)
    exam = with_everything(node)
    assert rows(node) != before
    left = forget_exam(door(node), exam, lambda _: True)
    assert left is not None
    assert (left.studies, left.whole) == ((("1.2.1002", ()),), True)
    assert rows(node) == before


def test_what_may_not_leave_stays(node: Node):
    exam = with_everything(node)
    before = rows(node)
    assert forget_exam(door(node), exam, lambda _: False) is None
    assert rows(node) == before


def test_every_table_that_points_at_an_exam_is_known_here():
    """A table that a later schema adds must be named in `OF_AN_EXAM`, or forgetting an exam would fail."""
    handled = {table.__tablename__ for table in OF_AN_EXAM}
    pointing, found = {"exam"}, set()
    while pointing - found:
        found |= pointing
        pointing |= {
            table.name
            for table in Base.metadata.sorted_tables
            if any(key.column.table.name in found for key in table.foreign_keys)
        }
    assert found == handled
    assert [table.__tablename__ for table in OF_AN_EXAM][-1] == "exam"


def test_a_patient_stays_as_long_as_another_exam_is_theirs(node: Node):
    first = node.answered(days_ago=900)
    receive(node.db, 77, patient="P1000", study_instance_uid="1.2.77", study_date="20200101", sha256=f"{77:064x}")
    assert rows(node)["exam"] == 2
    forget_exam(door(node), first, lambda _: True)
    assert (rows(node)["patient"], rows(node)["exam"]) == (1, 1)


def test_a_study_of_two_patients_stays_with_the_other(node: Node):
    first = node.answered(days_ago=900)
    receive(node.db, 77, patient="P5", study_instance_uid="1.2.1000", study_date="", sha256=f"{77:064x}")
    with node.db.read() as session:
        other = session.scalars(select(Exam.id).where(Exam.id != first)).one()
    forget_exam(door(node), first, lambda _: True)
    with node.db.read() as session:
        assert session.scalars(select(Study.exam_id)).all() == [other]
        assert session.scalars(select(Patient.patient_id)).all() == ["P5"]
