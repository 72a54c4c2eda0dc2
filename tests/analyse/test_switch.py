"""A model that is switched under a working node: no exam is judged by two, none is lost."""

import pytest
from pydicom import Dataset

from dcis_node.analyse.models import Models
from dcis_node.analyse.worker import do_next
from storage.pins import pin_bundle
from storage.schema import ViewAnalysis
from tests.analyse.nodes import Node
from tests.analyse.objects import FOR_PROCESSING, mammogram, other_class, reread
from tests.analyse.switching import Factory, FakeBundles, bundles_of_hashes

A, B, C = "a" * 64, "b" * 64, "c" * 64
pytestmark = pytest.mark.usefixtures("fast_decode")


@pytest.fixture
def bundles(bundle) -> FakeBundles:
    return FakeBundles(bundles_of_hashes(bundle, "a", "b", "c"))


@pytest.fixture
def build() -> Factory:
    return Factory()


@pytest.fixture(autouse=True)
def models(node: Node, bundles, build) -> Models:
    made = Models(bundles, build, monotonic=node.clock)
    node.put(models=made)
    return made


def reports_of(node: Node) -> list[tuple[str, set]]:
    """Give the bundle and the probabilities of each report."""
    return [(r.bundle_sha256, {view["probability"] for view in r.views}) for r in node.reports]


def structured_reports(node: Node) -> list[Dataset]:
    return [reread(node.files.read(result.sha256)) for result in node.results if result.modality == "SR"]


def text_of(report: Dataset) -> str:
    return "\n".join(str(element.value) for element in report.iterall())


def test_an_exam_begun_before_the_switch_is_finished_by_the_old_bundle_and_the_next_by_the_new(node, bundles):
    node.receive(mammogram(1, "R CC"), mammogram(2, "R MLO"))
    assert do_next(node.bench)
    bundles.choose(1)
    node.receive(mammogram(3, "L CC", patient="P2"), mammogram(4, "L MLO", patient="P2"))
    node.work()
    node.sweep()
    node.work()
    assert reports_of(node) == [(A, {0.1}), (B, {0.2})]
    assert [exam.bundle_sha256 for exam in node.exams] == [A, B]


def test_both_kinds_of_report_name_the_bundle_of_the_exam_in_full(node, bundles):
    node.report(mammogram(1, "R CC"))
    bundles.choose(1)
    node.report(mammogram(2, "R CC", patient="P2"))
    said = [(str(report.SOPClassUID), text_of(report)) for report in structured_reports(node)]
    assert len({kind for kind, _ in said}) == 2
    assert [(A in text, B in text) for _, text in said] == [(True, False)] * 2 + [(False, True)] * 2


def test_a_report_without_any_analysed_view_names_the_active_bundle_in_full(node):
    node.report(other_class(4, FOR_PROCESSING, "MG", PresentationIntentType="FOR PROCESSING"))
    (report,) = structured_reports(node)
    assert A in text_of(report)


def test_a_late_view_after_a_switch_is_judged_by_the_bundle_of_its_exam(node, bundles, build):
    node.report(mammogram(1, "R CC"))
    bundles.choose(1)
    node.report(mammogram(2, "R MLO"))
    assert reports_of(node) == [(A, {0.1}), (A, {0.1})]
    assert build.built == [A, B]
    assert len(node.rows(ViewAnalysis)) == 2


def test_if_the_bundle_of_an_exam_is_gone_all_its_views_are_judged_by_the_active_one(node, bundles):
    node.report(mammogram(1, "R CC"))
    bundles.choose(1)
    node.work()
    bundles.choose(2)
    bundles.broken.add(A)
    node.report(mammogram(2, "R MLO"))
    assert reports_of(node) == [(A, {0.1}), (C, {0.3})]
    assert node.exams[0].bundle_sha256 == C
    assert "Another model was used" in "".join(text_of(report) for report in structured_reports(node)[2:])


def test_a_switch_between_the_last_view_and_the_decision_does_not_reach_the_exam(node, bundles):
    node.receive(mammogram(1, "R CC"))
    node.work()
    node.sweep()
    bundles.choose(1)
    node.work()
    assert reports_of(node) == [(A, {0.1})]


def test_an_exam_without_an_analysed_view_is_not_bound_to_the_bundle_that_answered_it(node, bundles):
    node.report(other_class(4, FOR_PROCESSING, "MG", PresentationIntentType="FOR PROCESSING"))
    bundles.choose(1)
    node.report(mammogram(1, "R CC", patient="P1"))
    assert node.reports[0].bundle_sha256 == A
    assert {report.bundle_sha256 for report in node.reports[1:]} == {B}


def test_a_bundle_that_does_not_load_costs_no_exam(node, bundles, models):
    bundles.broken.add(B)
    bundles.choose(1)
    node.report(mammogram(1, "R CC"))
    assert reports_of(node) == [(A, {0.1})]
    assert models.state.refused


def test_another_worker_that_pins_meanwhile_is_followed(node, bundles, models, monkeypatch):
    node.receive(mammogram(1, "R CC"))
    bundles.choose(1)
    current = models.current

    def pinned_meanwhile():
        pin_bundle(node.db, 1, A, instead_of="")
        return current()

    monkeypatch.setattr(models, "current", pinned_meanwhile)
    node.work()
    node.sweep()
    node.work()
    assert reports_of(node) == [(A, {0.1})]
