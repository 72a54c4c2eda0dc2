import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from dcis_node.errors import TrainingError
from tests.training.promotion.judged import OTHER_TEST_SET, evaluation_of, judged_views, of_bundle
from training.promotion.comparison import Origin, compare, read_comparison

ORIGIN = Origin("9" * 64, datetime(2026, 11, 23, tzinfo=UTC))


@pytest.fixture(scope="module")
def compared(good, middling):
    return compare(good, middling, ORIGIN)


def columns(evaluation):
    rows = [(patient.label, patient.given) for patient in evaluation.patients]
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


def test_areas_and_rates_are_those_of_scikit_learn_each_at_its_own_threshold(bundles, good, middling):
    middling = of_bundle(middling, bundles["shipped"], threshold=0.3)
    given = compare(good, middling, ORIGIN)["given"]
    for who, evaluation in (("candidate", good), ("champion", middling)):
        y, p = columns(evaluation)
        assert given["auc"][who] == pytest.approx(roc_auc_score(y, p), abs=1e-4)
        tn, fp, fn, tp = confusion_matrix(y, p >= evaluation.threshold).ravel()
        assert given["npv"][who] == pytest.approx(tn / (tn + fn), abs=1e-4)
        assert given["ppv"][who] == pytest.approx(tp / (tp + fp), abs=1e-4)
        assert given["sensitivity"][who] == pytest.approx(tp / (tp + fn), abs=1e-4)
        assert given["specificity"][who] == pytest.approx(tn / (tn + fp), abs=1e-4)


def test_differences_are_candidate_less_champion_with_the_patients_paired(compared):
    for side in ("given", "found"):
        auc = compared[side]["auc"]
        assert auc["difference"]["value"] == pytest.approx(auc["candidate"] - auc["champion"], abs=2e-4)
        assert auc["difference"]["low"] < auc["difference"]["value"] < auc["difference"]["high"]
        assert compared[side]["delong"]["difference"] == pytest.approx(auc["difference"]["value"], abs=2e-4)
        assert compared[side]["patients"] == 60


def test_a_bundle_against_its_twin_differs_by_nothing(good, bundles):
    twin = of_bundle(good, bundles["shipped"])
    given = compare(good, twin, ORIGIN)["given"]
    assert given["delong"]["p_value"] == 1.0
    assert all(given[name]["difference"]["low"] == given[name]["difference"]["high"] == 0.0 for name in ("auc", "ece"))


def test_the_order_of_the_patients_in_the_files_does_not_matter(compared, good, middling):
    turned = replace(middling, patients=middling.patients[::-1])
    assert compare(good, turned, ORIGIN)["given"] == compared["given"]


def test_what_a_comparison_is_bound_to_is_in_it(compared, good, middling):
    assert compared["candidate"]["sha256"] == good.bundle_sha256
    assert compared["champion"]["sha256"] == middling.bundle_sha256
    assert (compared["gates_sha256"], compared["test_sha256"]) == (ORIGIN.gates_sha256, good.test_sha256)
    assert compared["localisation"]["hit_rate_first"]["difference"] > 0
    assert {(group["by"], group["group"]) for group in compared["subgroups"]} >= {("vendor", "ge"), ("view", "CC")}


def test_other_test_sets_scenarios_and_patients_are_refused(good, middling):
    for changes, said in (
        ({"test_sha256": OTHER_TEST_SET}, "different test sets"),
        ({"scenario": "upstage"}, "different scenarios"),
        ({"patients": middling.patients[1:]}, "patients differ"),
    ):
        with pytest.raises(TrainingError, match=said):
            compare(good, replace(middling, **changes), ORIGIN)


def test_a_test_set_of_one_class_cannot_be_compared(good, middling):
    one, other = (replace(e, patients=tuple(p for p in e.patients if p.label == 0)) for e in (good, middling))
    with pytest.raises(TrainingError, match="fewer than two"):
        compare(one, other, ORIGIN)


def test_what_one_of_the_two_did_not_sweep_is_not_compared(good, bundles):
    champion = evaluation_of(bundles["shipped"], judged_views(noise=0.3, swept=False))
    compared = compare(good, champion, ORIGIN)
    assert compared["found"] is None
    assert compared["localisation"]["hit_rate_first"]["champion"] is None
    assert compare(champion, good, ORIGIN)["localisation"] is None


def test_without_a_champion_the_candidates_own_intervals_stand(good):
    alone = compare(good, None, ORIGIN)
    assert alone["champion"] is None
    assert alone["given"]["auc"]["low"] == good.figures["given"]["auc"]["low"]
    assert alone["given"]["npv"]["candidate"] == good.figures["given"]["operating"]["npv"]["value"]


def test_an_edited_comparison_is_found(compared):
    data = json.dumps(compared)
    assert read_comparison(data.encode()) == compared
    for edited in (
        data.replace('"patients": 60', '"patients": 61'),
        "{}",
        "[]",
        "no",
        json.dumps({**compared, "x": 1}),
    ):
        with pytest.raises(TrainingError, match="comparison"):
            read_comparison(edited.encode())
