import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dcis_node.errors import TrainingError
from dcis_node.model.network import UNet
from tests.training.fitted import tiny_recipe
from training.checkpoint import read_weights, write_weights
from training.run import FoldPatients, Pretrained, Run, create_run, fold_seed, open_run, software


def a_run(folder: Path, **changes: object) -> Run:
    run = Run(
        folder=folder,
        kind="folds",
        recipe=tiny_recipe(),
        asked_sha256="a" * 64,
        scenario="grade",
        seed=1,
        cohort_sha256="c" * 64,
        extra_sha256="",
        splits_sha256="d" * 64,
        pretrained=None,
        synthetic=True,
        folds=(FoldPatients(("p1", "p2"), ("p3",)), FoldPatients(("p1", "p3"), ("p2",))),
        software=software(torch.device("cpu")),
    )
    return replace(run, **changes)


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path):
    start = Pretrained("e" * 64, "f" * 64, ("0123456789ab",), synthetic=True)
    run = a_run(tmp_path / "run", pretrained=start)
    assert create_run(run) == run
    assert open_run(tmp_path / "run") == run
    assert run.pretrained_sha256 == "e" * 64
    assert run.numbers == (1, 2)
    assert run.fold_folder(2) == tmp_path / "run" / "fold-2"


def test_the_same_run_may_be_asked_for_again_and_what_it_resolved_stays(tmp_path: Path):
    create_run(a_run(tmp_path))
    again = create_run(a_run(tmp_path, recipe=tiny_recipe(micro_batch=1), software={"device": "another"}))
    assert again == a_run(tmp_path)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 2}, "the seed"),
        ({"asked_sha256": "b" * 64}, "the recipe or the batch"),
        ({"scenario": "upstage"}, "the scenario"),
        ({"cohort_sha256": "b" * 64}, "the cohort"),
        ({"splits_sha256": "b" * 64, "extra_sha256": "b" * 64}, "the extra cohort, the splits"),
        ({"pretrained": Pretrained("e" * 64, "", (), synthetic=False)}, "the weights it starts from"),
        ({"kind": "pretraining"}, "--pretrain"),
    ],
)
def test_a_folder_of_another_run_is_refused_and_the_difference_named(
    tmp_path: Path, changes: dict[str, object], named: str
):
    create_run(a_run(tmp_path))
    with pytest.raises(TrainingError, match=named):
        create_run(a_run(tmp_path, **changes))


def test_an_edited_or_missing_run_is_refused(tmp_path: Path):
    with pytest.raises(TrainingError, match="no readable run"):
        open_run(tmp_path)
    create_run(a_run(tmp_path))
    path = tmp_path / "run.json"
    values = json.loads(path.read_text())
    values["seed"] = 5
    path.write_text(json.dumps(values))
    with pytest.raises(TrainingError, match="edited"):
        open_run(tmp_path)


def test_the_scenario_is_one_of_two(tmp_path: Path):
    with pytest.raises(TrainingError, match="grade or upstage"):
        create_run(a_run(tmp_path, scenario="size"))


def test_the_folder_alone_rebuilds_the_network_of_its_weights(tmp_path: Path):
    run = create_run(a_run(tmp_path))
    torch.manual_seed(0)
    network = UNet(run.recipe.network)
    write_weights(run.fold_folder(1) / "weights.safetensors", network)

    rebuilt = UNet(open_run(tmp_path).recipe.network)
    read_weights(tmp_path / "fold-1" / "weights.safetensors", rebuilt)
    x = torch.rand(1, 1, 32, 32)
    assert torch.equal(rebuilt.eval()(x).segmentation, network.eval()(x).segmentation)


def test_two_networks_in_one_process_keep_their_own_gradient_scale():
    scales = (1.0, 0.15)
    torch.manual_seed(0)
    first = UNet(replace(tiny_recipe(norm="instance", dropout=0.0).network, gradient_scale=scales[0])).eval()
    second = UNet(replace(first.config, gradient_scale=scales[1])).eval()
    second.load_state_dict(first.state_dict())
    x = torch.rand(1, 1, 32, 32)
    gradients = []
    # One after the other forward, then backward: a scale kept for the process would be the last one's.
    losses = [network(x).classification[0, 1] for network in (first, second)]
    for network, loss in zip((first, second), losses, strict=True):
        loss.backward()
        gradients.append(network.down[0][0].weight.grad)
    torch.testing.assert_close(gradients[1], 0.15 * gradients[0])


def test_each_fold_has_a_seed_of_its_own_that_follows_from_the_runs(tmp_path: Path):
    run = a_run(tmp_path)
    assert fold_seed(run, 1) != fold_seed(run, 2) != fold_seed(replace(run, seed=2), 2)
    assert fold_seed(run, 1) == fold_seed(a_run(tmp_path), 1)


def test_what_a_fold_ended_with_is_none_until_it_has(tmp_path: Path):
    run = create_run(a_run(tmp_path))
    assert run.done(1) is None
    run.fold_folder(1).mkdir()
    (run.fold_folder(1) / "done.json").write_text('{"dice": 0.5}')
    assert run.done(1) == {"dice": 0.5}
