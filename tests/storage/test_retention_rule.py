"""What may leave: held to an oracle that knows each condition by itself, and to what must never happen."""

import weakref
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.retention_rule import (
    DAY_SECONDS,
    KeptExam,
    Parcel,
    Stay,
    Terms,
    choose,
    may_lose_images,
    may_lose_results,
    may_lose_rows,
    why_it_stays,
)

NOW = 1_795_000_000.0
TERMS = Terms(30.0, 365.0, 700.0, least_days=1.0, unasked=frozenset({"archive"}), known=frozenset({"pacs", "archive"}))


def exam(days_ago=40.0, **changes):
    """Give an exam that was done so many days ago, by its report."""
    at = NOW - days_ago * DAY_SECONDS
    values = {"id": 1, "state": "reported", "last_at": at - 60, "reported_at": at, "images": 4, "image_bytes": 400}
    return KeptExam(**{**values, "others": 3, "parcels": (Parcel("pacs", "proven", at),), **changes})


def stays(of, terms=TERMS, **options):
    plan = choose([of], terms, now=NOW, **options)
    return None if plan.images or plan.results or plan.rows else next(iter(plan.staying))


def test_images_leave_after_their_days_and_not_before():
    assert stays(exam(30.0)) is None
    assert stays(exam(29.99)) == Stay.YOUNG


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "open"}, Stay.OPEN),
        ({"state": "due"}, Stay.OPEN),
        ({"at_work": True}, Stay.AT_WORK),
        ({"state": "failed"}, Stay.FAILED),
        ({"failed": True}, Stay.FAILED),
        ({"reported_at": None}, Stay.UNANSWERED),
        ({"parcels": (Parcel("pacs", "due"),)}, Stay.UNSENT),
        ({"parcels": (Parcel("pacs", "leased"),)}, Stay.UNSENT),
        ({"parcels": (Parcel("pacs", "dead"),)}, Stay.DEAD),
        ({"parcels": (Parcel("pacs", "sent", 1.0),)}, Stay.UNPROVEN),
        ({"parcels": (Parcel("pacs", "proven", 1.0), Parcel("pacs", "sent", 1.0))}, Stay.UNPROVEN),
        ({"images": 0, "held": 2}, Stay.COHORT),
    ],
)
def test_an_exam_that_is_not_done_stays_and_says_why(changes, reason):
    assert stays(exam(**changes)) == reason


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "failed", "reported_at": None, "parcels": ()},
        {"failed": True},
        {"failed": True, "parcels": (Parcel("pacs", "dismissed"),)},
    ],
)
def test_what_a_person_has_dismissed_leaves_its_days_after(changes):
    for days, reason in ((29.0, Stay.YOUNG), (31.0, None)):
        assert stays(exam(90.0, dismissed_at=NOW - days * DAY_SECONDS, **changes)) == reason


@pytest.mark.parametrize(("days", "reason"), [(29.0, Stay.YOUNG), (31.0, None)])
def test_days_of_a_dismissed_result_count_from_its_dismissal(days, reason):
    parcels = (Parcel("pacs", "dismissed", NOW - days * DAY_SECONDS), Parcel("pacs", "proven", 1.0))
    assert stays(exam(90.0, parcels=parcels)) == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": "open"}, Stay.OPEN),
        ({"at_work": True, "failed": True}, Stay.AT_WORK),
        ({"reported_at": None}, Stay.UNANSWERED),
        ({"failed": True, "parcels": (Parcel("pacs", "dead"),)}, Stay.DEAD),
        ({"failed": True, "parcels": (Parcel("pacs", "due"),)}, Stay.UNSENT),
    ],
)
def test_a_dismissal_covers_the_failure_and_nothing_else(changes, reason):
    assert stays(exam(90.0, dismissed_at=NOW - 80 * DAY_SECONDS, **changes)) == reason


@pytest.mark.parametrize("destination", ["archive", "one_that_is_gone"])
def test_sent_is_enough_where_nobody_asks_for_a_proof(destination):
    assert stays(exam(parcels=(Parcel(destination, "sent", 1.0),))) is None


def test_an_exam_without_results_to_send_and_one_without_images_are_done_by_themselves():
    assert stays(exam(parcels=())) is None
    report_alone = exam(400.0, state="idle", images=0, reported_at=None, parcels=())
    assert choose([report_alone], TERMS, now=NOW).results == (report_alone,)


def test_an_exam_that_was_fetched_beside_another_is_done_when_it_has_come():
    assert stays(exam(state="prior", reported_at=None, parcels=())) is None
    assert stays(exam(29.0, state="prior", reported_at=None, parcels=())) == Stay.YOUNG


def test_an_exam_in_a_state_that_the_rule_does_not_know_stays():
    assert stays(exam(state="something_new")) == Stay.UNANSWERED


def test_days_count_from_the_last_thing_that_happened():
    late = NOW - DAY_SECONDS
    assert stays(exam(parcels=(Parcel("pacs", "proven", late),))) == Stay.YOUNG
    assert stays(exam(last_at=late)) == Stay.YOUNG
    assert stays(exam(reported_at=late)) == Stay.YOUNG


def test_results_leave_when_the_images_have_and_rows_when_the_results_have():
    kept = exam(800.0)
    plan = choose([kept, replace(kept, id=2, images=0), replace(kept, id=3, images=0, others=0)], TERMS, now=NOW)
    assert [[e.id for e in step] for step in (plan.images, plan.results, plan.rows)] == [[1], [2], [3]]
    assert plan.staying == {}


def test_what_is_never_to_leave_stays_whatever_the_disk():
    never = Terms(0.0)
    assert stays(exam(5000.0), never, wanted_bytes=10**12) == Stay.NEVER
    assert stays(exam(5000.0, images=0), never) == Stay.NEVER
    assert stays(exam(5000.0, images=0, others=0), never) == Stay.NEVER


def test_on_a_nearly_full_disk_images_go_earlier_the_oldest_first_until_there_is_enough():
    kept = [exam(float(days), id=days) for days in (3, 10, 5, 2, 40)]
    plan = choose(kept, TERMS, now=NOW, wanted_bytes=900)
    assert ([e.id for e in plan.images], plan.early) == ([40, 10, 5], 2)
    assert plan.staying == {"young": 2}


def test_but_never_on_their_first_day():
    assert stays(exam(0.99), wanted_bytes=10**12) == Stay.YOUNG
    assert stays(exam(1.0), wanted_bytes=10**12) is None


@pytest.mark.parametrize("ahead", [0.001, 400.0])
def test_what_was_done_in_the_future_stays(ahead):
    assert stays(exam(-ahead), wanted_bytes=10**12) == Stay.YOUNG


parcels = st.builds(
    Parcel,
    destination=st.sampled_from(["pacs", "archive", "gone"]),
    state=st.sampled_from(["due", "leased", "dead", "dismissed", "sent", "proven"]),
    settled_at=st.floats(NOW - 1000 * DAY_SECONDS, NOW + DAY_SECONDS),
)
moments = st.floats(NOW - 1000 * DAY_SECONDS, NOW + 2 * DAY_SECONDS)
exams = st.builds(
    KeptExam,
    id=st.integers(1, 10**6),
    state=st.sampled_from(["idle", "prior", "open", "due", "failed", "reported", "reported", "reported"]),
    last_at=moments,
    reported_at=st.none() | moments,
    at_work=st.booleans(),
    failed=st.booleans(),
    dismissed_at=st.none() | moments,
    parcels=st.lists(parcels, max_size=3).map(tuple),
    images=st.integers(0, 3),
    image_bytes=st.integers(0, 500),
    held=st.integers(0, 1),
    others=st.integers(0, 2),
)
terms = st.builds(
    lambda days, least: Terms(
        days[0], days[1], days[2], min(least, days[0] or least), frozenset({"archive"}), frozenset({"pacs", "archive"})
    ),
    days=st.lists(st.sampled_from([0.0, 0.5, 30.0, 400.0]), min_size=3, max_size=3),
    least=st.sampled_from([0.0, 1.0]),
)
several = st.lists(exams, max_size=8, unique_by=lambda exam: exam.id)


@given(several, terms, st.integers(0, 3000))
def test_nothing_unsent_and_nothing_of_an_open_exam_is_ever_chosen(kept, settings, wanted):
    plan = choose(kept, settings, now=NOW, wanted_bytes=wanted)
    for chosen in (*plan.images, *plan.results, *plan.rows):
        assert chosen.state in {"reported", "idle", "prior"} or (chosen.state == "failed" and chosen.dismissed_at)
        assert not chosen.at_work
        assert not chosen.failed or chosen.dismissed_at
        for parcel in chosen.parcels:
            settled = parcel.state in {"proven", "dismissed"}
            assert settled or (parcel.state == "sent" and parcel.destination != "pacs")
    assert all(chosen.images for chosen in plan.images)
    assert not any(chosen.images or chosen.held for chosen in (*plan.results, *plan.rows))
    assert not any(chosen.others for chosen in plan.rows)


@given(several, terms, st.integers(0, 3000))
def test_the_images_chosen_are_the_oldest_that_may_go(kept, settings, wanted):
    """A prefix in age of what could go at all; and no more of it early than there is need of."""
    plan = choose(kept, settings, now=NOW, wanted_bytes=wanted)
    could = [e for e in kept if may_lose_images(e, settings, now=NOW, early=True)]
    could.sort(key=lambda e: (e.done_at, e.id))
    assert list(plan.images) == could[: len(plan.images)]
    in_time = [e for e in could if may_lose_images(e, settings, now=NOW)]
    assert len(plan.images) == len(in_time) + plan.early
    if plan.early:
        assert sum(e.image_bytes for e in plan.images[:-1]) < wanted


@given(several, terms, st.integers(0, 3000))
def test_every_exam_leaves_in_one_step_or_stays_for_one_reason(kept, settings, wanted):
    plan = choose(kept, settings, now=NOW, wanted_bytes=wanted)
    leaving = [e.id for e in (*plan.images, *plan.results, *plan.rows)]
    assert len(leaving) == len(set(leaving))
    assert len(leaving) + sum(plan.staying.values()) == len(kept)
    for e in kept:
        steps = (
            may_lose_images(e, settings, now=NOW),
            may_lose_results(e, settings, now=NOW),
            may_lose_rows(e, settings, now=NOW),
        )
        assert sum(steps) <= 1
        assert why_it_stays(e, settings) in Stay


def test_exams_of_which_nothing_leaves_are_counted_and_not_kept():
    known: list[weakref.ref[KeptExam]] = []
    most_alive = 0

    def exams():
        nonlocal most_alive
        for number in range(50):
            found = exam(1.5, id=number, images=0, held=number % 2, others=0)
            known.append(weakref.ref(found))
            yield found
            del found
            most_alive = max(most_alive, sum(one() is not None for one in known))

    plan = choose(exams(), replace(TERMS, rows_days=0.0), now=NOW, wanted_bytes=10)
    assert most_alive <= 1
    assert (plan.staying, plan.held) == ({Stay.NEVER: 25, Stay.COHORT: 25}, 25)
