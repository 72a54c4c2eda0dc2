"""What kills its worker, again and again: tried twice, set aside with its reason, answered, and in nobody's way.

Each life of the worker is a process of its own, killed by the item as a crash in a library or the kernel would.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO

from dcis_node.analyse import worker
from dcis_node.analyse.workbench import Workbench
from dcis_node.analyse.worker import do_next
from dcis_node.errors import DeviceError
from dcis_node.mammogram.facts import MammogramHeader
from dcis_node.model.bundle import Bundle
from dcis_node.results.answer import ExamAnswer
from dcis_node.results.exam_results import build_results
from dcis_node.results.kinds import ResultKind
from storage.work import DIED, release_leases
from tests.analyse.nodes import FakeEnsemble, Node
from tests.analyse.objects import mammogram

FORK = multiprocessing.get_context("fork")
HUNG = 70

pytestmark = [pytest.mark.usefixtures("fast_decode"), pytest.mark.timeout(120)]


def die(*_arguments: object, **_options: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(*_arguments: object, **_options: object) -> None:
    while True:
        time.sleep(0.01)


class Poison:
    """Kills the worker over some views, over the answers of some studies, or over some objects that it reads."""

    def __init__(
        self,
        deed: Callable[..., None] = die,
        *,
        views: Collection[str] = (),
        studies: Collection[str] = (),
        hopeless: Collection[str] = (),
        rejections: bool = False,
        item_seconds: float = 600.0,
    ) -> None:
        self.deed, self.views, self.studies, self.hopeless = deed, views, studies, hopeless
        self.rejections, self.item_seconds = rejections, item_seconds

    def build(self, answer: ExamAnswer, kinds: Collection[ResultKind]):
        study = answer.images[0].header.study_instance_uid
        if study in self.hopeless or (study in self.studies and set(kinds) != {ResultKind.READABLE_REPORT}):
            self.deed()
        return build_results(answer, kinds)

    def live(self, folder: Path, bundle: Bundle, now: float) -> None:
        """Be one life of a worker; leaves when there is nothing to do."""
        real = worker.analyse_view

        def analyse(path: Path, header: MammogramHeader, **options: object):
            if header.sop_instance_uid in self.views:
                self.deed()
            return real(path, header, **options)

        worker.analyse_view = analyse
        if self.rejections:
            worker.prepare_report.__globals__["gather"].__globals__["read_exam_rejections"] = self.deed
        node = Node(folder, bundle, FakeEnsemble(bundle))
        bench = replace(
            node.bench,
            build=self.build,
            clock=lambda: now,
            hangs=lambda: os._exit(HUNG),
            settings=node.bench.settings.model_copy(update={"item_timeout_seconds": self.item_seconds}),
        )
        release_leases(node.db, bench.owner)
        # A view that is set aside is no work, and makes its exam ready.
        while do_next(bench) or do_next(bench):
            pass
        os._exit(0)


def lives(node: Node, folder: Path, poison: Poison) -> list[int]:
    """Let workers live and die until one finds nothing more to do; give how each ended."""
    ends: list[int] = []
    while not ends or ends[-1] != 0:
        process = FORK.Process(target=poison.live, args=(folder, node.ensemble.bundle, node.clock.now))
        process.start()
        process.join(60)
        assert process.exitcode is not None
        ends.append(process.exitcode)
        assert len(ends) < 20, "the worker dies without end"
    return ends


def ready(node: Node, *objects) -> None:
    """Receive exams and let their time pass; nothing is analysed yet."""
    node.receive(*objects)
    node.sweep()


def texts(node: Node, report: int) -> str:
    """Give all that the readable report says."""
    found = [r for r in node.results if r.report_id == report and r.kind == ResultKind.READABLE_REPORT]
    (result,) = found
    read = dcmread(DicomBytesIO(node.files.read(result.sha256)))
    return "\n".join(str(element.value) for element in read.iterall())


def test_a_poisoned_view_is_tried_twice_and_its_exam_answered_with_the_others(node: Node, tmp_path: Path):
    ready(node, mammogram(1, "R CC"), mammogram(2, "R MLO"), mammogram(3, "L CC", patient="P2"))
    ends = lives(node, tmp_path, Poison(views=["1.2.3.1"]))
    assert ends == [-signal.SIGKILL] * 2 + [0]
    assert (node.instance(1).analysis, node.instance(1).attempts) == ("failed", 2)
    assert [exam.state for exam in node.exams] == ["reported"] * 2
    # The other patient was answered before the second try: it waited for nothing but one restart.
    assert node.reports[0].exam_id == 2
    assert [view["reason"] for view in node.reports[1].views] == ["analysis_process_died", "eligible"]
    assert "The analysis process died each time it worked on this image." in texts(node, node.reports[1].id)
    assert node.work() == 0


def test_an_exam_of_poisoned_views_only_is_answered_as_not_analysed(node: Node, tmp_path: Path):
    ready(node, mammogram(1, "R CC"), mammogram(2, "R MLO"))
    assert len(lives(node, tmp_path, Poison(views=["1.2.3.1", "1.2.3.2"]))) == 5
    assert node.reports[0].decision["patient"]["risk"] == "not_analysed"
    assert "Not analysed: because both images could not be analysed, as the analysis process died" in texts(node, 1)


def test_a_poisoned_decision_gets_the_least_answer_and_blocks_nobody(node: Node, tmp_path: Path):
    ready(node, mammogram(1, "R CC"), mammogram(2, "L CC", patient="P2"))
    poisoned = mammogram(1, "R CC").StudyInstanceUID
    ends = lives(node, tmp_path, Poison(studies=[poisoned]))
    assert ends == [-signal.SIGKILL] * 2 + [0]
    first, second = node.exams
    assert (first.state, first.failure) == ("reported", DIED)
    assert (second.state, second.failure) == ("reported", "")
    report = next(report for report in node.reports if report.exam_id == first.id)
    assert [result.kind for result in node.results if result.report_id == report.id] == ["readable_report"]
    assert "as the analysis process died each time" in texts(node, report.id)
    assert any(parcel.result_id for parcel in node.parcels)
    assert len({parcel.result_id for parcel in node.parcels}) == len(node.results)


def test_an_object_that_kills_whoever_reads_it_is_not_read_for_the_least_answer(node: Node, tmp_path: Path):
    image = mammogram(1, "R CC")
    ready(node, image)
    assert lives(node, tmp_path, Poison(rejections=True)) == [-signal.SIGKILL] * 2 + [0]
    assert node.reasons() == {"1.2.3.1": "analysis_process_died"}


def test_where_the_least_answer_kills_too_the_exam_fails_in_sight(node: Node, tmp_path: Path):
    ready(node, mammogram(1, "R CC"), mammogram(2, "L CC", patient="P2"))
    poisoned = mammogram(1, "R CC").StudyInstanceUID
    assert lives(node, tmp_path, Poison(hopeless=[poisoned])) == [-signal.SIGKILL] * 5 + [0]
    first, second = node.exams
    assert (first.state, first.failure) == ("failed", DIED)
    assert second.state == "reported"


def test_a_view_without_end_is_ended_by_the_worker_itself(node: Node, tmp_path: Path):
    node.receive(mammogram(1, "R CC"), mammogram(2, "R MLO"))
    assert lives(node, tmp_path, Poison(hang, views=["1.2.3.1"], item_seconds=2.0)) == [HUNG, HUNG, 0]
    node.sweep()
    node.work()
    assert node.reasons() == {"1.2.3.1": "analysis_process_died", "1.2.3.2": "eligible"}


class Broken(FakeEnsemble):
    """A device that fails as told."""

    def predict_view(self, *arguments, **options):
        if self.error is not None:
            raise self.error
        return super().predict_view(*arguments, **options)


@pytest.mark.parametrize("spoilt", [True, False])
def test_a_view_whose_device_failed_waits_untried_however_often(node: Node, bundle: Bundle, spoilt: bool):
    node.receive(mammogram(1))
    node.ensemble.error = DeviceError("cuda failed: RuntimeError", spoilt=spoilt)
    for _ in range(4):
        if spoilt:
            with pytest.raises(DeviceError):
                do_next(node.bench)
        else:
            assert do_next(node.bench)
        assert not do_next(node.bench)
        node.clock.now += worker.DEVICE_RETRY_SECONDS
    assert (node.instance(1).analysis, node.instance(1).attempts) == ("pending", 0)
    node.ensemble.error = None
    assert do_next(node.bench)
    assert node.instance(1).analysis == "analysed"


def test_an_analysis_that_the_cpu_made_in_place_of_the_device_says_so(node: Node):
    node.ensemble.stood_in = True
    node.report(mammogram(1))
    assert node.reports[0].views[0]["notes"] == [worker.ON_CPU]


def test_a_worker_leaves_between_two_items_when_its_device_is_to_be_tried_again(node: Node):
    node.receive(mammogram(1), mammogram(2, "R MLO"))
    done: list[int] = []

    def enough() -> bool:
        done.append(1)
        return len(done) > 1

    bench: Workbench = node.bench
    worker.work_until(bench, multiprocessing.Event(), enough=enough)
    assert node.instance(1).analysis == "analysed"
    assert node.instance(2).analysis == "pending"
