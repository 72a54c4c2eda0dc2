"""A peer that is away for hours in every way, on a virtual clock: the short run of `benchmarks/peer_down.py`."""

from benchmarks.outage import WAYS, Plan, held, outage


def test_everything_arrives_once_soon_after_the_peer_is_back(tmp_path):
    plan = Plan(seconds=2 * 3600.0, exams=5, results_of_exam=3, rounds=1, restarts=1)
    with outage(tmp_path, plan, seed=5) as run:
        figures = run.measure()
    assert [name for name, is_held in held(figures).items() if not is_held] == []
    assert figures["delivered"] == 15
    assert set(figures["probes"]) == {*(way.name for way in WAYS), "after the return"}


def test_the_bars_are_missed_by_a_lost_a_late_a_repeated_or_an_altered_result():
    good = {
        "results": 3, "delivered": 3, "uids_at_the_peer": 3, "stored_more_than_once": 0,
        "uids_with_differing_bytes": 0, "first_delivery_seconds": 899.0,
    }  # fmt: skip
    assert all(held(good).values())
    for key, value in (
        ("delivered", 2),
        ("uids_at_the_peer", 2),
        ("stored_more_than_once", 1),
        ("uids_with_differing_bytes", 1),
        ("first_delivery_seconds", 901.0),
        ("first_delivery_seconds", None),
    ):
        assert list(held({**good, key: value}).values()).count(False) == 1, key
