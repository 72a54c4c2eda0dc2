from dataclasses import replace
from math import log

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from dcis_node.errors import TrainingError
from dcis_node.phantom.latents import (
    GRADE_SHARES,
    MORPHOLOGIES,
    extent_likelihoods,
    morphology_likelihoods,
    sample_lesion,
    size_likelihoods,
)
from training.cohort import UNLABELLED, CohortView, label
from training.images_phantom import phantom_rows
from training.oracle import lesion_probabilities, oracle_bounds, oracle_probabilities, with_truth

DRAWN = 12_000


@pytest.fixture(scope="module")
def lesions():
    rng = np.random.default_rng(20261123)
    return [sample_lesion(rng) for _ in range(DRAWN)]


@pytest.fixture(scope="module", params=["grade", "upstage"])
def judged(lesions, request):
    """Give (lesions, labels, oracle's probabilities) of a scenario."""
    labels = np.array([label(CohortView("", "", "", x.grade, upstaged=x.upstaged), request.param) for x in lesions])
    kept = [x for x, value in zip(lesions, labels, strict=True) if value != UNLABELLED]
    return kept, labels[labels != UNLABELLED], lesion_probabilities(kept, request.param)


def test_the_oracle_is_calibrated_in_every_tenth(judged):
    _, labels, p = judged
    assert p.mean() == pytest.approx(labels.mean(), abs=4 * np.sqrt(0.25 / len(p)))
    for tenth in np.array_split(np.argsort(p), 10):
        spread = np.sqrt((p[tenth] * (1 - p[tenth])).sum()) / len(tenth)
        assert labels[tenth].mean() == pytest.approx(p[tenth].mean(), abs=4 * spread)


def test_it_agrees_with_counting_in_every_corner_of_the_latents(judged):
    lesions, labels, p = judged
    cells: dict[tuple, list[int]] = {}
    for i, x in enumerate(lesions):
        cells.setdefault((x.morphology, round(1.5 * log(x.extent_mm)), round(3 * log(x.size_scale))), []).append(i)
    large = [cell for cell in cells.values() if len(cell) >= 60]
    assert len(large) > 20
    deviations = [
        (labels[cell].sum() - p[cell].sum()) / np.sqrt(max((p[cell] * (1 - p[cell])).sum(), 1.0)) for cell in large
    ]
    assert np.abs(deviations).max() < 4.5
    assert np.std(deviations) == pytest.approx(1.0, abs=0.3)


def test_a_forest_that_is_shown_all_latents_comes_near_and_never_past_it(judged):
    lesions, labels, p = judged
    seen = np.array(
        [
            [MORPHOLOGIES.index(x.morphology), x.extent_mm, x.size_scale, x.count, x.contrast_scale]
            for x in lesions
        ]
    )  # fmt: skip
    half = len(lesions) // 2
    forest = HistGradientBoostingClassifier(
        max_iter=120, learning_rate=0.06, max_leaf_nodes=8, categorical_features=[0], random_state=0
    ).fit(seen[:half], labels[:half])
    theirs = roc_auc_score(labels[half:], forest.predict_proba(seen[half:])[:, 1])
    ours = roc_auc_score(labels[half:], p[half:])
    assert theirs <= ours + 0.003
    assert theirs >= ours - 0.025


def of_two_normals(gaps, sd):
    """AUC of grade III against a mixture of grades I and II, from the means' distances."""
    return np.average([norm.cdf(gap / (sd * np.sqrt(2.0))) for gap in gaps], weights=GRADE_SHARES[:2])


def test_the_bounds_are_those_of_the_prototype_and_of_closed_forms():
    bounds = {(bound.target, bound.sees): bound for bound in oracle_bounds(patients=DRAWN, seed=1)}
    auc = {key: bound.auc for key, bound in bounds.items()}
    assert auc["grade_iii", "extent"] == pytest.approx(of_two_normals((0.50, 0.35), 0.65), abs=0.013)
    assert auc["grade_iii", "size"] == pytest.approx(
        of_two_normals((log(1.2 / 0.85), log(1.2 / 0.95)), 0.22), abs=0.007
    )
    assert auc["grade_iii", "extent and morphology"] == pytest.approx(0.805, abs=0.013)
    assert auc["grade_iii", "all"] == pytest.approx(0.885, abs=0.013)
    assert 0.80 < auc["upstage", "all"] < auc["grade", "all"] < 0.91
    for bound in bounds.values():
        assert bound.mean_probability == pytest.approx(bound.prevalence, abs=0.017)


def test_likelihoods_at_the_ends_are_of_all_extents_cut_to_them(lesions):
    for end in (4.0, 70.0):
        cut = np.array([x.grade for x in lesions if x.extent_mm == end])
        weights = np.array(GRADE_SHARES) * extent_likelihoods(end)
        expected = weights / weights.sum()
        for grade in (1, 2, 3):
            spread = np.sqrt(expected[grade - 1] * (1 - expected[grade - 1]) / len(cut))
            assert np.mean(cut == grade) == pytest.approx(expected[grade - 1], abs=4 * spread)


def test_larger_longer_and_casting_speak_for_grade_three():
    for likelihoods in (extent_likelihoods(60.0), size_likelihoods(1.5), morphology_likelihoods("fine_linear", 20.0)):
        assert list(likelihoods) == sorted(likelihoods)
    for likelihoods in (extent_likelihoods(6.0), size_likelihoods(0.6), morphology_likelihoods("punctate", 20.0)):
        assert list(likelihoods) == sorted(likelihoods, reverse=True)


def test_the_lesions_own_grade_and_invasion_are_not_looked_at(lesions):
    others = [replace(x, grade=1 + x.grade % 3, upstaged=not x.upstaged) for x in lesions[:20]]
    for scenario in ("grade", "upstage"):
        assert np.array_equal(lesion_probabilities(lesions[:20], scenario), lesion_probabilities(others, scenario))


@pytest.fixture(scope="module")
def rows():
    return [row for number in range(80) for row in phantom_rows(19_000_000 + number, patient=f"p{number}")]


def test_the_patients_of_a_cohort_are_ranked_as_well_as_the_bound_says(rows):
    probabilities = oracle_probabilities(rows, "grade")
    labels = {row.patient: label(row, "grade") for row in rows if row.grade}
    kept = [patient for patient, value in labels.items() if value != UNLABELLED]
    assert set(probabilities) == set(labels)
    auc = roc_auc_score([labels[p] for p in kept], [probabilities[p] for p in kept])
    assert auc == pytest.approx(0.887, abs=0.12)


def test_rows_of_files_are_told_which_phantoms_they_are(rows, tmp_path):
    files = [replace(row, file=f"{row.image}.dcm", sop_instance_uid=f"2.25.{i}") for i, row in enumerate(rows[:8])]
    lines = [f"2.25.{i},x.dcm,{row.file}" for i, row in enumerate(rows[:8])]
    (tmp_path / "truth.csv").write_text("\n".join(["sop_instance_uid,file,phantom", *lines]))
    with pytest.raises(TrainingError, match="the oracle knows phantoms only"):
        oracle_probabilities(files, "upstage")
    told = with_truth(files, tmp_path / "truth.csv")
    assert oracle_probabilities(told, "upstage") == oracle_probabilities(rows[:8], "upstage")
    with pytest.raises(TrainingError, match="does not have 1 of 9 rows"):
        with_truth([*files, replace(files[0], sop_instance_uid="2.25.9")], tmp_path / "truth.csv")
    with pytest.raises(TrainingError, match="no readable truth"):
        with_truth(files, tmp_path / "nothing.csv")


def test_what_cannot_be_is_refused(rows, lesions):
    with pytest.raises(TrainingError, match="rows of two phantoms"):
        oracle_probabilities([rows[0], replace(rows[4], patient=rows[0].patient)], "grade")
    with pytest.raises(TrainingError, match="scenario must be"):
        lesion_probabilities(lesions[:1], "stage")
