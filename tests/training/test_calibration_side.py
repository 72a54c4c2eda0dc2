from dataclasses import replace

import numpy as np
import pytest

from dcis_node.errors import TrainingError
from dcis_node.model.calibration import Calibration
from tests.training.judged import done_run, small_cohort, small_splits
from training.calibration_side import calibration_side, operating_points, patient_probabilities, raw_of
from training.statistics.confusion import confusion


@pytest.fixture
def cohort(tmp_path):
    return small_cohort(tmp_path / "cohort", each=6)


def test_a_calibration_group_is_judged_by_all_folds(tmp_path, cohort):
    splits = small_splits(tmp_path / "splits.json", cohort, calibration_share=0.4)
    side = calibration_side(done_run(tmp_path / "run", cohort, splits), cohort, splits)
    assert [(part.fold, part.patients) for part in side.parts] == [(None, splits.calibration)]
    assert not side.patients & {p for fold in splits.folds for p in (*fold.training, *fold.validation)}


def test_without_one_each_fold_judges_only_its_own_validation_patients(tmp_path, cohort):
    splits = small_splits(tmp_path / "splits.json", cohort)
    run = done_run(tmp_path / "run", cohort, splits)
    side = calibration_side(run, cohort, splits)
    assert [(p.fold, p.patients) for p in side.parts] == [(n, splits.folds[n - 1].validation) for n in (1, 2)]
    assert not side.patients & set(splits.test)


def row(patient, view, *given, label=1, side="L"):
    about = {"patient": patient, "view": view, "laterality": side, "label": label, "lesion": True}
    return {"image": f"{patient}{side}{view}", **about, "given": list(given)}


def test_what_two_folds_said_of_a_patient_out_of_fold_is_averaged():
    rows = [row("a", "CC", 0.2), row("a", "CC", 0.6), row("a", "MLO", 0.4), row("a", "MLO", 0.8)]
    raw, labels = raw_of(rows)
    np.testing.assert_allclose(raw[0], [[0.2, 0.6], [0.4, 0.8]])
    assert labels == [1]
    assert patient_probabilities(rows, Calibration()) == ([1], [pytest.approx(0.5)])


def test_other_views_and_patients_outside_the_scenario_do_not_calibrate():
    rows = [row("a", "CC", 0.2), row("a", "ML", 0.9), row("b", "CC", 0.5, label=-1), row("c", "XCCL", 0.7, label=0)]
    raw, labels = raw_of(rows)
    assert [values.ravel().tolist() for values in raw] == [[0.2], [0.7]]
    assert labels == [1, 0]


def test_probabilities_are_calibrated_before_they_are_averaged():
    calibration = Calibration(slope=2.0, intercept=0.5)
    _, (p,) = patient_probabilities([row("a", "CC", 0.2, 0.9)], calibration)
    assert p == pytest.approx((calibration.apply(0.2) + calibration.apply(0.9)) / 2)


def test_the_table_of_points_keeps_what_it_promises():
    rng = np.random.default_rng(0)
    p = rng.random(300)
    labels = (rng.random(300) < p).astype(int).tolist()
    table = operating_points(labels, p.tolist())
    assert {0.8, 0.839, 0.9, 0.909} <= {entry["npv"] for entry in table}
    for entry in table:
        assert confusion(labels, p.tolist(), threshold=entry["threshold"]).npv >= entry["npv"]
    thresholds = [entry["threshold"] for entry in table]
    assert thresholds == sorted(thresholds, reverse=True)


def test_one_class_cannot_calibrate(tmp_path, cohort):
    splits = small_splits(tmp_path / "splits.json", cohort)
    run = done_run(tmp_path / "run", cohort, splits)
    low = [row for row in cohort.views if row.grade == 1 and not row.upstaged]
    few = tuple(sorted({row.patient for row in low}))[:2]
    with pytest.raises(TrainingError, match="not of both classes"):
        calibration_side(run, cohort, replace(splits, calibration=few))
