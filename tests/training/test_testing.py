import json
from datetime import UTC, datetime

import pytest

from dcis_node.errors import BundleError, TrainingError
from tests.training.judged import small_cohort, small_splits, untrained_bundle
from training.cohort import patient_labels
from training.evaluation import read_evaluation
from training.oracle import oracle_probabilities
from training.statistics.roc import area
from training.testing import EvaluationRequest, chosen_point, evaluate_bundle

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def made(tmp_path):
    cohort = small_cohort(tmp_path / "cohort", each=4)
    return cohort, small_splits(tmp_path / "splits.json", cohort)


@pytest.fixture
def request_of(tmp_path, made):
    cohort, splits = made

    def request(training=None, **changes):
        record = {"cohort_sha256": cohort.sha256, "splits_sha256": splits.sha256, "seen": ["0" * 12]}
        folder = tmp_path / f"bundle-{len(list(tmp_path.glob('bundle-*')))}"
        untrained_bundle(folder, training=record if training is None else training)
        return EvaluationRequest(bundle=folder, cohort=cohort.folder, splits=tmp_path / "splits.json", **changes)

    return request


def evaluated(request, out, *, processes=0, progress=lambda done, total: None):
    return evaluate_bundle(request, out, now=NOW, device="cpu", processes=processes, progress=progress)


def test_the_test_set_is_judged_and_written_with_its_identity(tmp_path, made, request_of):
    cohort, splits = made
    done = []
    evaluation = evaluated(
        request_of(healthy_patients=1), tmp_path / "out", progress=lambda *counts: done.append(counts)
    )
    assert read_evaluation(tmp_path / "out" / "evaluation.json") == evaluation
    assert {view.patient for view in evaluation.views} == set(splits.test)
    assert sum(not view.lesion for view in evaluation.views) == 2
    assert all(view.swept for view in evaluation.views)
    assert (evaluation.leak_check, evaluation.synthetic) == ("passed", True)
    assert evaluation.figures["data"].startswith("synthetic")
    assert evaluation.made_at == "2024-05-01T12:00:00+00:00"
    assert (done[0], done[-1]) == ((0, len(splits.test)), (len(splits.test), len(splits.test)))
    rows = [row for row in cohort.views if row.patient in splits.test]
    labels, oracle = patient_labels(rows, "upstage"), oracle_probabilities([r for r in rows if r.lesion], "upstage")
    expected = area([labels[p] for p in sorted(labels)], [oracle[p] for p in sorted(labels)])
    assert evaluation.figures["oracle_auc"]["value"] == pytest.approx(expected, abs=1e-4)


def test_a_stopped_evaluation_goes_on_and_two_processes_say_the_same(tmp_path, request_of):
    request = request_of(given_only=True)
    alone = evaluated(request, tmp_path / "alone")
    out = tmp_path / "together"
    for number, file in enumerate(sorted((tmp_path / "alone" / "work").iterdir())):
        if number:
            (out / "work").mkdir(parents=True, exist_ok=True)
            (out / "work" / file.name).write_bytes(file.read_bytes())
    counts = []
    together = evaluated(request, out, processes=2, progress=lambda *done: counts.append(done))
    assert counts[0][0] == counts[0][1] - 1
    assert together == alone
    assert together.figures["found"] is None


def test_a_judged_patient_of_another_bundle_is_not_taken(tmp_path, request_of):
    first = evaluated(request_of(given_only=True), tmp_path / "out")
    (tmp_path / "out" / "evaluation.json").rename(tmp_path / "kept.json")
    other = request_of(given_only=True, training={"seen": ["1" * 12]}, champion=True)
    counts = []
    second = evaluated(other, tmp_path / "out", progress=lambda *done: counts.append(done))
    assert counts[0][0] == 0
    assert second.bundle_sha256 != first.bundle_sha256
    assert second.test_sha256 == first.test_sha256


def test_an_evaluation_is_never_overwritten(tmp_path, request_of):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "evaluation.json").touch()
    with pytest.raises(TrainingError, match="an evaluation already"):
        evaluated(request_of(given_only=True), tmp_path / "out")


def test_a_bundle_made_elsewhere_needs_to_be_called_a_champion(tmp_path, request_of):
    with pytest.raises(TrainingError, match="--champion"):
        evaluated(request_of(training={}), tmp_path / "out")
    evaluation = evaluated(request_of(training={}, champion=True, given_only=True), tmp_path / "out")
    assert evaluation.leak_check.startswith("not possible")
    assert evaluation.source["champion"]


def test_a_test_image_that_the_bundle_has_seen_is_refused_even_of_a_champion(tmp_path, made, request_of):
    cohort, splits = made
    leaked = next(row for row in cohort.views if row.patient in splits.test)
    request = request_of(training={"seen": [leaked.pixels_sha256[:12]]}, champion=True)
    with pytest.raises(TrainingError, match=f"1 of .* test images, {leaked.image} first"):
        evaluated(request, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file", ["cohort/cohort.json", "splits.json"])
def test_an_edited_cohort_or_splits_is_refused(tmp_path, request_of, file):
    request = request_of()
    path = tmp_path / file
    path.write_text(
        path.read_text(encoding="ascii").replace('"seed": 1', '"seed": 2').replace('"grade": 3', '"grade": 1')
    )
    with pytest.raises(TrainingError, match=r"edited|readable"):
        evaluated(request, tmp_path / "out")


def test_altered_weights_are_refused(tmp_path, request_of):
    request = request_of()
    weights = request.bundle / "fold-1.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match=r"fold-1\.safetensors was altered"):
        evaluated(request, tmp_path / "out")


def test_an_unknown_device_is_refused_before_anything_is_judged(tmp_path, request_of):
    with pytest.raises(TrainingError, match="device must be"):
        evaluate_bundle(request_of(), tmp_path / "out", now=NOW, device="abacus", processes=0, progress=lambda *_: None)


def test_the_point_asked_for_is_the_next_higher_that_the_calibration_side_chose(tmp_path):
    table = [{"npv": 0.9, "threshold": 0.4}, {"npv": 0.95, "threshold": 0.2}]
    bundle = untrained_bundle(tmp_path / "b", training={"chosen": {"operating_points": table}})
    assert chosen_point(bundle, 0.91)["threshold"] == 0.2
    assert chosen_point(bundle, 0.9)["threshold"] == 0.4
    missing = chosen_point(bundle, 0.99)
    assert missing["threshold"] is None
    assert "no threshold" in missing["rule"]
    json.dumps(missing)
