from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torchmetrics.functional.classification import binary_f1_score

from dcis_node.model.network import UNet
from tests.training.fitted import crude_store, tiny_recipe
from training.cohort import CohortView
from training.plain import plain_crop
from training.validation import ValidationSet, patient_auc

RECIPE = tiny_recipe()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory):
    return crude_store(tmp_path_factory.mktemp("crude") / "store")


def network() -> UNet:
    torch.manual_seed(5)
    return UNet(RECIPE.network)


def test_judging_twice_gives_the_same_with_or_without_kept_crops(store, monkeypatch: pytest.MonkeyPatch):
    kept = ValidationSet(store, ["p0", "p1", "p2", "n0"], recipe=RECIPE, scenario="grade")
    monkeypatch.setattr("training.validation._KEPT_BYTES", 0)
    cut = ValidationSet(store, ["p0", "p1", "p2", "n0"], recipe=RECIPE, scenario="grade")
    told = [views.judge(network(), batch=4, bfloat16=False) for views in (kept, kept, cut)]
    assert len(kept) == 6
    assert told[0].dice == told[1].dice == told[2].dice
    assert told[0].auc == told[1].auc == told[2].auc
    np.testing.assert_array_equal(told[0].examples.outlined, told[2].examples.outlined)


def test_dice_is_that_of_torchmetrics_over_the_plain_crops(store):
    wanted = ValidationSet(store, ["p0", "p3"], recipe=RECIPE, scenario="grade")
    judged = wanted.judge(network(), batch=8, bfloat16=False)
    expected = []
    for index, region in enumerate(store.regions):
        if region.view.patient in {"p0", "p3"}:
            image, truth = plain_crop(store, index, recipe=RECIPE, size_px=32)
            with torch.inference_mode():
                output = network().eval()(torch.from_numpy(image)[None, None])
            outlined = output.segmentation.softmax(1)[0, 0] < 0.5
            expected.append(float(binary_f1_score(outlined.int(), torch.from_numpy(truth > 0).int())))
    assert judged.dice == pytest.approx(np.mean(expected), abs=1e-6)
    np.testing.assert_array_equal(judged.examples.truth[-1], truth > 0)
    np.testing.assert_array_equal(judged.examples.image[-1], (255 * image).round().astype(np.uint8))


def test_a_box_is_not_judged_as_an_outline(store):
    weak = replace(
        store, regions=tuple(replace(region, view=replace(region.view, weak=True)) for region in store.regions)
    )
    judged = ValidationSet(weak, ["p0", "p1"], recipe=RECIPE, scenario="grade").judge(
        network(), batch=4, bfloat16=False
    )
    assert np.isnan(judged.dice)
    assert not np.isnan(judged.auc)


def view(patient: str, laterality: str, name: str) -> CohortView:
    return CohortView(patient, laterality, name, 1, upstaged=False)


def test_views_are_averaged_within_a_breast_and_the_higher_breast_counts():
    views = [
        view("a", "L", "CC"),
        view("a", "L", "MLO"),
        view("a", "L", "ML"),  # not averaged beside CC and MLO
        view("b", "L", "CC"),
        view("b", "R", "CC"),
        view("c", "L", "ML"),  # has neither, so it counts
        view("d", "L", "CC"),
    ]
    labels = [1, 1, 1, 0, 0, 0, -1]
    probabilities = [0.2, 0.6, 0.99, 0.1, 0.45, 0.3, 0.9]
    # Patients: a 0.4 (high), b 0.45 (low), c 0.3 (low); d has no label.
    assert patient_auc(views, labels, probabilities) == roc_auc_score([1, 0, 0], [0.4, 0.45, 0.3]) == 0.5


def test_one_class_has_no_area():
    assert np.isnan(patient_auc([view("a", "L", "CC")], [1], [0.5]))
