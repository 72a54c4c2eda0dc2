"""Time in which nobody tried does not count as tried, and no moment of it lies ahead."""

import pytest
from sqlalchemy import update

from storage import destinations, outbox
from storage.schema import Outbox
from storage.trying import MOST_LATE_SECONDS
from tests.storage.outbox.rows import NOW, add_results, claim, row

LONG = 30 * 86400.0


@pytest.fixture
def waiting(db, report_id):
    """Give a row that was tried first at NOW, and is due an hour later."""
    add_results(db, report_id)
    (parcel,) = claim(db)
    outbox.mark_retry(db, parcel, owner="a", now=NOW, next_try_at=NOW + 3600, status=None, error="x")
    return parcel


@pytest.mark.parametrize(("late", "moved"), [(0.0, 0.0), (MOST_LATE_SECONDS, 0.0), (LONG, LONG)])
def test_a_claim_that_is_late_moves_the_first_try_by_what_it_is_late(db, waiting, late, moved):
    (again,) = claim(db, now=NOW + 3600 + late)
    assert again.first_try_at == NOW + moved


def test_a_first_claim_is_never_late(db, report_id):
    add_results(db, report_id)
    assert claim(db, now=NOW + LONG)[0].first_try_at == NOW + LONG


def test_a_first_try_in_the_future_is_now(db, waiting):
    with db.write() as session:
        session.execute(update(Outbox).values(first_try_at=NOW + LONG))
    assert claim(db, now=NOW + 3600)[0].first_try_at == NOW + 3600


def test_a_first_try_that_was_right_is_moved_no_further_than_to_now(db, waiting):
    with db.write() as session:
        session.execute(update(Outbox).values(next_try_at=NOW - LONG))
    assert claim(db, now=NOW + 5)[0].first_try_at == NOW + 5


def test_the_breaker_opens_with_what_counts_alone(db, waiting):
    destinations.note_failures(db, "pacs", count=3, now=NOW, error="down")
    assert destinations.open_breaker(db, "pacs", now=NOW + 3600 + LONG, next_probe_at=NOW + 3601 + LONG)
    assert row(db, waiting).first_try_at == NOW + LONG


@pytest.mark.parametrize(("late", "moved"), [(MOST_LATE_SECONDS, 0.0), (LONG, LONG)])
def test_a_probe_that_is_late_moves_it_once_for_all_that_waits(db, waiting, late, moved):
    destinations.note_failures(db, "pacs", count=3, now=NOW, error="down")
    destinations.open_breaker(db, "pacs", now=NOW, next_probe_at=NOW + 10)
    seen = destinations.condition(db, "pacs")
    for won in (True, False):
        taken = destinations.take_probe(db, seen, now=NOW + 10 + late, next_probe_at=NOW + 20 + late)
        assert taken == won
    assert row(db, waiting).first_try_at == NOW + moved


def test_a_silence_brings_back_what_lies_ahead(db, waiting):
    with db.write() as session:
        session.execute(update(Outbox).values(first_try_at=NOW + LONG))
    destinations.note_failures(db, "pacs", count=3, now=NOW, error="down")
    destinations.open_breaker(db, "pacs", now=NOW + LONG, next_probe_at=NOW + 10)
    destinations.note_silence(db, "pacs", now=NOW + 5, error="nobody")
    assert row(db, waiting).first_try_at == NOW + 5


def test_a_probe_that_a_person_asks_for_stays_as_late_as_it_is(db):
    destinations.note_failures(db, "pacs", count=3, now=NOW, error="down")
    destinations.open_breaker(db, "pacs", now=NOW, next_probe_at=NOW + 10)
    assert destinations.probe_now(db, "pacs", now=NOW + LONG)
    assert destinations.condition(db, "pacs").next_probe_at == NOW + 10
