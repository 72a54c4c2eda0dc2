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
from storage.schema import Association, Commitment, CommitmentItem, Instance

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


def steps(db: Database, ask: Callable[[], object]) -> int:
    """Run something, and give how many instructions the database took for it: what it costs, on whatever machine."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0  # go on

    def begin(connection, *_) -> None:
        connection.set_progress_handler(count, 1)

    def end(connection, *_) -> None:
        connection.set_progress_handler(None, 0)

    for engine in (db._readers, db._writers):
        event.listen(engine, "checkout", begin)
        event.listen(engine, "checkin", end)
    try:
        ask()
    finally:
        for engine in (db._readers, db._writers):
            event.remove(engine, "checkout", begin)
            event.remove(engine, "checkin", end)
    assert counted
    return counted


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


def to_be_proven(db: Database, *, due: int, requests: int) -> None:
    """Let the first rows be due for their proof, and those of an exam each be asked after in an open request."""
    with db.write() as session:
        session.execute(text("DELETE FROM commitment_item"))
        session.execute(text("DELETE FROM commitment"))
        session.execute(text("UPDATE outbox SET state = 'proven', proof_due_at = NULL WHERE destination = 'pacs'"))
        chosen = "UPDATE outbox SET state = 'sent', proof_due_at = :at WHERE destination = 'pacs' AND id <= :last"
        session.execute(text(chosen), {"at": 1000.0, "last": requests * 7 + due})
        session.execute(text(chosen), {"at": 9000.0, "last": requests * 7})
        for number in range(1, requests + 1):
            named = {"transaction_uid": f"2.25.{number}", "destination": "pacs", "state": "asked"}
            session.add(Commitment(id=number, asked_at=1.0, due_at=9000.0, **named))
        session.flush()
        items = range(1, requests * 7 + 1)
        session.add_all(CommitmentItem(commitment_id=(number + 6) // 7, outbox_id=number) for number in items)


def claim_proofs(db: Database, *, now: float = 1001.0) -> Callable[[], object]:
    def claim() -> None:
        rows = proofs.claim(db, "pacs", now=now, lease_seconds=9)
        assert len(rows) == 7, "an exam's"

    return claim


def ask_and_be_told(db: Database) -> None:
    """Claim an exam's objects, ask after them, and record three sorts of answer."""
    rows = proofs.claim(db, "pacs", now=1001.0, lease_seconds=9)
    commitments.open_request(db, rows, destination="pacs", transaction_uid="2.25.0", now=1001.0, due_at=1002.0)
    commitments.await_report(db, "2.25.0", due_at=1003.0)
    commitments.expire(db, now=1004.0)
    proofs.prove(db, rows[:5], by="query", now=1005.0)
    proofs.settle(db, [(row, proofs.Next("sent", 2000.0, "")) for row in rows[5:]])


@pytest.mark.parametrize("ask", [lambda db: claim_proofs(db)(), ask_and_be_told], ids=["claim", "ask and be told"])
@pytest.mark.parametrize(("due", "requests"), [(1400, 1), (70, 200), (1400, 200)])
def test_what_a_proof_costs_grows_neither_with_what_is_due_nor_with_open_requests(
    filled: Database, ask: Callable[[Database], object], due: int, requests: int
) -> None:
    to_be_proven(filled, due=70, requests=1)
    few = steps(filled, lambda: ask(filled))
    to_be_proven(filled, due=due, requests=requests)
    # Whoever closes requests that are over looks at each open one: some tens of instructions.
    assert steps(filled, lambda: ask(filled)) < 2 * few + 20 * requests


def test_a_batch_costs_the_same_however_much_was_sent(filled: Database) -> None:
    rows = [proofs.Unproven(number, "", f"1.2.{number}", "", "", 0.0, 0) for number in range(1, proofs.BATCH + 1)]

    def ask_and_prove() -> None:
        named = {"destination": "pacs", "transaction_uid": "2.25.0"}
        commitments.open_request(filled, rows, now=1001.0, due_at=1002.0, **named)
        commitments.await_report(filled, "2.25.0", due_at=1003.0)
        with filled.read() as session:
            assert len(proofs.load(session, [row.outbox_id for row in rows])) == proofs.BATCH
        assert proofs.prove(filled, rows, by="query", now=1002.0) == proofs.BATCH

    to_be_proven(filled, due=proofs.BATCH, requests=0)
    few = steps(filled, ask_and_prove)
    to_be_proven(filled, due=2000, requests=0)
    assert steps(filled, ask_and_prove) < 1.5 * few


def test_what_a_wrong_clock_has_put_off_costs_no_more_to_claim(filled: Database) -> None:
    to_be_proven(filled, due=70, requests=1)
    few = steps(filled, claim_proofs(filled, now=1001.0))
    to_be_proven(filled, due=1400, requests=1)
    assert steps(filled, claim_proofs(filled, now=900.0 - proofs.LONGEST_WAIT_SECONDS)) < 2 * few


def test_putting_off_a_destination_looks_only_at_what_is_to_be_proven(filled: Database) -> None:
    def put_off() -> None:
        assert proofs.postpone(filled, "pacs", now=1001.0, until=1500.0, text="") == 70

    to_be_proven(filled, due=70, requests=1)
    few = steps(filled, put_off)
    to_be_proven(filled, due=70, requests=1)
    with filled.write() as session:
        session.execute(text("UPDATE outbox SET state = 'sent' WHERE proof_due_at IS NULL AND destination = 'pacs'"))
    assert steps(filled, put_off) < 2 * few


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
