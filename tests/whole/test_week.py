"""A compressed day of the long proof (`benchmarks.week`), and that its accounts would tell of a loss."""

from dataclasses import replace

import pytest

from benchmarks import accounts
from benchmarks.recording_pacs import RecordingPacs
from benchmarks.week import Load, bars, run
from benchmarks.week_plan import AWAY, HOURS, KILL, count_images, plan, troubles
from benchmarks.week_plot import Sample
from benchmarks.week_samples import growth, nights

# A day of some seconds has no night in which all is done, and memory cannot show in it whether it grows.
OF_A_WEEK = {"the queues are empty each night", "memory is flat"}


def missed(figures):
    return {name.partition(":")[0] for name, held in bars(figures).items() if not held} - OF_A_WEEK


# The node starts twice, and each start loads torch twice: on a machine with much else to do that takes its time.
@pytest.mark.timeout(480)
def test_a_day_with_an_outage_and_a_kill_of_everything_loses_nothing_and_doubles_nothing(tmp_path):
    figures = run(tmp_path, Load(days=1, exams_a_day=4, day_seconds=20.0, seed=4, troubles=(AWAY, KILL)))
    assert missed(figures) == set()
    assert {name for name, *_ in figures["troubles"]} == {AWAY, KILL}
    assert figures["results"]["results"] >= 4 * 2
    lost = replace_in(figures, "images", lost=1)
    twice = replace_in(figures, "results", uids_with_differing_bytes=1)
    silent = replace_in(figures, "answered", without_answer=1)
    assert [len(missed(one)) for one in (lost, twice, silent)] == [1, 1, 1]


def replace_in(figures, part, **values):
    return {**figures, part: {**figures[part], **values}}


def test_a_week_is_planned_from_its_seed_and_has_all_that_a_hospital_sends():
    sendings = plan(days=7, exams_a_day=400, seed=6)
    assert sendings == plan(days=7, exams_a_day=400, seed=6)
    assert {sending.exam for sending in sendings} == set(range(1, 2801))
    assert {sending.name.partition("-")[0] for sending in sendings} == {"exam", "late", "again"}
    assert any(sending.raw for sending in sendings)
    assert 2800 * 3.5 < count_images(sendings) < 2800 * 4
    assert [one.name for one in troubles(7, (KILL, AWAY))] == [AWAY, KILL]
    assert all(one.until < HOURS for one in troubles(1, (KILL, AWAY)))


def sample(at, memory, **waiting):
    queues = dict.fromkeys(("views", "exams", "outbox", "modalities"), 0)
    return Sample(at, {**queues, **waiting}, 0.0, 0.0, {"analyse-0": memory})


def test_memory_that_grows_is_seen_in_the_longest_life_of_a_process():
    lives = [sample(hour, (7, 500.0)) for hour in range(20)]
    lives += [sample(20 + hour, (8, 100.0 + hour)) for hour in range(48)]
    (one,) = growth(lives).values()
    assert one["mib_a_day"] == 24.0
    assert growth([sample(hour, (7, 500.0)) for hour in range(48)])["analyse-0"]["mib_a_day"] == 0.0


def test_a_night_in_which_something_always_waits_is_told():
    busy = [sample(hour, (7, 1.0), outbox=int(hour < 30)) for hour in range(49)]
    assert nights(busy, 2) == [True, True]
    assert nights([replace(one, waiting={**one.waiting, "views": 1}) for one in busy], 2) == [False, False]


def test_a_report_that_nothing_follows_and_none_replaces_is_the_current_one():
    pacs = RecordingPacs()
    one = accounts.Answered(1, "reported", "1.2", (1,), (frozenset({"1.2.3"}),), ("1.2.3",))
    assert not accounts.is_one_current(one, pacs)
