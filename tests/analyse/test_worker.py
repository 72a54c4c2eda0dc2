import logging
import threading

import pytest
from pydicom import dcmread
from sqlalchemy import update

from dcis_node.analyse import worker
from dcis_node.analyse.bundles import OneBundle
from dcis_node.analyse.decode import decode_pixels
from dcis_node.analyse.worker import do_next, run_worker, work_until
from dcis_node.errors import DecoderError, StorageError
from dcis_node.mammogram.facts import Reason
from dcis_node.results.exam_results import build_results
from dcis_node.results.profiles import Destination, Profile
from storage.schema import Instance, ViewAnalysis
from storage.work import claim_instance, release_leases
from tests.analyse.nodes import EQUIPMENT, FakeEnsemble, Node, one_model
from tests.analyse.objects import (
    CT,
    FOR_PROCESSING,
    TOMOSYNTHESIS,
    compressed_garbage,
    encoded,
    key_object,
    mammogram,
    other_class,
    reread,
)

FOUR = ("R CC", "L CC", "R MLO", "L MLO")
RETRY = 6.0


def four_views(first: int = 1, **changes):
    return [mammogram(number, name, **changes) for number, name in enumerate(FOUR, first)]


def text_of(node: Node, result) -> str:
    """Give every value of a result as text."""
    return "\n".join(str(element.value) for element in reread(node.files.read(result.sha256)).iterall())


@pytest.mark.usefixtures("fast_decode")
class TestOneExam:
    def test_four_views_become_one_report_on_its_way(self, node: Node):
        node.report(*four_views())
        (report,) = node.reports
        assert report.version == 1
        assert report.decision["patient"]["probability"] == 0.75
        assert set(node.reasons().values()) == {"eligible"}
        assert [exam.state for exam in node.exams] == ["reported"]
        assert node.exams[0].completeness == "four_standard_views"
        assert sorted(result.modality for result in node.results) == ["SEG"] * 4 + ["SR"] * 5
        assert {parcel.result_id for parcel in node.parcels} == {result.id for result in node.results}
        assert all(node.files.exists(result.sha256) for result in node.results)

    def test_nothing_is_decided_before_the_exam_is_complete(self, node: Node):
        node.receive(*four_views())
        assert node.work() == 4
        assert node.sweep(later=1.0) == 0
        assert node.work() == 0
        assert node.sweep(later=10.0) == 1
        assert node.work() == 1

    def test_a_due_exam_comes_before_pending_views(self, node: Node):
        node.receive(mammogram(1))
        node.work()
        node.sweep()
        node.receive(mammogram(2, patient="P2"))
        assert do_next(node.bench)
        assert len(node.reports) == 1
        assert node.instance(2).analysis == "pending"

    def test_an_exam_waits_for_the_views_still_to_be_analysed(self, node: Node):
        node.receive(*four_views()[:2])
        node.sweep()
        assert node.work() == 3
        assert set(node.reasons().values()) == {"eligible"}

    def test_a_resend_of_the_same_images_makes_nothing_new(self, node: Node):
        node.report(*four_views()[:2])
        calls = len(node.ensemble.calls)
        node.report(*four_views()[:2])
        assert len(node.ensemble.calls) == calls == 2
        assert (len(node.reports), len(node.parcels)) == (1, 5)

    def test_a_late_view_gives_a_new_version_that_names_the_old_one(self, node: Node):
        node.report(*four_views()[:2])
        node.ensemble.probability = 0.25
        node.report(*four_views()[2:])
        first, second = node.reports
        assert (first.version, second.version) == (1, 2)
        assert len(node.ensemble.calls) == 4
        old = [result for result in node.results if result.report_id == first.id and result.modality == "SR"]
        new = [result for result in node.results if result.report_id == second.id and result.modality == "SR"]
        assert not {result.sop_instance_uid for result in old} & {result.sop_instance_uid for result in new}
        said = "".join(text_of(node, result) for result in new)
        assert "L MLO and R MLO came later and were added." in said
        assert all(result.sop_instance_uid in said for result in old)

    def test_an_image_that_comes_during_the_decision_takes_part_in_it(self, node: Node):
        late = four_views()[3]

        def build(answer, kinds):
            if len(answer.images) == 3:
                node.receive(late)
            return build_results(answer, kinds)

        node.put(build=build)
        node.report(*four_views()[:3])
        assert node.reports == []
        assert node.parcels == []
        node.sweep()
        node.work()
        assert len(node.reasons()) == 4
        assert node.reports[0].version == 1

    def test_a_repeated_exposure_replaces_the_earlier_one_and_is_said(self, node: Node):
        node.report(mammogram(1), mammogram(9, "R CC", AcquisitionTime="110000"))
        assert node.reasons()["1.2.3.1"] == "superseded_by_later_image"
        assert node.reasons()["1.2.3.9"] == "eligible"
        readable = next(result for result in node.results if result.modality == "SR")
        assert "later image" in text_of(node, readable)

    def test_another_model_analyses_the_views_again_when_the_exam_opens(self, node: Node, other_bundle):
        node.report(*four_views()[:2])
        other = FakeEnsemble(other_bundle, probability=0.125)
        node.put(models=one_model(other))
        node.report(mammogram(3, "R MLO"))
        assert len(other.calls) == 3
        assert node.reports[1].bundle_sha256 == other_bundle.sha256
        assert {view["probability"] for view in node.reports[1].views} == {0.125}

    def test_what_was_computed_once_is_never_computed_again(self, node: Node):
        node.receive(mammogram(1))
        node.work()
        with node.db.write() as session:
            session.execute(update(Instance).values(analysis="pending"))
        assert node.work() == 1
        assert node.instance(1).analysis == "analysed"
        assert len(node.ensemble.calls) == 1


@pytest.mark.usefixtures("fast_decode")
class TestWhatGoesWrong:
    def test_a_view_that_always_fails_is_tried_twice_and_reported_as_not_analysed(self, node: Node, caplog):
        node.ensemble.error = RuntimeError("Canary^Yellow")
        with caplog.at_level(logging.INFO):
            node.receive(mammogram(1))
            assert node.work() == 1
            assert node.work() == 0
            node.clock.now += RETRY
            assert node.work() == 1
            node.clock.now += RETRY
            assert node.work() == 0
        assert len(node.ensemble.calls) == 2
        node.ensemble.error = None
        node.report(mammogram(2, "R MLO"))
        assert node.reasons() == {"1.2.3.1": "analysis_failed", "1.2.3.2": "eligible"}
        assert "reason=analysis_failed error=RuntimeError at=nodes.py:" in caplog.text
        assert "Canary" not in caplog.text

    def test_a_decoder_that_dies_once_costs_a_second_try_only(self, node: Node, monkeypatch):
        faults = [DecoderError(Reason.PIXELS_UNDECODABLE, "died")]

        def flaky(path, settings, *, scratch):
            if faults:
                raise faults.pop()
            return dcmread(path).pixel_array

        monkeypatch.setattr("dcis_node.analyse.view.decode_pixels", flaky)
        node.receive(mammogram(1))
        node.work()
        assert node.instance(1).analysis == "pending"
        node.clock.now += RETRY
        node.work()
        assert node.instance(1).analysis == "analysed"

    def test_a_decoder_that_dies_twice_gives_its_reason(self, node: Node, monkeypatch):
        def dead(path, settings, *, scratch):
            raise DecoderError(Reason.PIXELS_OVER_LIMIT, "took too long")

        monkeypatch.setattr("dcis_node.analyse.view.decode_pixels", dead)
        node.receive(mammogram(1))
        for _ in range(2):
            node.work()
            node.clock.now += RETRY
        node.sweep()
        node.work()
        assert node.reasons() == {"1.2.3.1": "pixels_over_limit"}

    def test_pixels_of_another_size_than_the_header_tells_are_refused(self, node: Node, monkeypatch):
        monkeypatch.setattr(
            "dcis_node.analyse.view.decode_pixels", lambda path, settings, *, scratch: dcmread(path).pixel_array[1:]
        )
        node.report(mammogram(1))
        assert node.reasons() == {"1.2.3.1": "pixels_undecodable"}

    def test_an_image_without_a_breast_says_so(self, node: Node):
        node.report(mammogram(1, PixelData=bytes(2 * 256 * 192)))
        assert node.reasons() == {"1.2.3.1": "no_breast_found"}
        assert node.reports[0].decision["patient"]["risk"] == "not_analysed"

    def test_a_decision_that_fails_once_is_made_the_second_time(self, node: Node, caplog):
        faults = [ValueError("Canary^Yellow")]

        def build(answer, kinds):
            if faults:
                raise faults.pop()
            return build_results(answer, kinds)

        node.put(build=build)
        with caplog.at_level(logging.INFO):
            node.report(*four_views()[:2])
        assert node.reports == []
        assert "ValueError at test_worker.py:" in node.exams[0].failure
        node.clock.now += RETRY
        node.work()
        assert set(node.reasons().values()) == {"eligible"}
        assert (node.exams[0].state, node.exams[0].failure) == ("reported", "")
        assert "Canary" not in caplog.text

    def test_an_exam_that_cannot_be_decided_is_reported_as_not_analysed(self, node: Node):
        def build(answer, kinds):
            if any(image.prediction for image in answer.images):
                raise ValueError("a lesion that no object can hold")
            return build_results(answer, kinds)

        node.put(build=build)
        node.report(mammogram(1), mammogram(2, "R MLO", PresentationIntentType="FOR PROCESSING"))
        for _ in range(3):
            node.clock.now += RETRY
            node.work()
        assert node.reasons()["1.2.3.1"] == "analysis_failed"
        assert node.reports[0].decision["patient"]["risk"] == "not_analysed"
        assert [result.kind for result in node.results] == ["readable_report", "summary_image"]

    def test_an_exam_whose_stored_outline_is_damaged_still_gets_its_answer(self, node: Node):
        node.receive(mammogram(1))
        node.work()
        (analysis,) = node.rows(ViewAnalysis)
        node.files.path(analysis.mask_sha256).write_bytes(b"no picture")
        node.sweep()
        for _ in range(3):
            node.work()
            node.clock.now += RETRY
        assert node.reasons() == {"1.2.3.1": "analysis_failed"}

    def test_an_exam_that_cannot_even_be_reported_fails_in_sight_and_blocks_nobody(self, node: Node):
        def build(answer, kinds):
            if answer.images[0].header.study_instance_uid == "1.2.4.1":
                raise ValueError("never")
            return build_results(answer, kinds)

        node.put(build=build)
        node.report(mammogram(1), mammogram(2, patient="P2"))
        for _ in range(node.bench.settings.max_attempts + worker.LAST_RESORTS + 1):
            node.clock.now += RETRY
            node.work()
        assert [exam.state for exam in node.exams] == ["failed", "reported"]
        assert "ValueError" in node.exams[0].failure

    def test_an_index_that_cannot_be_used_does_not_end_the_loop(self, node: Node, monkeypatch, caplog):
        stop = threading.Event()
        rounds = []

        def unusable(_bench):
            rounds.append(1)
            if len(rounds) == 2:
                stop.set()
            raise StorageError("the index was busy")

        monkeypatch.setattr(worker, "do_next", unusable)
        monkeypatch.setattr(worker, "POLL_SECONDS", 0.0)
        work_until(node.bench, stop)
        assert len(rounds) == 2
        assert caplog.text.count("event=index_unusable seconds=0 error=StorageError text='the index was busy'") == 1

    def test_a_worker_that_lost_its_lease_writes_nothing(self, node: Node):
        def steal(image, mask, **_options):
            release_leases(node.db, node.bench.owner)
            return FakeEnsemble.predict_view(node.ensemble, image, mask)

        node.receive(mammogram(1))
        node.ensemble.predict_view = steal
        assert do_next(node.bench)
        assert node.instance(1).analysis == "pending"

    def test_when_told_to_stop_the_item_in_hand_is_finished_and_the_next_left(self, node: Node):
        stop = threading.Event()
        predict = node.ensemble.predict_view

        def told_meanwhile(*arguments, **options):
            stop.set()
            return predict(*arguments, **options)

        node.receive(*four_views())
        node.ensemble.predict_view = told_meanwhile
        work_until(node.bench, stop)
        assert sorted(node.instance(n).analysis for n in range(1, 5)) == ["analysed", "pending", "pending", "pending"]


class TestMixedBag:
    """With the real decoding child."""

    def test_each_object_has_its_reason_and_none_stops_another(self, node: Node):
        truncated = encoded(mammogram(7, "L MLO"))
        node.report(
            mammogram(1, "R CC"),
            mammogram(2, "R MLO"),
            mammogram(3, "L CC", EstimatedRadiographicMagnificationFactor="1.8"),
            other_class(4, FOR_PROCESSING, "MG", PresentationIntentType="FOR PROCESSING"),
            other_class(5, TOMOSYNTHESIS, "MG", NumberOfFrames=1),
            other_class(6, CT, "CT"),
            truncated[: len(truncated) // 2],
            compressed_garbage(8, "L MLO"),
            key_object(9),
            key_object(10, patient="P2"),
        )
        assert node.reasons() == {
            "1.2.3.1": "eligible",
            "1.2.3.2": "eligible",
            "1.2.3.3": "magnification_view",
            "1.2.3.4": "for_processing",
            "1.2.3.5": "tomosynthesis",
            "1.2.3.6": "not_mammography",
            "1.2.3.7": "pixels_truncated",
            "1.2.3.8": "pixels_undecodable",
        }
        assert len(node.reports) == 1
        assert [exam.state for exam in node.exams] == ["reported", "idle"]
        assert node.exams[0].completeness == "quiet"

    def test_an_exam_without_any_view_to_analyse_gets_a_readable_report_and_its_picture(self, node: Node):
        node.report(other_class(4, FOR_PROCESSING, "MG", PresentationIntentType="FOR PROCESSING"))
        assert node.reasons() == {"1.2.3.4": "for_processing"}
        report, picture = node.results
        assert "FOR PROCESSING" in text_of(node, report)
        assert (report.kind, picture.kind) == ("readable_report", "summary_image")
        assert node.reports[0].decision["patient"]["risk"] == "not_analysed"

    def test_an_exam_of_a_key_object_only_gets_no_report(self, node: Node):
        node.report(key_object(9))
        assert node.reports == []
        assert node.exams[0].state == "idle"


def test_the_real_ensemble_works_through_an_exam_until_told_to_stop(node: Node, bundle):
    stop = threading.Event()
    beats = []

    def beat(state) -> None:
        beats.append(state["sha256"])
        if node.reports:
            stop.set()

    node.receive(mammogram(1, "R CC"), mammogram(2, "R MLO"))
    node.sweep()
    claim_instance(node.db, owner="analyse-0@test", now=node.clock.now, lease_seconds=1e6)
    run_worker(
        db=node.db,
        files=node.files,
        bundles=OneBundle(bundle),
        settings=node.bench.settings.model_copy(update={"threads": 1, "device": "cpu"}),
        equipment=EQUIPMENT,
        destinations=(Destination("pacs", Profile.OHIF),),
        owner="analyse-0@test",
        stop=stop,
        beat=beat,
        clock=node.clock,
    )
    assert set(beats) == {bundle.sha256}
    assert set(node.reasons().values()) == {"eligible"}
    assert {i.attempts for i in (node.instance(1), node.instance(2))} == {1, 2}


def test_the_child_decodes_what_the_fast_tests_decode(node: Node):
    node.receive(mammogram(1))
    path = node.files.path(node.instance(1).sha256)
    pixels = decode_pixels(path, node.bench.settings, scratch=node.files.incoming)
    assert (pixels == dcmread(path).pixel_array).all()
