"""The state of a destination is changed by compare-and-set: of several couriers one does each thing."""

import threading

from sqlalchemy import update

from storage import destinations, outbox
from storage.destinations import Condition, condition
from storage.losses import LOST_OFTEN, note_losses
from storage.schema import Outbox
from storage.undelivered import dead_letters, give_up, rows_of_exams, stuck
from tests.storage.outbox.rows import NOW, add_results, claim, row


def opened(db, name="pacs"):
    destinations.note_failures(db, name, count=3, now=NOW, error="down")
    assert destinations.open_breaker(db, name, now=NOW, next_probe_at=NOW + 5)
    return condition(db, name)


def at_once(*works):
    """Do the same in threads that start together; gives the answers."""
    answers, start = [], threading.Barrier(len(works))

    def work(one):
        start.wait(20)
        answers.append(one())

    threads = [threading.Thread(target=work, args=(one,)) for one in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


def test_a_destination_of_which_nothing_is_known_is_well(db):
    assert condition(db, "pacs") == Condition("pacs")
    destinations.note_answer(db, "pacs")
    assert not destinations.probe_now(db, "pacs", now=NOW)
    with db.read() as session:
        assert destinations.conditions(session) == []


def test_failures_add_up_whoever_counts_them_and_an_answer_ends_the_row(db):
    at_once(*[lambda: destinations.note_failures(db, "pacs", count=2, now=NOW, error="down")] * 4)
    assert condition(db, "pacs") == Condition("pacs", False, 8, NOW, 0.0, "down")
    destinations.note_answer(db, "pacs")
    assert condition(db, "pacs").failures == 0


def test_it_is_opened_once_and_closed_once(db):
    destinations.note_failures(db, "pacs", count=3, now=NOW, error="down")
    won = at_once(*[lambda: destinations.open_breaker(db, "pacs", now=NOW, next_probe_at=NOW + 5)] * 3)
    assert sorted(won) == [False, False, True]
    closed = at_once(*[lambda: destinations.close_breaker(db, "pacs", now=NOW + 9)] * 3)
    assert sorted(closed, key=str) == [0, None, None]
    assert condition(db, "pacs") == Condition("pacs", False, 3, NOW + 9, NOW + 5, "down")


def test_a_probe_is_taken_by_one_and_the_next_is_set_whatever_becomes_of_it(db):
    seen = opened(db)
    won = at_once(*[lambda: destinations.take_probe(db, seen, now=NOW + 5, next_probe_at=NOW + 50)] * 3)
    assert sorted(won) == [False, False, True]
    assert (condition(db, "pacs").next_probe_at, condition(db, "pacs").failures) == (NOW + 50, 4)


def test_a_closed_breaker_takes_no_probe(db):
    seen = opened(db)
    destinations.close_breaker(db, "pacs", now=NOW)
    assert not destinations.take_probe(db, seen, now=NOW + 5, next_probe_at=NOW + 50)


def test_closing_makes_due_what_met_the_destination_and_not_what_it_refused(db, report_id):
    add_results(db, report_id, 4, now=NOW)
    add_results(db, report_id, 1, destinations=("archive",), now=NOW + 100)
    met, busy, full, refused = claim(db, destination="pacs")
    for parcel, status in ((met, None), (busy, 0x0110), (full, 0xA700), (refused, 0xC000)):
        outbox.mark_retry(db, parcel, owner="a", now=NOW, next_try_at=NOW + 900, status=status, error="x")
    opened(db)
    assert destinations.close_breaker(db, "pacs", now=NOW + 7) == 3
    assert [(row(db, p).next_try_at, row(db, p).attempts) for p in (met, busy, full)] == [(NOW + 7, 1)] * 3
    assert (row(db, refused).next_try_at, row(db, refused).attempts) == (NOW + 900, 1)
    assert claim(db, destination="archive", now=NOW + 8) == []


def test_closing_leaves_an_object_that_was_lost_often_to_its_own_wait_and_a_person_does_not(db, report_id):
    add_results(db, report_id, 2, now=NOW)
    for losses in range(1, LOST_OFTEN + 1):
        often, other = sorted(claim(db, now=NOW + losses), key=lambda parcel: parcel.outbox_id)
        for parcel in (often, other):
            outbox.mark_retry(db, parcel, owner="a", now=NOW, next_try_at=NOW + losses + 1, status=None, error="x")
        note_losses(db, [(often, NOW + 3600 if losses == LOST_OFTEN else None)])
    opened(db)
    assert destinations.close_breaker(db, "pacs", now=NOW + 3) == 1
    assert (row(db, often).losses, row(db, often).next_try_at) == (LOST_OFTEN, NOW + 3600)
    assert row(db, other).next_try_at == NOW + 3
    assert destinations.hasten(db, "pacs", now=NOW + 4) == 2
    assert (row(db, often).next_try_at, row(db, other).next_try_at) == (NOW + 4, NOW + 3)


def test_what_is_due_by_itself_when_the_breaker_closes_is_late_from_then_on(db, report_id):
    add_results(db, report_id, 1, now=NOW)
    (refused,) = claim(db)
    outbox.mark_retry(db, refused, owner="a", now=NOW, next_try_at=NOW + 1200, status=0xC000, error="x")
    opened(db)
    destinations.close_breaker(db, "pacs", now=NOW + 9 * 3600)
    (again,) = claim(db, now=NOW + 9 * 3600 + 1)
    assert again.first_try_at == NOW


def test_a_probe_that_is_not_answered_is_a_try_of_all_that_waits(db, report_id):
    add_results(db, report_id, 2, now=NOW)
    add_results(db, report_id, 1, destinations=("archive",), now=NOW)
    opened(db)
    destinations.note_silence(db, "pacs", now=NOW + 1, error="nobody")
    destinations.note_silence(db, "pacs", now=NOW + 2, error="still nobody")
    assert condition(db, "pacs").last_error == "still nobody"
    with db.read() as session:
        tried = [(r.destination, r.first_try_at) for r in session.query(Outbox).order_by(Outbox.id)]
    assert tried == [("pacs", NOW + 1), ("pacs", NOW + 1), ("archive", None)]
    assert give_up(db, "pacs", first_tried_before=NOW, reason="no") == 0
    assert give_up(db, "pacs", first_tried_before=NOW + 1, reason="no" * 400) == 2
    with db.read() as session:
        (dead,) = dead_letters(session)
    assert dead == {"destination": "pacs", "reason": ("no" * 400)[:500], "results": 2, "first_try_at": NOW + 1}


def test_what_waits_can_be_hastened_by_hand_and_the_probe_too(db, report_id):
    add_results(db, report_id, 1, now=NOW)
    (parcel,) = claim(db)
    outbox.mark_retry(db, parcel, owner="a", now=NOW, next_try_at=NOW + 3600, status=None, error="x")
    opened(db)
    assert destinations.probe_now(db, "pacs", now=NOW + 1)
    assert condition(db, "pacs").next_probe_at == NOW + 1
    assert destinations.hasten(db, "pacs", now=NOW + 2) == 1
    assert row(db, parcel).next_try_at == NOW + 2


def test_late_results_are_those_that_were_made_long_ago_and_wait(db, report_id):
    add_results(db, report_id, 5, destinations=("pacs", "archive"), now=NOW)
    sent, dead, leased, *_ = claim(db, destination="pacs")
    outbox.mark_sent(db, sent, now=NOW, status=0)
    outbox.mark_dead(db, dead, owner="a", now=NOW, status=0xA900, error="no")
    with db.read() as session:
        assert stuck(session, before=NOW) == {}
        found = stuck(session, before=NOW + 1)
    assert found == {"archive": {"results": 5, "since": NOW}, "pacs": {"results": 3, "since": NOW}}
    assert row(db, leased).state == "leased"


def test_the_rows_of_an_exam_are_found(db, report_id):
    add_results(db, report_id, 2, destinations=("pacs", "archive"))
    with db.read() as session:
        assert rows_of_exams(session, [1]) == [1, 2, 3, 4]
        assert rows_of_exams(session, [2]) == []


def test_a_proven_row_stays_proven_when_a_late_answer_comes(db, report_id):
    add_results(db, report_id, 1)
    (parcel,) = claim(db)
    assert outbox.mark_sent(db, parcel, now=NOW, status=0, proof_due_at=NOW + 9)
    assert row(db, parcel).proof_due_at == NOW + 9
    with db.write() as session:
        session.execute(update(Outbox).values(state="proven", proof_due_at=None))
    assert not outbox.mark_sent(db, parcel, now=NOW + 1, status=0, proof_due_at=NOW + 99)
    assert (row(db, parcel).state, row(db, parcel).proof_due_at) == ("proven", None)
    assert outbox.counts(db) == {"pacs": {"proven": 1}}
