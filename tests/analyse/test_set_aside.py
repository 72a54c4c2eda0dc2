"""A view whose worker was killed each time: its exam is answered, says so, and can be analysed once more."""

import pytest

from dcis_node.mammogram.facts import Reason
from storage.overview import failed_exams
from storage.schema import Exam, Instance
from storage.work import ANALYSIS_DIED, ELIGIBLE, SET_ASIDE, claim_instance, fail_view, release_leases, retry_exam
from tests.analyse.nodes import Node
from tests.analyse.objects import mammogram


def test_the_names_are_those_of_the_reasons():
    assert set(SET_ASIDE) == {Reason.ANALYSIS_FAILED, Reason.ANALYSIS_DIED}
    assert (ANALYSIS_DIED, ELIGIBLE) == (Reason.ANALYSIS_DIED, Reason.ELIGIBLE)


def killed_over(node: Node, times: int) -> None:
    """Let a worker take the next view and die, as by kill -9."""
    for _ in range(times):
        assert claim_instance(node.db, owner="killed", now=node.clock.now, lease_seconds=100.0) is not None
        assert release_leases(node.db, "killed") == 1


def failures(node: Node) -> list[tuple[int, str, str]]:
    with node.db.read() as session:
        return [(one["exam"], one["state"], one["failure"]) for one in failed_exams(session)]


@pytest.mark.usefixtures("fast_decode")
def test_an_innocent_view_killed_twice_is_answered_for_and_its_exam_can_be_retried(node: Node):
    node.receive(mammogram(1, "R CC"))
    killed_over(node, 2)
    node.report(mammogram(2, "R MLO"))
    assert node.exams[0].state == "reported"
    assert node.reasons() == {"1.2.3.1": ANALYSIS_DIED, "1.2.3.2": "eligible"}
    assert failures(node) == [(1, "reported", f"answered without views that were set aside: 1 x {ANALYSIS_DIED}")]
    assert retry_exam(node.db, 1)
    node.work()
    assert failures(node) == []
    assert [report.version for report in node.reports] == [1, 2]
    assert set(node.reasons(2).values()) == {"eligible"}
    assert not retry_exam(node.db, 1)


@pytest.mark.usefixtures("fast_decode")
def test_a_view_whose_pixels_are_at_fault_is_not_tried_again(node: Node):
    node.receive(mammogram(1, "R CC"))
    claim = claim_instance(node.db, owner="w", now=node.clock.now, lease_seconds=100.0)
    assert fail_view(node.db, claim, reason="pixels_undecodable")
    node.report(mammogram(2, "R MLO"))
    assert not retry_exam(node.db, 1)
    assert node.instance(1).reason == "pixels_undecodable"
    assert failures(node) == []


@pytest.mark.usefixtures("fast_decode")
def test_exams_to_look_at_stand_newest_first_and_no_more_than_asked_for(node: Node):
    for number in (1, 2, 3):
        node.clock.now += 1
        node.receive(mammogram(number, patient=f"P{number}"))
        if number == 2:
            node.work()
        else:
            killed_over(node, 2)
    node.report()
    with node.db.write() as session:
        session.get_one(Exam, 2).failure = "of a test"
    assert [exam for exam, _, _ in failures(node)] == [3, 2, 1]
    with node.db.read() as session:
        assert [one["exam"] for one in failed_exams(session, limit=2)] == [3, 2]


@pytest.mark.usefixtures("fast_decode")
def test_a_view_whose_image_has_left_is_nothing_to_look_at_or_to_retry_any_more(node: Node):
    node.receive(mammogram(1, "R CC"))
    killed_over(node, 2)
    node.report(mammogram(2, "R MLO"))
    assert failures(node)
    with node.db.write() as session:
        session.get_one(Instance, 1).removed_at = node.clock.now
    assert failures(node) == []
    assert not retry_exam(node.db, 1)
