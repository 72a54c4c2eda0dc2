import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.peers import free_port
from tests.training.fitted import JOINT, SEGMENTATION, crude_store, fit_job, tiny_recipe
from training.batch_size import parts
from training.distributed import Ranks
from training.engine import fit

_RANK = """
import sys
from pathlib import Path
import torch
from tests.peers import free_port
from tests.training.fitted import fit_job
from tests.training.test_distributed import two_stages
from training.crops import open_store
from training.distributed import joined_ranks
from training.engine import fit
torch.set_num_threads(1)
with joined_ranks(torch.device("cpu")) as (ranks, device):
    recipe = two_stages(sys.argv[3])
    fit(fit_job(Path(sys.argv[1]), open_store(Path(sys.argv[2])), recipe, ranks=ranks, device=device))
"""


def two_stages(norm: str):
    stages = (replace(SEGMENTATION, epochs=2), replace(JOINT, epochs=1))
    return tiny_recipe(*stages, norm=norm, steps_per_epoch=3)


def start_ranks(folder: Path, store: Path, norm: str) -> None:
    """Start two ranks with the environment that torchrun gives them, and wait for both."""
    settings = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _RANK, str(folder), str(store), norm]
    ranks = [
        subprocess.Popen(
            command, env={**os.environ, **settings, "RANK": str(n), "LOCAL_RANK": str(n)}, cwd=Path(__file__).parents[2]
        )
        for n in range(2)
    ]
    try:
        assert [rank.wait(200) for rank in ranks] == [0, 0]
    finally:
        for rank in ranks:
            rank.kill()


def test_two_processes_give_the_weights_of_one(tmp_path: Path):
    store = crude_store(tmp_path / "store")
    fit(fit_job(tmp_path / "one", store, two_stages("instance")))
    start_ranks(tmp_path / "two", tmp_path / "store", "instance")
    one, two = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    for name, tensor in one.items():
        # Two micro-batches, one on each rank: even the order of the sum is the same.
        assert torch.equal(tensor, two[name]), name
    assert (tmp_path / "two" / "epochs.csv").read_text().count("\n") == 4


def test_each_micro_batch_runs_on_one_rank_under_its_own_number():
    cut = parts(10, 3)
    shares = [Ranks(rank, 3).mine(cut) for rank in range(3)]
    assert sorted(pair for share in shares for pair in share) == list(enumerate(cut))
    assert Ranks().mine(cut) == tuple(enumerate(cut))


def test_alone_nothing_is_exchanged():
    values = torch.tensor([1.0, 2.0])
    assert Ranks().first
    assert torch.equal(Ranks().sum(values), torch.tensor([1.0, 2.0]))
    Ranks().wait()


@pytest.mark.parametrize("rank", [1, 2])
def test_only_the_first_writes(rank: int):
    assert not Ranks(rank, 3).first
