"""How often no answer came for an object is counted in a row, and those that were lost come last."""

import pytest

from storage import outbox
from storage.losses import note_losses
from tests.storage.outbox.rows import NOW, add_results, claim, row


def lose(db, parcel, *, next_try_at=None):
    outbox.mark_retry(db, parcel, owner="a", now=NOW, next_try_at=NOW, status=None, error="cut off")
    note_losses(db, [(parcel, next_try_at)])


def test_losses_add_up_and_an_answer_or_a_person_ends_the_row(db, report_id):
    add_results(db, report_id)
    for losses in (1, 2):
        lose(db, *claim(db))
        assert row(db, *claim(db)).losses == losses
        outbox.release_leases(db, "a")
    (parcel,) = claim(db)
    outbox.mark_retry(db, parcel, owner="a", now=NOW, next_try_at=NOW, status=0xA700, error="full")
    assert row(db, parcel).losses == 0
    lose(db, *claim(db))
    (parcel,) = claim(db)
    outbox.mark_dead(db, parcel, owner="a", now=NOW, status=None, error="given up")
    assert row(db, parcel).losses == 1
    outbox.requeue(db, now=NOW)
    assert row(db, parcel).losses == 0
    lose(db, *claim(db))
    outbox.mark_sent(db, *claim(db), now=NOW, status=0)
    assert row(db, parcel).losses == 0


def test_a_next_try_may_be_set_with_a_loss(db, report_id):
    add_results(db, report_id)
    (parcel,) = claim(db)
    lose(db, parcel, next_try_at=NOW + 99)
    assert row(db, parcel).next_try_at == NOW + 99


@pytest.mark.parametrize("meanwhile", ["dead", "leased"])
def test_what_was_done_with_it_meanwhile_counts_more(db, report_id, meanwhile):
    add_results(db, report_id)
    (parcel,) = claim(db)
    if meanwhile == "dead":
        outbox.mark_dead(db, parcel, owner="a", now=NOW, status=None, error="given up")
    note_losses(db, [(parcel, NOW + 99)])
    assert (row(db, parcel).state, row(db, parcel).losses) == (meanwhile, 0)


def test_what_was_lost_comes_after_all_others_of_its_exam_and_of_other_exams(db, report_id):
    add_results(db, report_id, 3)
    lost, *others = claim(db)
    for parcel in others:
        outbox.mark_retry(db, parcel, owner="a", now=NOW, next_try_at=NOW, status=0xA700, error="full")
    lose(db, lost)
    assert [parcel.outbox_id for parcel in claim(db)] == [*(one.outbox_id for one in others), lost.outbox_id]
    outbox.release_leases(db, "a")
    add_results(db, report_id, 1, study="1.3", now=NOW + 5)
    (new,) = claim(db, now=NOW + 5)
    assert new.study_instance_uid == "1.3"


def test_where_the_destination_failed_the_object_was_not_tried(db, report_id):
    add_results(db, report_id)
    (parcel,) = claim(db)
    outbox.mark_retry(db, parcel, owner="a", now=NOW, next_try_at=NOW, status=None, error="down", tried=False)
    assert row(db, parcel).attempts == 0
