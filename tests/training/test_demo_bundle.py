"""The whole chain, on a handful of small phantoms, with a network of a few hundred weights."""

from dataclasses import replace

import pytest

from dcis_node.errors import TrainingError
from dcis_node.model.bundle import load_bundle
from dcis_node.model.network import NetworkConfig
from dcis_node.model.preprocess import Preprocessing
from dcis_node.phantom.patient import generate_patient
from training import phantoms
from training.card import model_card
from training.demo_bundle import make_demo_bundle
from training.plan import CohortSizes, DemoPlan, demo_plan, quick_plan


@pytest.fixture
def tiny(monkeypatch) -> DemoPlan:
    monkeypatch.setattr(
        phantoms, "generate_patient", lambda seed: generate_patient(seed, vendor="hologic", size=(512, 400))
    )
    fit = demo_plan().fit
    stage = replace(fit.pretraining[0], steps=2, batch=2, warm_up=1)
    return DemoPlan(
        fit=replace(
            fit,
            network=NetworkConfig(width=1, depth=2, norm="batch", dropout=0.0, segmentation_classes=3),
            preprocessing=Preprocessing(input_spacing_mm=0.14, crop_px=96, tile_px=96, overlap_px=16),
            augmentation=replace(fit.augmentation, shift_mm=2.0),
            train_crop_px=64,
            pretraining=(stage, replace(fit.joint, steps=2, batch=4, warm_up=1)),
            segmentation=replace(stage, steps=1),
            joint=replace(fit.joint, steps=2, batch=4, warm_up=1),
            restart=replace(fit.restart, steps=1, batch=4, warm_up=1),
        ),
        sizes=CohortSizes(
            pretraining=4,
            pretraining_negatives=1,
            training_negatives=1,
            training=14,
            calibration=8,
            test=8,
            whole_calibration=1,
            whole_test=1,
        ),
        folds=2,
    )


def make(tmp_path, plan, name="bundle", seed=1):
    done = []
    bundle = make_demo_bundle(
        tmp_path / name,
        seed=seed,
        plan=plan,
        work=tmp_path / "work",
        version="0.0.1",
        processes=0,
        report=lambda task, _line, ended: done.append(task) if ended else None,
    )
    return bundle, done


def test_one_command_goes_from_a_seed_to_a_bundle_and_its_card(tmp_path, tiny):
    bundle, done = make(tmp_path, tiny)
    assert load_bundle(tmp_path / "bundle", expected_sha256=bundle.sha256).synthetic is True
    assert len(bundle.folds) == 2
    assert bundle.name == "dcis-demo-synthetic"
    assert {"pretraining", "fold-1", "fold-2", "given-test", "found-0"} <= set(done)
    assert bundle.figures["given_lesion"]["patients"] > 0
    assert bundle.figures["found_lesion"]["views"] == 4
    assert bundle.training["seed"] == 1
    card = model_card(bundle)
    assert bundle.sha256 in card
    assert "Synthetic model. Research use only." in card

    # A run that stopped goes on where it stopped, to the same bundle.
    (tmp_path / "work" / "results" / "given-test.json").unlink()
    again, _ = make(tmp_path, tiny, "again")
    assert again.sha256 == bundle.sha256

    with pytest.raises(TrainingError, match="another seed or plan"):
        make(tmp_path, tiny, "other", seed=2)


def test_the_quick_plan_is_the_demo_plan_with_less_of_everything():
    quick, whole = quick_plan(), demo_plan()
    assert quick.fit.network == whole.fit.network
    assert quick.fit.preprocessing == whole.fit.preprocessing
    assert quick.sizes.training < whole.sizes.training
    assert quick.fit.joint.steps < whole.fit.joint.steps
