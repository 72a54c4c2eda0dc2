"""Weights and the state of a fit on disk, as safetensors: no pickle, whole or not there.

The position stands in the header of the tensors' file, so that tensors and position cannot be of two moments;
`state.json` beside it says the same for a person.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from dcis_node.errors import TrainingError
from storage.durable import replace_file
from training.files import write_json

_STATE, _POSITION = "state.safetensors", "state.json"
_NETWORK, _ADAM = "network.", "adam."


@dataclass(frozen=True)
class Position:
    """Where a fit stands: everything before it is done.

    Parameters
    ----------
    stage
        Index of the stage; the number of stages when all are done.
    name
        Of that stage.
    epoch, step
        The next step to be done, 0-based.
    best
        Best validation figure of the stage so far; None without one.
    sums
        What the epoch's losses and time have summed to: the row of the log is the same after a resumption.
    """

    stage: int
    name: str = ""
    epoch: int = 0
    step: int = 0
    best: float | None = None
    sums: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What was read back.

    Parameters
    ----------
    network
        State dict.
    adam
        Parameter name -> its `step`, `exp_avg`, `exp_avg_sq`; empty between two stages.
    """

    position: Position
    network: dict[str, Tensor]
    adam: dict[str, dict[str, Tensor]]


def write_checkpoint(folder: Path, position: Position, network: nn.Module, optimiser: torch.optim.Adam | None) -> None:
    """Replace the folder's checkpoint by this one."""
    tensors = {f"{_NETWORK}{name}": tensor for name, tensor in network.state_dict().items()}
    if optimiser is not None:
        for name, parameter in network.named_parameters():
            for key, tensor in optimiser.state.get(parameter, {}).items():
                tensors[f"{_ADAM}{name}.{key}"] = tensor
    plain = asdict(position)
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / _STATE, save(_portable(tensors), {"position": json.dumps(plain)}))
    write_json(folder / _POSITION, plain)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Read the newest checkpoint; None if there is none yet.

    Raises
    ------
    TrainingError
        If the file is there and cannot be read.
    """
    path = folder / _STATE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            values = json.loads(file.metadata()["position"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise TrainingError(f"the checkpoint {path} cannot be read: {type(error).__name__}; delete it") from error
    adam: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(_ADAM):
            parameter, key = name.removeprefix(_ADAM).rsplit(".", 1)
            adam.setdefault(parameter, {})[key] = tensor
    network = {name.removeprefix(_NETWORK): t for name, t in tensors.items() if name.startswith(_NETWORK)}
    return Checkpoint(Position(**{**values, "sums": tuple(values["sums"])}), network, adam)


def restore_adam(optimiser: torch.optim.Adam, network: nn.Module, moments: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Give an optimiser the moments that `write_checkpoint` kept of one over the same parameters."""
    names = {parameter: name for name, parameter in network.named_parameters()}
    state: dict[int, dict[str, Tensor]] = {}
    listed = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for index, parameter in enumerate(listed):
        kept = moments.get(names[parameter])
        if kept:
            # In the parameter's own memory format, as an uninterrupted fit has them.
            state[index] = {k: t if k == "step" else torch.empty_like(parameter).copy_(t) for k, t in kept.items()}
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def write_weights(path: Path, network: nn.Module) -> None:
    """Write a network's state dict in one move."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, save(_portable(network.state_dict())))


def read_weights(path: Path, network: nn.Module) -> None:
    """Read weights into a network of the same shape.

    Raises
    ------
    TrainingError
        If they are not there, or of another network; the text names the first tensor that does not fit.
    """
    try:
        with safe_open(path, framework="pt") as file:
            network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"the weights {path} cannot be read: {type(error).__name__}") from error
    except RuntimeError as error:
        lines = str(error).splitlines()
        fault = lines[1].strip() if len(lines) > 1 else lines[0]
        raise TrainingError(f"the weights {path} are of another network: {fault}") from error


def _portable(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
