"""A view whose worker was killed each time: its exam is answered, says so, and can be analysed once more."""

import pytest

from dcis_node.mammogram.facts import Reason
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


@pytest.mark.usefixtures("fast_decode")
def test_an_innocent_view_killed_twice_is_answered_for_and_its_exam_can_be_retried(node: Node):
    node.receive(mammogram(1, "R CC"))
    killed_over(node, 2)
    node.report(mammogram(2, "R MLO"))
    assert node.exams[0].state == "reported"
    assert node.reasons() == {"1.2.3.1": ANALYSIS_DIED, "1.2.3.2": "eligible"}
    assert retry_exam(node.db, 1)
    node.work()
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
