from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from dcis_node.errors import TrainingError
from dcis_node.model.network import UNet
from training.fit import fit_stage, fresh_branch, learning_rate, load_weights, save_weights, validate
from training.plan import Stage
from training.progress import last_progress
from training.sampling import pools


def fit(network, store, plan, stage, log, seed=1):
    chosen = pools(store, None, "grade")
    fit_stage(network, store, chosen, stage, plan=plan, scenario="grade", seed=seed, name="test", log=log)


def test_the_learning_rate_warms_up_and_falls_to_a_hundredth():
    stage = Stage(steps=100, warm_up=10, learning_rate=1.0)
    rates = [learning_rate(stage, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.01 + 0.99 * 0.5)
    assert rates[100] == pytest.approx(0.01)
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_a_few_views_are_learnt_by_heart(store, plan, tmp_path):
    torch.manual_seed(0)
    network = UNet(plan.network)
    fit(network, store, plan, plan.pretraining[0], tmp_path / "log.csv")
    fresh_branch(network, seed=1)
    fit(network, store, plan, plan.joint, tmp_path / "log.csv")
    figures = validate(network, store, [f"p{i}" for i in range(8)], plan=plan, scenario="grade")
    assert figures["dice"] > 0.9
    assert figures["patient_auc"] == 1.0
    assert last_progress(tmp_path / "log.csv").step == plan.joint.steps


def test_two_fits_with_one_seed_give_equal_weights(store, plan, tmp_path):
    networks = []
    for name in ("one", "two"):
        torch.manual_seed(3)
        network = UNet(plan.network)
        fit(network, store, plan, replace(plan.joint, steps=3), tmp_path / name)
        networks.append(network.state_dict())
    assert all(torch.equal(networks[0][key], networks[1][key]) for key in networks[0])


def test_a_segmentation_stage_leaves_the_branch_alone(store, plan, tmp_path):
    network = UNet(plan.network)
    before = network.branch.output.weight.detach().clone()
    fit(network, store, replace(plan, weight_decay=0.0), plan.segmentation, tmp_path / "log.csv")
    assert torch.equal(network.branch.output.weight, before)


def test_a_fresh_branch_keeps_encoder_and_decoder(plan):
    network = UNet(plan.network)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fresh_branch(network, seed=9)
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed
    assert all(name.startswith("branch.") for name in changed)


def test_a_loss_that_is_not_finite_stops_the_fit_and_names_the_step(store, plan, tmp_path):
    network = UNet(plan.network)
    with torch.no_grad():
        network.final[0].weight.fill_(float("nan"))
    with pytest.raises(TrainingError, match="test: the loss is not finite at step 1 of 5"):
        fit(network, store, plan, plan.segmentation, tmp_path / "log.csv")


def test_weights_come_back(plan, tmp_path):
    one, two = UNet(plan.network), UNet(plan.network)
    save_weights(one, tmp_path / "w.safetensors")
    load_weights(two, tmp_path / "w.safetensors")
    image = torch.rand(1, 1, 16, 16)
    assert torch.equal(one.eval()(image).segmentation, two.eval()(image).segmentation)
    assert [p.name for p in tmp_path.iterdir()] == ["w.safetensors"]


def test_validation_without_both_classes_has_no_auc(store, plan):
    figures = validate(UNet(plan.network), store, ["p0"], plan=plan, scenario="grade")
    assert figures["patient_auc"] is None
    assert 0.0 <= figures["dice"] <= 1.0
