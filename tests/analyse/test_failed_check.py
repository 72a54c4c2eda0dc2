"""What becomes of an exam whose results fail their check: no object of them, an answer, and the reason in sight."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from dcis_node.analyse.worker import LAST_RESORTS
from dcis_node.cli import app
from dcis_node.errors import ResultError
from dcis_node.results import exam_results
from dcis_node.results.check.results import check_results
from dcis_node.results.exam_results import build_results
from dcis_node.results.kinds import ResultKind
from dcis_node.results.profiles import Profile
from storage.overview import failed_exams, trace
from storage.schema import Exam
from storage.work import retry_exam
from tests.analyse.nodes import Node
from tests.analyse.objects import mammogram

RETRY = 6.0
FAILURE = "the results failed their check: segmentation: a segmentation holds another mask"


class Broken:
    """Builds as the node does, but alters the last segmentation of an answer that holds an analysis, while it is told.

    What it alters goes through the node's own check, as everything that is built does.
    """

    def __init__(self):
        self.faulty, self.calls = True, 0

    def __call__(self, answer, kinds):
        results = build_results(answer, kinds)
        if not self.faulty or not any(image.prediction for image in answer.images):
            return results
        self.calls += 1
        last = [result for result in results if result.modality == "SEG"][-1]
        pixels = bytearray(last.data)
        pixels[-100] ^= 1
        altered = [replace(last, data=bytes(pixels)) if result is last else result for result in results]
        check_results(answer, altered, kinds)
        raise AssertionError("the altered object passed")


def answered(node: Node, rounds: int = 3) -> None:
    for _ in range(rounds):
        node.clock.now += RETRY
        node.work()


@pytest.fixture
def broken(node: Node) -> Broken:
    build = Broken()
    node.put(build=build)
    return build


@pytest.mark.usefixtures("fast_decode")
class TestAFailedCheck:
    def test_nothing_of_it_is_stored_or_sent_and_its_reason_stands_with_the_exam(self, node: Node, broken, caplog):
        node.receive(mammogram(1), mammogram(2, "R MLO"))
        node.work()
        before = set(node.files.digests())
        node.sweep()
        node.work()
        assert broken.calls == 1
        assert (node.reports, node.results, node.parcels) == ([], [], [])
        assert set(node.files.digests()) == before
        assert node.exams[0].state == "due"
        assert node.exams[0].failure.startswith(FAILURE)
        assert f"event=exam_failed exam=1 attempt=1 failure='{FAILURE}" in caplog.text

    @pytest.mark.parametrize("allowed", [1, 2, 5])
    def test_it_is_tried_once_more_at_most_and_then_answered_without_the_analysis(self, node: Node, broken, allowed):
        node.put(settings=node.bench.settings.model_copy(update={"max_attempts": allowed}))
        node.report(mammogram(1))
        answered(node)
        assert broken.calls == min(allowed, 2)
        assert node.reasons() == {"1.2.3.1": "analysis_failed"}
        assert {result.kind for result in node.results} == {"readable_report", "summary_image"}
        assert len(node.parcels) == len(node.results)
        assert node.exams[0].state == "reported"
        assert node.exams[0].failure.startswith(FAILURE)

    def test_another_fault_is_tried_as_often_as_allowed(self, node: Node):
        calls = []

        def build(answer, kinds):
            if any(image.prediction for image in answer.images):
                calls.append(1)
                raise ValueError("of the machine, perhaps")
            return build_results(answer, kinds)

        node.put(build=build, settings=node.bench.settings.model_copy(update={"max_attempts": 4}))
        node.report(mammogram(1))
        answered(node, 5)
        assert len(calls) == 4
        assert "ValueError at test_failed_check.py:" in node.exams[0].failure

    def test_the_administrator_sees_it_and_why_on_every_path(self, node: Node, broken, tmp_path, caplog):
        node.report(mammogram(1))
        answered(node)
        config = configured(node, tmp_path)
        for command in (["status"], ["exams"], ["trace", "1"]):
            for extra in ([], ["--json"]):
                result = CliRunner().invoke(app, [*command, "--config", config, *extra], env={"COLUMNS": "200"})
                said = " ".join(result.stdout.split())
                assert FAILURE in said, command
                assert result.exit_code == (1 if command == ["status"] else 0)
        assert "event=exam_answered_without_analysis exam=1" in caplog.text
        with node.db.read() as session:
            assert [e["exam"] for e in failed_exams(session)] == [1]
            assert trace(session, "1")[0]["failure"].startswith(FAILURE)

    def test_retry_after_a_repair_gives_the_analysis_as_a_new_version_and_ends_the_failure(
        self, node: Node, broken, tmp_path
    ):
        node.report(mammogram(1))
        answered(node)
        broken.faulty = False
        again = CliRunner().invoke(app, ["retry", "1.2.3.1", "--config", configured(node, tmp_path), "--json"])
        assert (again.exit_code, json.loads(again.stdout)) == (0, {"exams": [1]})
        node.work()
        assert [report.version for report in node.reports] == [1, 2]
        assert node.reasons(2) == {"1.2.3.1": "eligible"}
        assert (node.exams[0].state, node.exams[0].failure) == ("reported", "")
        assert not retry_exam(node.db, 1)

    def test_retry_without_a_repair_ends_as_before_and_sends_nothing_twice(self, node: Node, broken):
        node.report(mammogram(1))
        answered(node)
        parcels = len(node.parcels)
        assert retry_exam(node.db, 1)
        answered(node)
        assert (len(node.reports), len(node.parcels)) == (1, parcels)
        assert node.exams[0].state == "reported"
        assert node.exams[0].failure.startswith(FAILURE)

    def test_a_late_view_that_can_be_answered_ends_the_failure(self, node: Node, broken):
        node.report(mammogram(1))
        answered(node)
        broken.faulty = False
        node.report(mammogram(2, "R MLO"))
        assert (node.exams[0].state, node.exams[0].failure) == ("reported", "")

    def test_where_even_the_last_answer_fails_the_exam_is_failed_with_the_reason_and_retry_revives_it(self, node: Node):
        def never(answer, kinds):
            raise ResultError("nothing can be made of it")

        node.put(build=never)
        node.report(mammogram(1))
        answered(node, 5)
        assert node.exams[0].state == "failed"
        assert "nothing can be made of it" in node.exams[0].failure
        assert node.parcels == []
        with node.db.read() as session:
            assert [e["state"] for e in failed_exams(session)] == ["failed"]
        node.put(build=build_results)
        assert retry_exam(node.db, 1)
        node.work()
        assert node.exams[0].state == "reported"

    def test_an_exam_whose_workers_died_says_so(self, node: Node):
        node.receive(mammogram(1))
        node.work()
        node.sweep()
        with node.db.write() as session:
            session.scalars(select(Exam)).one().attempts = node.bench.settings.max_attempts
        node.work()
        assert (node.exams[0].state, node.exams[0].failure) == ("reported", "the worker died while it decided the exam")

    def test_workers_that_die_over_the_last_resort_too_do_not_leave_it_without_an_answer(self, node: Node):
        node.receive(mammogram(1))
        node.work()
        node.sweep()
        with node.db.write() as session:
            session.scalars(select(Exam)).one().attempts = node.bench.settings.max_attempts + LAST_RESORTS - 1
        node.work()
        assert (node.exams[0].state, node.exams[0].failure) == ("reported", "the worker died while it decided the exam")
        assert [result.kind for result in node.results] == ["readable_report"]

    def test_where_no_picture_can_be_made_the_exam_is_answered_by_text_alone(self, node: Node):
        def no_picture(answer, kinds):
            if set(kinds) != {ResultKind.READABLE_REPORT}:
                raise ResultError("summary_image: cannot be drawn")
            return build_results(answer, kinds)

        node.put(build=no_picture)
        node.report(mammogram(1))
        answered(node, 4)
        assert [result.kind for result in node.results] == ["readable_report"]
        assert (node.exams[0].state, node.reasons()) == ("reported", {"1.2.3.1": "analysis_failed"})
        assert "cannot be drawn" in node.exams[0].failure

    def test_an_exam_in_order_cannot_be_retried(self, node: Node, tmp_path):
        node.report(mammogram(1))
        result = CliRunner().invoke(app, ["retry", "1", "--config", configured(node, tmp_path)])
        assert result.exit_code == 1
        assert node.exams[0].state == "reported"


@pytest.mark.usefixtures("fast_decode")
class TestRealFaults:
    """A fault of the code itself, from the stored image to the report: the node's own builders, one thing wrong."""

    @pytest.mark.parametrize(
        ("builder", "words"),
        [("build_segmentation", "holds another mask"), ("build_presentation", "does not lie on the mask")],
    )
    def test_a_mirrored_object_is_never_sent(self, node: Node, monkeypatch, builder, words):
        right = getattr(exam_results, builder)

        def mirrored(answer, image, lesion, **names):
            turned = replace(image, prediction=replace(image.prediction, mask=image.prediction.mask[:, ::-1]))
            lesions = exam_results.lesions_of(replace(answer, images=(turned,)))
            return right(answer, turned, lesions[turned.header.sop_instance_uid], **names)

        monkeypatch.setattr(exam_results, builder, mirrored)
        node.put(destinations=tuple(replace(d, profile=Profile.ARCHIVE) for d in node.bench.destinations))
        node.report(mammogram(1))
        answered(node)
        assert words in node.exams[0].failure
        assert {result.modality for result in node.results} <= {"SR", "OT"}
        assert node.reasons() == {"1.2.3.1": "analysis_failed"}

    def test_a_mask_that_lies_in_air_is_never_sent(self, node: Node):
        predict = node.ensemble.predict_view

        def mirrored(*arguments, **options):
            prediction = predict(*arguments, **options)
            mask = np.zeros_like(prediction.mask)
            # In a corner of the image, where no breast is.
            mask[2:12, -12:-2] = True
            return replace(prediction, mask=mask)

        node.ensemble.predict_view = mirrored
        node.report(mammogram(1, "L CC"))
        answered(node)
        assert "what was outlined lies in air beside the breast of 1.2.3.1" in node.exams[0].failure
        assert node.reasons() == {"1.2.3.1": "analysis_failed"}

    @pytest.mark.parametrize(
        ("keyword", "value"),
        [
            ("PatientName", "Canary^Yellow"),
            ("PatientID", "CANARY-4711"),
            ("AccessionNumber", "CANARY-0815"),
            ("PatientBirthDate", "19331231"),
        ],
    )
    def test_no_failure_quotes_the_patient(self, node: Node, monkeypatch, caplog, keyword, value):
        right = exam_results.build_readable

        def leaking(answer, *rest):
            found = answer.decision.probability is not None
            return right(replace(answer, completeness=f"Of {value} all views came.") if found else answer, *rest)

        monkeypatch.setattr(exam_results, "build_readable", leaking)
        with caplog.at_level(logging.DEBUG):
            node.report(mammogram(1, **{keyword: value}))
            answered(node)
        assert "names the patient" in node.exams[0].failure
        assert value not in node.exams[0].failure
        assert value not in caplog.text


def configured(node: Node, folder) -> str:
    """Give a configuration of the node's index for the command line."""
    path = folder / "config.toml"
    path.write_text(f'[storage]\nindex_url = "{node.url}"\n')
    return str(path)
