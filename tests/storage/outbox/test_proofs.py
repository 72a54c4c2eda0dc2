"""What is to be proven, in the index: who asks after what, and what no two processes do twice."""

import threading

import pytest

from storage import commitments, outbox, proofs
from storage.commitments import Taken
from storage.proofs import Next
from storage.schema import Commitment, CommitmentItem, Outbox, Report, Result
from tests.storage.outbox.rows import NOW, add_results, claim

DUE = NOW + 5
LEASE = 60.0


@pytest.fixture
def sent(db, report_id):
    """Rows that are sent, and due to be proven at `DUE`; gives their SOP Instance UIDs."""

    def make(number=3, *, proof_due_at=DUE, **options):
        add_results(db, report_id, number, **options)
        parcels = claim(db, destination=options.get("destinations", ("pacs",))[0])
        for parcel in parcels:
            outbox.mark_sent(db, parcel, now=NOW, status=0, proof_due_at=proof_due_at)
        return [parcel.sop_instance_uid for parcel in parcels]

    return make


def ask(db, *, now=DUE, destination="pacs"):
    return proofs.claim(db, destination, now=now, lease_seconds=LEASE)


def states(db, destination="pacs"):
    return outbox.counts(db).get(destination, {})


def request(db, rows, uid="2.25.1", *, now=DUE, due_at=DUE + 1000):
    commitments.open_request(db, rows, destination="pacs", transaction_uid=uid, now=now, due_at=due_at)


def later(row, reason, named, now):
    return Next("sent", now + 50, f"{reason} {named}")


def take(db, uid="2.25.1", *, committed=(), failed=None, judge=later, now=DUE + 1):
    return commitments.take_report(
        db, transaction_uid=uid, committed=committed, failed=failed or {}, now=now, judge=judge
    )


def test_what_is_not_to_be_proven_is_never_asked_after(db, sent):
    sent(proof_due_at=None)
    assert ask(db, now=NOW + 1e9) == []


def test_a_courier_that_starts_takes_up_what_nobody_asks_after(db, sent):
    sent(2, proof_due_at=None)
    sent(1, proof_due_at=DUE + 100)
    sent(1, destinations=("archive",), proof_due_at=None)
    given_up = ask(db, now=DUE + 100)
    proofs.settle(db, [(row, Next("sent", None, "not proven within 7 days")) for row in given_up])
    assert proofs.take_up(db, "pacs", now=DUE + 200) == 3
    assert [row.error for row in ask(db, now=DUE + 200)] == [""] * 3
    assert proofs.take_up(db, "pacs", now=DUE + 200) == 0
    assert ask(db, now=NOW + 1e9, destination="archive") == []


def test_of_one_study_and_destination_at_a_time_and_each_once(db, sent):
    one, other = sent(2, study="1.2"), sent(1, study="1.3")
    sent(1, destinations=("archive",))
    assert [row.sop_instance_uid for row in ask(db)] == one
    assert [row.sop_instance_uid for row in ask(db)] == other
    assert ask(db) == []
    assert len(ask(db, now=DUE + LEASE)) == 2, "who asked has died: asked again after the lease"


def test_objects_that_are_due_soon_after_the_first_go_with_it(db, sent):
    sent(1, proof_due_at=DUE)
    sent(1, proof_due_at=DUE + 4)
    sent(1, proof_due_at=DUE + 100)
    assert len(ask(db)) == 2


def test_of_two_processes_one_gets_the_rows(db, sent):
    sent(8)
    found, start = [], threading.Barrier(4)

    def run():
        start.wait()
        found.append(ask(db))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, found)) == [0, 0, 0, 8]


def test_what_is_asked_already_is_not_asked_twice(db, sent):
    sent()
    rows = ask(db)
    request(db, rows, due_at=DUE + 1)
    # The time is over, but nobody has closed the request yet.
    assert ask(db, now=DUE + 2) == []
    assert commitments.expire(db, now=DUE + 2) == 1
    assert commitments.expire(db, now=DUE + 2) == 0
    assert [row.last_request for row in ask(db, now=DUE + 2)] == ["expired"] * 3


def test_neither_a_row_nor_a_request_waits_for_a_time_that_a_wrong_clock_has_set(db, sent):
    year = 365 * 86400
    sent(1, proof_due_at=DUE + year)
    rows = ask(db)
    assert len(rows) == 1
    request(db, rows, now=DUE + year, due_at=DUE + year + 1000)
    assert commitments.expire(db, now=DUE) == 1
    assert len(ask(db)) == 1


@pytest.mark.parametrize("ahead", [-1.0, 0.5, proofs.GATHER_SECONDS, proofs.GATHER_SECONDS + 1])
def test_a_row_at_the_edge_of_what_may_wait_is_claimed_or_waits_and_no_claim_goes_on_for_ever(db, sent, ahead):
    sent(1, proof_due_at=DUE + proofs.LONGEST_WAIT_SECONDS + ahead)
    assert len(ask(db)) == (1 if ahead > 0 else 0)


def test_what_is_due_comes_before_what_a_wrong_clock_has_put_off(db, sent):
    far = sent(1, study="1.2", proof_due_at=DUE + 2 * proofs.LONGEST_WAIT_SECONDS)
    due = sent(1, study="1.3")
    assert [[row.sop_instance_uid for row in ask(db)] for _ in range(3)] == [due, far, []]


def test_who_always_comes_second_goes_away_without_rows(db, sent, monkeypatch):
    sent(1)
    (gone,) = ask(db)
    looks = []

    def choose(*_):
        looks.append(1)
        return [gone.outbox_id]

    monkeypatch.setattr(proofs, "_next_of_a_study", choose)
    assert ask(db) == []
    assert len(looks) == proofs.MOST_RACES


def test_what_of_an_exam_was_answered_in_two_reports_goes_together(db, sent):
    sent(2)
    with db.write() as session:
        second = Report(
            exam_id=session.query(Report).one().exam_id,
            version=2,
            inputs_sha256="2",
            bundle_sha256="",
            decision={},
            views=[],
            made_at=NOW,
        )
        session.add(second)
        session.flush()
        session.query(Result).filter_by(id=2).update({"report_id": second.id})
    assert len(ask(db)) == 2


def test_a_report_is_taken_once_by_whoever_is_first(db, sent):
    uids = sent()
    request(db, ask(db))
    found, start = [], threading.Barrier(4)

    def run():
        start.wait()
        found.append(take(db, committed=uids))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [Taken.NEW, *[Taken.REPEATED] * 3]
    assert states(db) == {"proven": 3}


def test_a_report_on_no_request_of_ours_changes_nothing(db, sent):
    uids = sent()
    assert take(db, "2.25.9", committed=uids) is Taken.UNKNOWN
    assert states(db) == {"sent": 3}


def test_nothing_is_judged_of_a_row_that_is_not_sent_any_more(db, sent):
    uids = sent(2)
    request(db, ask(db))
    with db.write() as session:
        session.query(Outbox).filter_by(id=1).update({"state": "dead", "proof_due_at": None})
    take(db, failed={uids[0]: 0x0112, uids[1]: 0x0112})
    assert states(db) == {"dead": 1, "sent": 1}


def test_objects_that_were_not_asked_after_are_not_proven_by_a_report(db, sent):
    sent(1)
    rows = ask(db)
    strangers = sent(1, study="1.3")
    request(db, rows)
    assert take(db, committed=strangers) is Taken.NEW
    assert states(db) == {"sent": 2}


def test_what_a_report_says_is_kept_for_each_object(db, sent):
    one, two, _ = sent()
    request(db, ask(db))
    take(db, committed=[one], failed={two: 0x0110})
    with db.read() as session:
        items = session.query(CommitmentItem).order_by(CommitmentItem.id).all()
        rows = session.query(Outbox).order_by(Outbox.id).all()
        (asked,) = session.query(Commitment).all()
    assert [(item.outcome, item.reason) for item in items] == [("committed", None), ("failed", 0x0110), ("", None)]
    assert [row.proof_error for row in rows] == ["", f"{0x0110} True", "None False"]
    assert (asked.state, asked.reported_at) == ("reported", DUE + 1)
    with db.read() as session:
        told = proofs.requests_for(session, rows[1].id)
    assert told == [
        {"asked_at": DUE, "state": "reported", "reported_at": DUE + 1, "outcome": "failed", "reason": 0x0110}
    ]


def test_a_report_that_overtakes_the_answer_to_the_request_is_not_undone(db, sent):
    uids = sent()
    request(db, ask(db))
    take(db, committed=uids)
    assert not commitments.await_report(db, "2.25.1", due_at=DUE + 5000)
    commitments.refuse_request(db, "2.25.1", now=DUE, judge=lambda row: Next("dead", None, "never"))
    assert not commitments.await_report(db, "2.25.77", due_at=DUE + 5000)
    assert states(db) == {"proven": 3}


def test_a_row_that_was_sent_again_meanwhile_is_not_judged_by_an_older_answer(db, sent):
    sent(1)
    (old,) = ask(db)
    proofs.settle(db, [(old, Next("due", DUE + 10, "it is not there"))])
    (parcel,) = claim(db, now=DUE + 10)
    assert parcel.attempts == 1
    outbox.mark_sent(db, parcel, now=DUE + 11, status=0, proof_due_at=DUE + 16)
    proofs.settle(db, [(old, Next("dead", None, "it is not there"))])
    assert states(db) == {"sent": 1}
    (row,) = ask(db, now=DUE + 16)
    assert row.denials == 1


def test_a_proven_row_stays_proven(db, sent):
    sent(1)
    rows = ask(db)
    assert proofs.prove(db, rows, by="query", now=DUE) == 1
    assert proofs.prove(db, rows, by="commitment", now=DUE + 1) == 0
    proofs.settle(db, [(rows[0], Next("dead", None, "why"))])
    assert states(db) == {"proven": 1}
    assert outbox.requeue(db, now=DUE) == 0
    with db.read() as session:
        row = session.query(Outbox).one()
    assert (row.proven_by, row.proven_at) == ("query", DUE)


def test_a_destination_that_cannot_be_asked_is_put_off_as_a_whole(db, sent):
    sent(2, study="1.2")
    sent(1, study="1.3")
    sent(1, destinations=("archive",), study="1.4")
    assert proofs.postpone(db, "pacs", now=DUE, until=DUE + 900, text="it is down") == 3
    assert ask(db, now=DUE + 800) == []
    assert len(ask(db, now=DUE + 800, destination="archive")) == 1


def test_what_waits_is_counted_for_each_destination(db, sent):
    sent(3)
    sent(1, destinations=("archive",), study="1.4")
    request(db, ask(db))
    with db.read() as session:
        assert proofs.waiting(session) == {
            "archive": {"unproven": 1, "open_requests": 0},
            "pacs": {"unproven": 3, "open_requests": 1},
        }
    take(db, committed=[])
    with db.write() as session:
        session.query(Outbox).update({"proof_due_at": None})
    request(db, [], "2.25.2")
    with db.read() as session:
        assert proofs.waiting(session) == {"pacs": {"unproven": 0, "open_requests": 1}}


def test_proven_and_sent_are_told_apart_for_every_destination(db, sent):
    for number, name in enumerate(("a", "b", "c")):
        sent(2 + number, destinations=(name,), study=f"1.{number}")
    for name in ("a", "c"):
        proofs.prove(db, ask(db, destination=name)[:1], by="query", now=DUE)
    expected = {"a": {"sent": 1, "proven": 1}, "b": {"sent": 3}, "c": {"sent": 3, "proven": 1}}
    assert outbox.counts(db) == expected
