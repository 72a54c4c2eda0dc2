from pathlib import Path

import pytest
import torch

from dcis_node.errors import TrainingError
from dcis_node.model.network import NetworkConfig, UNet
from training.checkpoint import (
    Position,
    read_checkpoint,
    read_weights,
    restore_adam,
    write_checkpoint,
    write_weights,
)

CONFIG = NetworkConfig(width=4, depth=2, norm="batch", segmentation_classes=3)


def step(network: UNet, optimiser: torch.optim.Adam, seed: int) -> None:
    torch.manual_seed(seed)
    output = network(torch.rand(2, 1, 16, 16))
    optimiser.zero_grad()
    (output.segmentation.square().mean() + output.classification.square().mean()).backward()
    optimiser.step()


def trained() -> tuple[UNet, torch.optim.Adam]:
    torch.manual_seed(0)
    network = UNet(CONFIG).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2, weight_decay=1e-4)
    for seed in range(3):
        step(network, optimiser, seed)
    return network, optimiser


def test_a_restored_fit_goes_on_as_the_one_that_was_kept(tmp_path: Path):
    network, optimiser = trained()
    write_checkpoint(tmp_path, Position(1, "joint", 2, 3, 0.7, (1.0, 2.0)), network, optimiser)
    step(network, optimiser, 9)

    found = read_checkpoint(tmp_path)
    other = UNet(CONFIG)
    other.load_state_dict(found.network)
    other.to(memory_format=torch.channels_last)
    restored = torch.optim.Adam(other.parameters(), 1e-2, weight_decay=1e-4)
    restore_adam(restored, other, found.adam)
    step(other, restored, 9)

    assert found.position == Position(1, "joint", 2, 3, 0.7, (1.0, 2.0))
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_without_the_moments_it_would_not(tmp_path: Path):
    network, optimiser = trained()
    write_checkpoint(tmp_path, Position(0), network, None)
    assert read_checkpoint(tmp_path).adam == {}
    assert optimiser.state


def test_a_new_checkpoint_replaces_the_old_in_one_move(tmp_path: Path):
    network, optimiser = trained()
    for number in range(2):
        write_checkpoint(tmp_path, Position(0, "a", number), network, optimiser)
    assert read_checkpoint(tmp_path).position.epoch == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.json", "state.safetensors"]


def test_no_checkpoint_is_none_and_a_broken_one_is_told(tmp_path: Path):
    assert read_checkpoint(tmp_path) is None
    (tmp_path / "state.safetensors").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="cannot be read"):
        read_checkpoint(tmp_path)


def test_weights_of_another_network_are_refused_by_name(tmp_path: Path):
    write_weights(tmp_path / "w.safetensors", UNet(CONFIG))
    same = UNet(CONFIG)
    read_weights(tmp_path / "w.safetensors", same)
    with pytest.raises(TrainingError, match="another network"):
        read_weights(tmp_path / "w.safetensors", UNet(NetworkConfig(width=8, depth=2)))
    with pytest.raises(TrainingError, match="cannot be read"):
        read_weights(tmp_path / "none.safetensors", same)


def test_nothing_on_disk_is_a_pickle(tmp_path: Path):
    network, optimiser = trained()
    write_checkpoint(tmp_path, Position(0), network, optimiser)
    first = (tmp_path / "state.safetensors").read_bytes()
    length = int.from_bytes(first[:8], "little")
    assert first[8:9] == b"{"
    assert first[8 : 8 + length].strip().endswith(b"}")
