"""The gates: what a candidate must reach to be promoted, fixed beforehand in the registry's gates.toml."""

import hashlib
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dcis_node.errors import TrainingError
from storage.registry import Registry, create_registry

Share = Annotated[float, Field(ge=0.0, le=1.0)]
SHIPPED = ("default", "demonstration")


class AbsoluteGates(BaseModel):
    """Bounds for the first promotion of a registry, if it may be made without a champion."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    allowed: bool
    auc_least: Share
    auc_found_least: Share
    hit_rate_least: Share
    subgroup_auc_least: Share


class Gates(BaseModel):
    """All gates; each is explained in `gates/default.toml`. Strict: an unknown key or a missing one is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    auc_margin: Share
    auc_found_margin: Share
    npv_least: Share
    ece_most: Share
    subgroup_patients: Annotated[int, Field(ge=10)]
    subgroup_fall_most: Share
    hit_rate_fall_most: Share
    false_marks_most: Annotated[float, Field(ge=0.0)]
    smoke_tolerance: Annotated[float, Field(gt=0.0, le=0.1)]
    absolute: AbsoluteGates


def gates_text(name: str) -> bytes:
    """Give the text of gates: shipped ones by their name, or a file that ends in `.toml`; checked.

    Raises
    ------
    TrainingError
        There are none of that name, or they cannot be used; the text names the key.
    """
    if name in SHIPPED:
        return resources.files("training.promotion").joinpath("gates", f"{name}.toml").read_bytes()
    if not name.endswith(".toml"):
        msg = f"there are no gates {name!r}; there are {', '.join(SHIPPED)}, or a file that ends in .toml"
        raise TrainingError(msg)
    try:
        text = Path(name).read_bytes()
    except OSError as error:
        msg = f"{name} cannot be read: {error.strerror}"
        raise TrainingError(msg) from error
    parse_gates(text)
    return text


def parse_gates(text: bytes) -> Gates:
    """Read gates.

    Raises
    ------
    TrainingError
        They are no TOML, or a key is unknown, missing or has a value that is not allowed; the text names each.
    """
    try:
        return Gates.model_validate(tomllib.loads(text.decode("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"the gates are no TOML: {error}"
        raise TrainingError(msg) from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        msg = f"the gates cannot be used: {faults}"
        raise TrainingError(msg) from error


def registry_with(folder: Path, gates: str | None, *, now: float) -> Registry:
    """Open a registry, or make it with the named gates (None: the default ones).

    Raises
    ------
    TrainingError
        The registry is there with other gates than named.
    StorageError
        The folder holds something else, or cannot be written.
    """
    text = gates_text(gates or SHIPPED[0])
    registry = create_registry(folder, gates=text, now=now)
    if gates is not None and registry.gates() != text:
        msg = f"{folder} has other gates already; gates are chosen when a registry is made"
        raise TrainingError(msg)
    return registry


def gates_sha256(text: bytes) -> str:
    """Digest the gates as every comparison names them: of the file's bytes."""
    return hashlib.sha256(text).hexdigest()
