import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dcis_node.errors import TrainingError
from dcis_node.model.network import UNet
from tests.training.fitted import JOINT, SEGMENTATION, crude_store, fit_job, tiny_recipe
from training.checkpoint import read_checkpoint
from training.engine import fit, fresh_branch
from training.logs import read_epochs

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory):
    return crude_store(tmp_path_factory.mktemp("crude") / "store")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, store) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    torch.set_num_threads(1)
    fit(fit_job(folder, store))
    return folder


def weights(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


class Killed(BaseException):
    """The process ends here, as far as the fit can tell."""


def die_after(steps: int):
    def report(line) -> None:
        if line.step == steps:
            raise Killed

    return report


def test_equal_seeds_give_equal_weights_to_the_last_bit(tmp_path: Path, store, uninterrupted: Path):
    fit(fit_job(tmp_path, store))
    assert weights(tmp_path) == weights(uninterrupted)


def test_another_seed_gives_other_weights(tmp_path: Path, store, uninterrupted: Path):
    fit(fit_job(tmp_path, store, seed=4))
    assert weights(tmp_path) != weights(uninterrupted)


@pytest.mark.parametrize("step", [2, 4, 12, 15, 24])
def test_a_fit_that_died_goes_on_to_the_same_weights(tmp_path: Path, store, uninterrupted: Path, step: int):
    # In the middle of an epoch, at its end, at the end of a stage, in the second stage, after the last step.
    job = fit_job(tmp_path, store, checkpoint_seconds=0.0)
    with pytest.raises(Killed):
        fit(replace(job, report=die_after(step)))
    assert not job.weights.exists()
    judged = fit(job)
    assert weights(tmp_path) == weights(uninterrupted)
    rows, told = read_epochs(tmp_path), read_epochs(uninterrupted)
    assert [(r.stage, r.epoch, r.loss, r.dice, r.auc) for r in rows] == [
        (r.stage, r.epoch, r.loss, r.dice, r.auc) for r in told
    ]
    assert judged.dice == pytest.approx(told[-1].dice, abs=1e-5)


_CHILD = """
import sys, time
from pathlib import Path
import torch
from tests.training.fitted import fit_job
from training.crops import open_store
from training.engine import fit
torch.set_num_threads(1)
def report(line):
    if line.step == 6:
        Path(sys.argv[3]).touch()
        time.sleep(60)
fit(fit_job(Path(sys.argv[1]), open_store(Path(sys.argv[2])), checkpoint_seconds=0.0, report=report))
"""


def test_a_process_killed_in_the_middle_of_an_epoch_leaves_a_fit_that_goes_on(
    tmp_path: Path, store, uninterrupted: Path, tmp_path_factory: pytest.TempPathFactory
):
    crude = tmp_path_factory.getbasetemp() / "crude0" / "store"
    arguments = [sys.executable, "-c", _CHILD, str(tmp_path / "run"), str(crude), str(tmp_path / "reached")]
    child = subprocess.Popen(arguments, cwd=Path(__file__).parents[2])
    end = time.monotonic() + 120
    while not (tmp_path / "reached").exists() and child.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait(10) == -signal.SIGKILL
    position = read_checkpoint(tmp_path / "run" / "checkpoint").position
    assert (position.epoch, position.step) == (1, 1)
    fit(fit_job(tmp_path / "run", store))
    assert weights(tmp_path / "run") == weights(uninterrupted)


def test_a_stage_hands_on_its_best_weights_by_dice(uninterrupted: Path):
    rows = [row for row in read_epochs(uninterrupted) if row.stage == "segmentation"]
    assert [row.step for row in rows] == [4, 8, 12]
    assert all(row.dice is not None for row in rows)
    best = load_file(uninterrupted / "best-segmentation.safetensors")
    assert best.keys() == UNet(tiny_recipe().network).state_dict().keys()
    assert not (uninterrupted / "best-joint.safetensors").exists()


def test_the_log_says_what_was_validated_and_keeps_examples(uninterrupted: Path):
    joint = [row for row in read_epochs(uninterrupted) if row.stage == "joint"]
    assert [row.dice is not None for row in joint] == [False, True, True]
    assert all(row.image_loss > 0 and row.images_per_second > 0 and 0 <= row.waiting_share <= 1 for row in joint)
    examples = sorted(path.name for path in (uninterrupted / "examples").iterdir())
    assert examples == ["joint-0002.npz", "joint-0003.npz", *(f"segmentation-000{i}.npz" for i in (1, 2, 3))]
    with np.load(uninterrupted / "examples" / "joint-0003.npz") as kept:
        assert kept["image"].shape == kept["truth"].shape == kept["outlined"].shape == (4, 32, 32)
        assert (kept["image"].dtype, kept["truth"].dtype) == (np.uint8, bool)
        assert kept["truth"].any()
    assert list((uninterrupted / "tensorboard").iterdir())


def test_a_loss_that_is_no_number_stops_and_the_last_good_state_stays(tmp_path: Path, store):
    job = fit_job(tmp_path, store, checkpoint_seconds=0.0)

    def spoil(line) -> None:
        if line.step == 5:
            raise Killed

    with pytest.raises(Killed):
        fit(replace(job, report=spoil))
    good = read_checkpoint(job.checkpoint)
    # A rate at which the weights overflow.
    wild = replace(job, stages=[replace(SEGMENTATION, learning_rate=1e38)])
    with pytest.raises(TrainingError, match=r"not finite in stage segmentation, epoch 2, step \d; the batch was image"):
        fit(wild)
    kept = read_checkpoint(job.checkpoint)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in kept.network.values())
    assert kept.position.epoch == good.position.epoch
    assert not job.weights.exists()


def test_a_fresh_branch_replaces_the_branch_alone_and_by_its_seed():
    networks = []
    for seed in (1, 1, 2):
        torch.manual_seed(0)
        network = UNet(tiny_recipe().network)
        fresh_branch(network, seed=seed)
        networks.append(network.state_dict())
    same, again, other = networks
    assert all(torch.equal(same[name], again[name]) for name in same)
    changed = {name for name in same if not torch.equal(same[name], other[name])}
    assert changed
    assert all(name.startswith("branch.") for name in changed)


def test_a_fit_without_validation_patients_judges_nothing(tmp_path: Path, store):
    recipe = tiny_recipe(replace(SEGMENTATION, epochs=1), steps_per_epoch=1)
    assert fit(fit_job(tmp_path, store, recipe, training=None, validation=())) is None
    assert [row.dice for row in read_epochs(tmp_path)] == [None]


def test_the_worlds_random_numbers_are_left_alone(tmp_path: Path, store):
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    recipe = tiny_recipe(replace(SEGMENTATION, epochs=1), steps_per_epoch=1)
    fit(fit_job(tmp_path, store, recipe))
    assert torch.equal(torch.rand(1), expected)


def test_eight_views_are_learnt_by_heart(tmp_path: Path, store):
    stages = (
        replace(SEGMENTATION, epochs=8, learning_rate=2e-2, validate_every=8, keep="last"),
        replace(JOINT, epochs=16, learning_rate=1e-2, negative_share=0.0, segmented_share=1.0, validate_every=16),
    )
    recipe = tiny_recipe(*stages, dropout=0.0, steps_per_epoch=8, micro_batch=8)
    learnt = ["p0", "p1", "p2", "p3"]
    judged = fit(fit_job(tmp_path, store, recipe, training=learnt, validation=learnt))
    assert judged.dice > 0.9
    assert judged.auc == 1.0
