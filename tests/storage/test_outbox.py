import itertools
import shutil
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from storage import outbox
from storage.database import open_database, upgrade
from storage.schema import DeliveryAttempt, Exam, Outbox, Patient, Report, Result

NOW = 1_000_000.0
LEASE = 60.0


@pytest.fixture(scope="module")
def empty_index(tmp_path_factory):
    file = tmp_path_factory.mktemp("empty") / "index.sqlite"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def db(empty_index, tmp_path):
    file = shutil.copy(empty_index, tmp_path)
    database = open_database(f"sqlite:///{file}")
    yield database
    database.close()


@pytest.fixture
def report_id(db):
    return make_report(db)


def make_report(db):
    with db.write() as session:
        patient = Patient(patient_id="", issuer="")
        session.add(patient)
        session.flush()
        exam = Exam(patient_id=patient.id, study_date="", state="reported", opened_at=NOW, last_image_at=NOW)
        session.add(exam)
        session.flush()
        report = Report(
            exam_id=exam.id, version=1, inputs_sha256="", bundle_sha256="", decision={}, views=[], made_at=NOW
        )
        session.add(report)
        session.flush()
        return report.id


NUMBERS = itertools.count(1)


def add_results(db, report_id, number=1, *, study="1.2", destinations=("pacs",), now=NOW):
    with db.write() as session:
        results = [
            Result(
                kind="readable_report",
                report_id=report_id,
                sop_instance_uid=f"1.2.9.{next(NUMBERS)}",
                sop_class_uid="1.2.840.10008.5.1.4.1.1.88.22",
                study_instance_uid=study,
                series_instance_uid="1.2.3",
                transfer_syntax_uid="1.2.840.10008.1.2.1",
                modality="SR",
                sha256="0" * 64,
            )
            for _ in range(number)
        ]
        session.add_all(results)
        session.flush()
        ids = [result.id for result in results]
        outbox.enqueue(session, ids, destinations, now=now)
    return ids


def claim(db, *, owner="a", now=NOW, destination=None):
    return outbox.claim(db, owner=owner, now=now, lease_seconds=LEASE, destination=destination)


def row(db, parcel):
    with db.read() as session:
        return session.get(Outbox, parcel.outbox_id)


def attempts(db, parcel):
    with db.read() as session:
        rows = session.scalars(
            select(DeliveryAttempt).where(DeliveryAttempt.outbox_id == parcel.outbox_id).order_by(DeliveryAttempt.id)
        )
        return [(a.tried_at, a.status, a.error) for a in rows]


def test_rows_are_written_in_the_transaction_of_the_caller_or_not_at_all(db, report_id):
    ids = add_results(db, report_id, 2, destinations=())

    def decide_and_fail():
        with db.write() as session:
            outbox.enqueue(session, ids, ["pacs"], now=NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        decide_and_fail()
    assert outbox.counts(db) == {}


def test_each_result_goes_to_each_destination_once_however_often_it_is_enqueued(db, report_id):
    ids = add_results(db, report_id, 2, destinations=("pacs",))
    with db.write() as session:
        assert outbox.enqueue(session, [*ids, ids[0]], ["pacs", "archive"], now=NOW) == 2
        assert outbox.enqueue(session, ids, ["pacs", "archive"], now=NOW) == 0
    assert outbox.counts(db) == {"pacs": {"due": 2}, "archive": {"due": 2}}


def test_a_claim_takes_all_due_results_of_one_study_for_one_destination(db, report_id):
    add_results(db, report_id, 3, study="1.2", destinations=("pacs", "archive"))
    add_results(db, report_id, 2, study="1.3", destinations=("pacs", "archive"))
    batches = [claim(db) for _ in range(5)]
    assert sorted(len(batch) for batch in batches) == [0, 2, 2, 3, 3]
    for batch in batches[:4]:
        assert len({(parcel.destination, parcel.study_instance_uid) for parcel in batch}) == 1


def test_a_claim_can_be_for_one_destination_only(db, report_id):
    add_results(db, report_id, 1, destinations=("pacs", "archive"))
    assert [parcel.destination for parcel in claim(db, destination="archive")] == ["archive"]
    assert claim(db, destination="archive") == []
    assert outbox.counts(db) == {"pacs": {"due": 1}, "archive": {"leased": 1}}


def test_a_claim_has_a_limit(db, report_id):
    add_results(db, report_id, outbox.BATCH + 1)
    assert [len(claim(db)), len(claim(db)), len(claim(db))] == [outbox.BATCH, 1, 0]


def test_a_parcel_says_what_is_needed_to_send_it(db, report_id):
    add_results(db, report_id)
    (parcel,) = claim(db)
    assert (parcel.sop_class_uid, parcel.transfer_syntax_uid, parcel.sha256, parcel.study_instance_uid) == (
        "1.2.840.10008.5.1.4.1.1.88.22", "1.2.840.10008.1.2.1", "0" * 64, "1.2",
    )  # fmt: skip
    assert (parcel.attempts, parcel.first_try_at) == (1, NOW)


def test_nothing_is_claimed_before_its_time(db, report_id):
    add_results(db, report_id, now=NOW + 1)
    assert claim(db, now=NOW) == []
    assert len(claim(db, now=NOW + 1)) == 1


def test_a_leased_row_is_handed_out_again_only_when_the_lease_has_run_out(db, report_id):
    add_results(db, report_id)
    claim(db, owner="a")
    assert claim(db, owner="b", now=NOW + LEASE - 1) == []
    (again,) = claim(db, owner="b", now=NOW + LEASE)
    assert again.attempts == 2
    assert again.first_try_at == NOW


def test_a_lease_can_be_renewed_by_its_owner_and_by_no_one_else(db, report_id):
    add_results(db, report_id, 2)
    parcels = claim(db, owner="a")
    assert outbox.renew(db, parcels, owner="a", now=NOW + 50, lease_seconds=LEASE)
    assert not outbox.renew(db, parcels, owner="b", now=NOW + 50, lease_seconds=LEASE)
    assert claim(db, owner="b", now=NOW + LEASE) == []
    assert len(claim(db, owner="b", now=NOW + 50 + LEASE)) == 2
    assert not outbox.renew(db, parcels, owner="a", now=NOW + 111, lease_seconds=LEASE)


def test_leases_of_a_dead_owner_return_at_once_and_their_attempt_counts(db, report_id):
    add_results(db, report_id, 2)
    add_results(db, report_id, 1, study="1.3")
    claim(db, owner="dead")
    claim(db, owner="alive")
    assert outbox.release_leases(db, "dead") == 2
    assert [parcel.attempts for parcel in claim(db, owner="b")] == [2, 2]
    assert claim(db, owner="b") == []


def test_a_parcel_that_was_not_tried_goes_back_as_if_untouched(db, report_id):
    add_results(db, report_id)
    parcels = claim(db)
    outbox.release(db, parcels, owner="someone else")
    assert claim(db) == []
    outbox.release(db, parcels, owner="a")
    assert [parcel.attempts for parcel in claim(db)] == [1]


def test_what_was_handed_out_least_often_comes_first_so_that_a_poisoned_parcel_waits(db, report_id):
    add_results(db, report_id, 1, study="1.2")
    (poisoned,) = claim(db, owner="killed")
    outbox.release_leases(db, "killed")
    add_results(db, report_id, 1, study="1.3", now=NOW + 5)
    assert claim(db, now=NOW + 5)[0].study_instance_uid == "1.3"
    assert claim(db, now=NOW + 5)[0].outbox_id == poisoned.outbox_id


def test_a_sent_row_is_never_handed_out_again_and_keeps_when_and_how(db, report_id):
    add_results(db, report_id)
    (parcel,) = claim(db)
    assert outbox.mark_sent(db, parcel, now=NOW + 2, status=0xB000, note="stored with a warning")
    assert claim(db, now=NOW + 10 * LEASE) == []
    kept = row(db, parcel)
    assert (kept.state, kept.sent_at, kept.last_status, kept.lease_owner) == ("sent", NOW + 2, 0xB000, "")
    assert attempts(db, parcel) == [(NOW + 2, 0xB000, "stored with a warning")]


def test_sent_is_the_truth_even_if_the_lease_was_lost_meanwhile(db, report_id):
    add_results(db, report_id)
    (late,) = claim(db, owner="slow")
    (again,) = claim(db, owner="b", now=NOW + LEASE)
    assert outbox.mark_sent(db, late, now=NOW + LEASE + 1, status=0)
    assert not outbox.mark_retry(
        db, again, owner="b", now=NOW + LEASE + 2, next_try_at=NOW + 99, status=None, error="x"
    )
    assert row(db, late).state == "sent"
    assert not outbox.mark_sent(db, again, now=NOW + LEASE + 3, status=0)
    assert len(attempts(db, late)) == 3


@pytest.mark.parametrize("fail", ["retry", "dead"])
def test_a_failure_of_someone_who_lost_the_lease_changes_nothing_but_stays_on_record(db, report_id, fail):
    add_results(db, report_id)
    (late,) = claim(db, owner="slow")
    (again,) = claim(db, owner="b", now=NOW + LEASE)
    if fail == "retry":
        done = outbox.mark_retry(
            db, late, owner="slow", now=NOW + 61, next_try_at=NOW + 999, status=0xA700, error="out of resources"
        )
    else:
        done = outbox.mark_dead(db, late, owner="slow", now=NOW + 61, status=0xA900, error="mismatch")
    assert not done
    kept = row(db, again)
    assert (kept.state, kept.lease_owner, kept.last_status) == ("leased", "b", None)
    assert len(attempts(db, again)) == 1


def test_a_retry_is_pushed_back_in_time_with_its_reason(db, report_id):
    add_results(db, report_id)
    (parcel,) = claim(db)
    assert outbox.mark_retry(
        db, parcel, owner="a", now=NOW + 1, next_try_at=NOW + 31, status=0xA700, error="out of resources"
    )
    assert claim(db, now=NOW + 30) == []
    (again,) = claim(db, now=NOW + 31)
    assert again.attempts == 2
    assert (row(db, parcel).last_status, row(db, parcel).last_error) == (0xA700, "out of resources")
    assert attempts(db, parcel) == [(NOW + 1, 0xA700, "out of resources")]


def test_a_dead_row_waits_for_a_person_and_requeue_makes_it_new(db, report_id):
    add_results(db, report_id, 2, destinations=("pacs", "archive"))
    for batch in (claim(db), claim(db)):
        for parcel in batch:
            assert outbox.mark_dead(db, parcel, owner="a", now=NOW, status=0xA900, error="mismatch")
    assert claim(db, now=NOW + 1e9) == []
    assert outbox.counts(db) == {"pacs": {"dead": 2}, "archive": {"dead": 2}}
    assert outbox.requeue(db, now=NOW + 5, destination="pacs") == 2
    parcels = claim(db, now=NOW + 6)
    assert {(parcel.destination, parcel.attempts, parcel.first_try_at) for parcel in parcels} == {("pacs", 1, NOW + 6)}
    assert len(attempts(db, parcels[0])) == 1


def test_requeue_can_name_single_rows_and_leaves_rows_that_are_not_dead(db, report_id):
    add_results(db, report_id, 3)
    first, second, third = claim(db)
    outbox.mark_dead(db, first, owner="a", now=NOW, status=None, error="")
    outbox.mark_dead(db, second, owner="a", now=NOW, status=None, error="")
    outbox.mark_sent(db, third, now=NOW, status=0)
    assert outbox.requeue(db, now=NOW, outbox_ids=[first.outbox_id, third.outbox_id]) == 1
    assert outbox.counts(db) == {"pacs": {"due": 1, "dead": 1, "sent": 1}}


def test_answers_of_a_range_are_counted_since_the_row_was_enqueued_or_requeued(db, report_id):
    add_results(db, report_id)
    for number, status in enumerate((0xC000, None, 0xA700, 0xC211)):
        (parcel,) = claim(db, now=NOW + number)
        outbox.mark_retry(
            db, parcel, owner="a", now=NOW + number, next_try_at=NOW + number + 1, status=status, error=""
        )
    assert outbox.count_answers(db, parcel, lowest=0xC000, highest=0xCFFF) == 2
    (parcel,) = claim(db, now=NOW + 4)
    outbox.mark_dead(db, parcel, owner="a", now=NOW + 4, status=0xC000, error="")
    outbox.requeue(db, now=NOW + 5)
    (parcel,) = claim(db, now=NOW + 5)
    assert outbox.count_answers(db, parcel, lowest=0xC000, highest=0xCFFF) == 0


def test_a_text_is_cut_before_it_fills_the_index(db, report_id):
    add_results(db, report_id)
    (parcel,) = claim(db)
    outbox.mark_dead(db, parcel, owner="a", now=NOW, status=None, error="x" * 100_000)
    assert len(row(db, parcel).last_error) == outbox.LONGEST_TEXT
    assert len(attempts(db, parcel)[0][2]) == outbox.LONGEST_TEXT


def test_claimants_at_the_same_moment_never_get_the_same_row(db, report_id):
    for study in range(6):
        add_results(db, report_id, 3, study=f"1.{study}")
    start = threading.Barrier(4)
    got = {owner: [] for owner in "abcd"}

    def work(owner):
        start.wait()
        while parcels := claim(db, owner=owner):
            got[owner].extend(parcel.outbox_id for parcel in parcels)

    threads = [threading.Thread(target=work, args=(owner,)) for owner in got]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [key for keys in got.values() for key in keys]
    assert len(everything) == len(set(everything)) == 18


def test_the_loser_of_a_race_takes_the_next_study(db, report_id, monkeypatch):
    add_results(db, report_id, 1, study="1.2")
    add_results(db, report_id, 1, study="1.3")
    write, rivals = db.write, ["rival"]

    def write_after_a_rival():
        if rivals:
            assert claim(db, owner=rivals.pop())[0].study_instance_uid == "1.2"
        return write()

    monkeypatch.setattr(db, "write", write_after_a_rival)
    (parcel,) = claim(db, owner="a")
    assert parcel.study_instance_uid == "1.3"


def test_the_claim_skips_rows_that_another_transaction_holds_on_postgresql():
    statement = outbox.lease_statement("pacs", "1.2", owner="a", now=NOW, lease_seconds=LEASE)
    sql = str(statement.compile(dialect=postgresql.dialect()))
    assert "FOR UPDATE OF outbox SKIP LOCKED" in sql
    assert sql.startswith("UPDATE outbox SET")
    assert "RETURNING outbox.id" in sql


class TwoCouriers:
    """What two couriers believe to hold; `step` does something with the outbox and keeps the belief up to date."""

    def __init__(self, db, name):
        self.db, self.name, self.now = db, name, NOW
        self.held = {"a": {}, "b": {}}

    def step(self, action, owner, wait):
        self.now += wait
        getattr(self, action)(owner)

    def claim(self, owner):
        for parcel in claim(self.db, owner=owner, now=self.now, destination=self.name):
            for others in self.held.values():
                others.pop(parcel.outbox_id, None)  # its lease has run out
            self.held[owner][parcel.outbox_id] = parcel

    def die(self, owner):
        outbox.release_leases(self.db, owner)
        self.held[owner].clear()

    def release(self, owner):
        outbox.release(self.db, list(self.held[owner].values()), owner=owner)
        self.held[owner].clear()

    def requeue(self, owner):
        outbox.requeue(self.db, now=self.now, destination=self.name)

    def sent(self, owner):
        for parcel in self._next(owner):
            assert outbox.mark_sent(self.db, parcel, now=self.now, status=0)

    def retry(self, owner):
        for parcel in self._next(owner):
            later = self.now + 5
            assert outbox.mark_retry(
                self.db, parcel, owner=owner, now=self.now, next_try_at=later, status=None, error=""
            )

    def dead(self, owner):
        for parcel in self._next(owner):
            assert outbox.mark_dead(self.db, parcel, owner=owner, now=self.now, status=None, error="")

    def _next(self, owner):
        return [self.held[owner].popitem()[1]] if self.held[owner] else []

    def rows(self):
        with self.db.read() as session:
            return session.scalars(select(Outbox).where(Outbox.destination == self.name)).all()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "claim", "sent", "retry", "dead", "release", "die", "requeue"]),
        st.sampled_from("ab"),
        st.floats(0, 50),
    ),
    max_size=20,
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_whatever_happens_no_row_is_lost_and_no_row_has_two_holders(db, report_id, steps):
    name = f"place-{next(NUMBERS)}"
    add_results(db, report_id, 2, destinations=(name,))
    couriers = TwoCouriers(db, name)
    for step in steps:
        couriers.step(*step)
        rows = couriers.rows()
        assert len(rows) == 2
        believed = {key: owner for owner, parcels in couriers.held.items() for key in parcels}
        assert {r.id: r.lease_owner for r in rows if r.lease_owner} == believed
        assert {r.id for r in rows if r.state == "leased"} == set(believed)
    for last in ("die", "requeue"):
        couriers.step(last, "a", 0)
        couriers.step(last, "b", 0)
    left = claim(db, owner="last", now=couriers.now + 5, destination=name)
    assert len(left) + outbox.counts(db)[name].get("sent", 0) == 2
