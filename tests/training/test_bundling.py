from dataclasses import replace

import pytest

from dcis_node.errors import TrainingError
from dcis_node.model.bundle import load_bundle
from tests.training.judged import done_run, small_cohort, small_splits, weights
from training.bundling import BundleRequest, make_bundle
from training.splits import read_splits


@pytest.fixture
def made(tmp_path):
    cohort = small_cohort(tmp_path / "cohort", each=6)
    splits = small_splits(tmp_path / "splits.json", cohort, calibration_share=0.4)
    return cohort, splits, done_run(tmp_path / "run", cohort, splits)


@pytest.fixture
def request_of(tmp_path):
    def request(**changes):
        settings = {"name": "tiny-synthetic", "version": "1", "sweep_patients": 2, **changes}
        return BundleRequest(
            run=tmp_path / "run", cohort=tmp_path / "cohort", splits=tmp_path / "splits.json", **settings
        )

    return request


def bundled(request, out, told=None):
    def tell(*line):
        if told is not None:
            told.append(line)

    return make_bundle(request, out, device="cpu", processes=0, tell=tell)


def test_a_run_becomes_a_bundle_that_says_how_it_was_made(tmp_path, made, request_of):
    cohort, splits, _ = made
    bundle = bundled(request_of(), tmp_path / "candidate")
    assert load_bundle(tmp_path / "candidate").sha256 == bundle.sha256
    record = bundle.training
    assert (record["cohort_sha256"], record["splits_sha256"]) == (cohort.sha256, splits.sha256)
    assert record["recipe"]["name"] == "tiny"
    assert record["folds"] == [{"patient_auc": 0.6, "dice": 0.5}] * 2
    chosen = record["chosen"]
    assert (chosen["threshold"], chosen["calibration"]) == (bundle.threshold, bundle.manifest.calibration.to_json())
    assert chosen["by"].startswith("calibration group")
    assert bundle.synthetic
    assert "not held out" in bundle.figures["data"]
    assert bundle.figures["hit_rate_first"] == chosen["localisation"]["hit_rate_first"]
    for fold, seed in zip(bundle.folds, (1, 2), strict=True):
        for name, tensor in weights(seed).items():
            assert tensor.shape == fold[name].shape
            assert (tensor.float() - fold[name].float()).abs().max() < 1e-2


def test_every_image_that_trained_validated_or_chose_is_recorded_and_no_test_image(tmp_path, made, request_of):
    cohort, splits, _ = made
    seen = bundled(request_of(), tmp_path / "candidate").training["seen"]
    used = [row.pixels_sha256[:12] for row in cohort.views if row.patient not in splits.test]
    assert seen == sorted(set(used))


def test_a_stopped_bundle_goes_on_and_is_the_same(tmp_path, made, request_of):
    one = bundled(request_of(), tmp_path / "one")
    told = []
    two = bundled(request_of(), tmp_path / "two", told)
    assert one.sha256 == two.sha256
    assert [line[1] == line[2] for line in told] == [True]


def test_without_a_calibration_group_each_fold_judges_its_own_validation_patients(tmp_path, made, request_of):
    cohort = made[0]
    splits = small_splits(tmp_path / "other.json", cohort)
    done_run(tmp_path / "another", cohort, splits)
    told = []
    request = replace(request_of(), run=tmp_path / "another", splits=tmp_path / "other.json")
    bundle = bundled(request, tmp_path / "candidate", told)
    assert bundle.figures["chosen_on"].startswith("out-of-fold")
    assert {line[0] for line in told} == {"validation of fold 1", "validation of fold 2"}


def test_a_bundle_of_phantoms_must_say_so_in_its_name(tmp_path, made, request_of):
    with pytest.raises(TrainingError, match="clinic-synthetic is allowed"):
        bundled(request_of(name="clinic"), tmp_path / "candidate")


def test_a_fold_that_is_not_done_is_named(tmp_path, made, request_of):
    (made[2].fold_folder(2) / "done.json").unlink()
    with pytest.raises(TrainingError, match="fold 2 of the run is not done"):
        bundled(request_of(), tmp_path / "candidate")


def test_other_splits_than_the_runs_are_refused(tmp_path, made, request_of):
    small_splits(tmp_path / "other.json", made[0], seed=9, calibration_share=0.4)
    assert read_splits(tmp_path / "other.json", made[0]).sha256 != made[1].sha256
    with pytest.raises(TrainingError, match="fitted on the splits"):
        bundled(replace(request_of(), splits=tmp_path / "other.json"), tmp_path / "candidate")


def test_a_bundle_is_never_overwritten(tmp_path, made, request_of):
    (tmp_path / "candidate").mkdir()
    (tmp_path / "candidate" / "kept").touch()
    with pytest.raises(TrainingError, match="not empty"):
        bundled(request_of(), tmp_path / "candidate")
