"""A machine that is short of something costs no view its analysis and no exam its answer."""

import errno

import pytest
from pydicom import dcmread

from dcis_node.analyse import worker
from dcis_node.errors import MachineError
from dcis_node.results.exam_results import build_results
from tests.analyse.nodes import Node
from tests.analyse.objects import mammogram

RETRY = 6.0
pytestmark = pytest.mark.usefixtures("fast_decode")


@pytest.mark.parametrize(
    "error", [MachineError("too little room"), OSError(errno.ENOSPC, "no space", "/home/canary")], ids=str
)
def test_a_full_disk_costs_no_view_its_analysis_however_long_it_lasts(node: Node, monkeypatch, caplog, error):
    full = [True]

    def decode(path, settings, *, scratch):
        if full:
            raise error
        return dcmread(path).pixel_array

    monkeypatch.setattr("dcis_node.analyse.view.decode_pixels", decode)
    node.receive(mammogram(1))
    for _ in range(10):
        assert node.work() == 1
        assert (node.instance(1).analysis, node.instance(1).attempts) == ("pending", 0)
        node.clock.now += worker.MACHINE_RETRY_SECONDS
    full.clear()
    assert node.work() == 1
    assert node.instance(1).analysis == "analysed"
    assert caplog.text.count("event=view_waits_for_machine instance=1") == 10
    assert "canary" not in caplog.text


def test_a_full_disk_costs_no_exam_its_answer_however_long_it_lasts(node: Node, caplog):
    full = [True]

    def build(answer, kinds):
        if full:
            raise OSError(errno.ENOSPC, "no space", "/home/canary")
        return build_results(answer, kinds)

    node.put(build=build)
    node.report(mammogram(1), mammogram(2, "R MLO"))
    for _ in range(10):
        assert (node.exams[0].state, node.exams[0].attempts, node.exams[0].failure) == ("due", 0, "")
        node.clock.now += worker.MACHINE_RETRY_SECONDS
        node.work()
    full.clear()
    node.clock.now += worker.MACHINE_RETRY_SECONDS
    node.work()
    assert set(node.reasons().values()) == {"eligible"}
    assert (node.exams[0].state, node.exams[0].failure) == ("reported", "")
    assert "event=exam_waits_for_machine exam=1 error=ENOSPC" in caplog.text
    assert "canary" not in caplog.text


def test_a_file_that_cannot_be_read_is_told_and_can_be_retried(node: Node, monkeypatch):
    def broken(path, settings, *, scratch):
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr("dcis_node.analyse.view.decode_pixels", broken)
    node.receive(mammogram(1))
    for _ in range(2):
        node.work()
        node.clock.now += RETRY
    assert (node.instance(1).analysis, node.instance(1).reason) == ("failed", "analysis_failed")
