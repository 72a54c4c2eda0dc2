"""What is asked all day looks into indices: its time does not grow with what is done."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import event, text, update

from benchmarks.filled_index import fill_index
from storage import commitments, exams, outbox, overview, proofs, work
from storage.database import Database, open_database
from storage.files import FileStore
from storage.forgetting import forget_exam
from storage.index import ReceivedInstance, open_association, record_instance
from storage.leaving import Door
from storage.schema import Association, Instance

INSTANCES = 2000


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("growth") / "index.sqlite"
    fill_index(path, INSTANCES, now=time.time())
    db = open_database(f"sqlite:///{path}")
    yield db
    db.close()


def scans(db: Database, ask: Callable[[], object]) -> list[str]:
    """Run something, and give what its statements go through row by row, counts of whole tables left out.

    SQLite counts a whole table by the pages of its smallest index, without a look at the rows.
    """
    statements: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement, parameters, *_) -> None:
        statements.append((statement, parameters))

    for engine in (db._readers, db._writers):
        event.listen(engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        for engine in (db._readers, db._writers):
            event.remove(engine, "before_cursor_execute", note)
    asked = [one for one in statements if one[0].lstrip().startswith(("SELECT", "UPDATE", "INSERT", "DELETE"))]
    assert asked
    return [line for statement, parameters in asked for line in plan(db, statement, parameters)]


def plan(db: Database, statement: str, parameters: object) -> list[str]:
    with db._readers.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    whole = "count(*)" in statement and "WHERE" not in statement
    small = ("SCAN heartbeat", "SCAN conflict", "SCAN (", "SCAN CONSTANT")
    return [row[3] for row in rows if row[3].startswith("SCAN") and not whole and not row[3].startswith(small)]


def reading(db: Database, ask: Callable[..., object]) -> Callable[[], object]:
    def call() -> object:
        with db.read() as session:
            return ask(session)

    return call


def receive(db: Database) -> None:
    values = {name: f"1.2.{name}" for name in ("sop_class_uid", "sop_instance_uid", "study_instance_uid")}
    received = ReceivedInstance(
        **values,
        series_instance_uid="1.2.3.4",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        sha256="a" * 64,
        size_bytes=1,
        patient_id="MRN-1000001",
        issuer="HOSPITAL",
        study_date="20261123",
        eligible=True,
        reason="eligible",
        is_image=True,
    )
    with db.write() as session:
        record_instance(session, received, now=time.time())


def report(db: Database) -> None:
    """Ask after a parcel, and take the report on it."""
    with db.write() as session:
        session.execute(text("UPDATE outbox SET state = 'sent', proof_due_at = 1.0 WHERE id IN (7, 8, 9)"))
    rows = proofs.claim(db, "pacs", now=2.0, lease_seconds=9)
    named = {"destination": "pacs", "transaction_uid": "2.25.7"}
    commitments.open_request(db, rows, now=2.0, due_at=3.0, **named)
    commitments.await_report(db, "2.25.7", due_at=9.0)
    uids = [row.sop_instance_uid for row in rows]
    taken = commitments.take_report(
        db,
        transaction_uid="2.25.7",
        committed=uids[:1],
        failed={},
        now=2.5,
        judge=lambda *_: proofs.Next("sent", 1.0, ""),
    )
    assert taken == "new"


QUESTIONS: dict[str, Callable[[Database], Callable[[], object]]] = {
    "queues": lambda db: reading(db, overview.queues),
    "failed exams": lambda db: reading(db, overview.failed_exams),
    "trace of a study": lambda db: reading(db, lambda s: overview.trace(s, study_of(db))),
    "trace of a series": lambda db: reading(db, lambda s: overview.trace(s, "1.2.3.4.5")),
    "exams to look at": lambda db: reading(db, overview.failed_exams),
    "how many exams to look at": lambda db: reading(db, overview.count_failed),
    "receive": lambda db: lambda: receive(db),
    "claim a view": lambda db: lambda: work.claim_instance(db, owner="o", now=time.time(), lease_seconds=9),
    "claim an exam": lambda db: lambda: work.claim_exam(db, owner="o", now=time.time(), lease_seconds=9),
    "claim parcels": lambda db: lambda: outbox.claim(db, owner="o", now=time.time(), lease_seconds=9),
    "claim parcels of one": lambda db: (
        lambda: outbox.claim(db, owner="o", now=time.time() + 99, lease_seconds=9, destination="pacs")
    ),
    "claim what is to be proven": lambda db: lambda: proofs.claim(db, "pacs", now=time.time() + 99, lease_seconds=9),
    "close requests for commitment": lambda db: lambda: commitments.expire(db, now=time.time()),
    "take a report on commitment": lambda db: lambda: report(db),
    "give back parcels": lambda db: lambda: outbox.release_leases(db, "o"),
    "look for complete exams": lambda db: lambda: exams.sweep_exams(db, lambda exam: "now"),
}


def study_of(db: Database) -> str:
    with db.read() as session:
        return str(session.execute(text("SELECT study_instance_uid FROM study WHERE id = 7")).scalar_one())


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_of_every_day_looks_into_indices(filled: Database, question: str) -> None:
    assert scans(filled, QUESTIONS[question](filled)) == []


def test_the_newest_exams_are_found_from_the_end_of_an_index(filled: Database) -> None:
    ask = reading(filled, lambda s: overview.last_exams(s, limit=10))
    assert set(scans(filled, ask)) == {"SCAN exam USING INDEX ix_exam_last_image_at"}
    with filled.read() as session:
        assert len(overview.last_exams(session, limit=10)) == 10


def test_the_judge_sees_a_scan(filled: Database) -> None:
    ask = reading(filled, lambda s: s.execute(text("SELECT id FROM instance WHERE size_bytes = 1")).all())
    assert scans(filled, ask) == ["SCAN instance"]


def test_counting_what_is_not_done_gives_the_same_as_counting_all(filled: Database) -> None:
    by_state = "SELECT {0}, count(*) FROM {1} GROUP BY {0}"
    with filled.read() as session:
        counted = overview.queues(session)
        for name, column, table in (("views", "analysis", "instance"), ("exams", "state", "exam")):
            rows = session.execute(text(by_state.format(column, table)))
            assert counted[name] == dict(map(tuple, rows))
        rows = session.execute(text("SELECT state, count(*) FROM outbox WHERE destination = 'pacs' GROUP BY state"))
        assert counted["outbox"] == {"pacs": dict(map(tuple, rows))}
        assert counted["instances"] >= INSTANCES


def test_sent_parcels_of_several_destinations_are_told_apart(filled: Database) -> None:
    with filled.write() as session:
        for name in ("archive", "zoo"):
            session.execute(
                text(
                    "INSERT INTO outbox (result_id, destination, state, attempts, next_try_at, lease_owner,"
                    " lease_until, last_error, proof_attempts, proof_error, proven_by)"
                    " SELECT id, :name, iif(id < 5, 'dead', 'sent'), 1, 0, '', 0, '', 0, '', ''"
                    " FROM result WHERE id < 100"
                ),
                {"name": name},
            )
    with filled.read() as session:
        counted = outbox.count_parcels(session)
    assert counted["archive"] == counted["zoo"] == {"dead": 4, "sent": 95}
    assert sum(counted["pacs"].values()) == INSTANCES // 4 * 7


def test_an_exam_is_forgotten_without_a_look_at_all_others(filled: Database, tmp_path: Path) -> None:
    """The last of this file: its rows are gone after."""
    with filled.write() as session:
        association = open_association(session, owner="r@h", calling_aet="P", address="a", now=1.0)
        session.get_one(Association, association).closed_at = 2.0
        session.execute(update(Instance).where(Instance.exam_id == 7).values(association_id=association))
    door = Door(filled, FileStore(tmp_path), lambda _: b"", now=time.time())
    assert scans(filled, lambda: forget_exam(door, 7, lambda _: True)) == []
    with filled.read() as session:
        assert session.get(Association, association) is None
