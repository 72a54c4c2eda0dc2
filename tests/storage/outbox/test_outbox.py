import pytest

from storage import outbox
from tests.storage.outbox.rows import LEASE, NOW, add_results, attempts, claim, row


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
