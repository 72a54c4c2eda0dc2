"""A model bundle: one safetensors file per fold and a manifest. Immutable, known by its hash, no pickle anywhere."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from dcis_node.errors import BundleError
from dcis_node.model.manifest import MANIFEST_NAME, Manifest, WeightsFile, manifest_sha256, parse_manifest
from dcis_node.model.network import NetworkConfig, UNet
from dcis_node.model.preprocess import Preprocessing

Weights = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle whose every byte was checked.

    Parameters
    ----------
    manifest
        All settings.
    sha256
        Hash of the manifest's canonical bytes: the bundle's identity in every result.
    folds
        State dict of each fold, float32.
    """

    manifest: Manifest
    sha256: str
    folds: tuple[Weights, ...]

    @property
    def name(self) -> str:
        """Name, such as `dcis-demo-synthetic`."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """Version of these weights."""
        return self.manifest.version

    @property
    def scenario(self) -> str:
        """`grade` or `upstage`."""
        return self.manifest.scenario

    @property
    def synthetic(self) -> bool:
        """True if trained on phantoms."""
        return self.manifest.synthetic

    @property
    def threshold(self) -> float:
        """Operating point on the calibrated probability."""
        return self.manifest.threshold

    @property
    def network(self) -> NetworkConfig:
        """Settings of the network."""
        return self.manifest.network

    @property
    def preprocessing(self) -> Preprocessing:
        """Settings of the preprocessing."""
        return self.manifest.preprocessing

    @property
    def figures(self) -> dict[str, Any]:
        """Held-out figures."""
        return self.manifest.figures

    @property
    def training(self) -> dict[str, Any]:
        """Training record."""
        return self.manifest.training


def demo_bundle_folder() -> Path:
    """Give the folder of the shipped synthetic bundle."""
    return Path(str(resources.files("dcis_node.model").joinpath("demo_bundle")))


def write_bundle(folder: Path, folds: Sequence[Weights], *, settings: Mapping[str, Any]) -> Bundle:
    """Write a bundle and load it again, so that what is returned is what was written.

    Weights are kept as float16: half the size, and its rounding (1 in 2048) is below what the folds differ by.

    Parameters
    ----------
    folder
        New or empty; a bundle is never overwritten.
    folds
        State dict of each fold.
    settings
        Keys of `Manifest` but for `format` and `weights`.

    Raises
    ------
    BundleError
        If the folder is not empty, a setting is wrong, or a weight does not fit float16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        msg = "the folder for a new bundle must be empty"
        raise BundleError(msg)
    blobs = {f"fold-{i}.safetensors": save_tensors(_as_stored(fold)) for i, fold in enumerate(folds, start=1)}
    files = [
        WeightsFile(name=name, sha256=hashlib.sha256(blob).hexdigest(), size_bytes=len(blob))
        for name, blob in blobs.items()
    ]
    listed = {**settings, "weights": [file.model_dump() for file in files]}
    try:
        text = json.dumps(listed, default=_plain, allow_nan=False)
    except ValueError as error:
        msg = "a bundle's figures and record must be finite numbers"
        raise BundleError(msg) from error
    manifest = parse_manifest(text.encode())
    for name, blob in blobs.items():
        (folder / name).write_bytes(blob)
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, sort_keys=True, allow_nan=False)
    (folder / MANIFEST_NAME).write_text(text + "\n", encoding="ascii")
    return load_bundle(folder)


def load_bundle(folder: Path, *, expected_sha256: str | None = None) -> Bundle:
    """Read a bundle and check every byte of it.

    Raises
    ------
    BundleError
        If a file is missing or altered, a key or value is unknown, the weights do not fit the network, or the
        bundle is not the expected one. The text names what was wrong.
    """
    manifest = parse_manifest(_read(folder, MANIFEST_NAME))
    sha256 = manifest_sha256(manifest)
    if expected_sha256 is not None and sha256 != expected_sha256:
        msg = f"the bundle is {sha256}, not the expected {expected_sha256}"
        raise BundleError(msg)
    with torch.device("meta"):
        shape = UNet(manifest.network).state_dict()
    return Bundle(manifest, sha256, tuple(_load_fold(folder, file, shape) for file in manifest.weights))


def _load_fold(folder: Path, file: WeightsFile, shape: Weights) -> Weights:
    blob = _read(folder, file.name)
    if hashlib.sha256(blob).hexdigest() != file.sha256:
        msg = f"{file.name} was altered: its SHA-256 is not the manifest's"
        raise BundleError(msg)
    try:
        weights = load_tensors(blob)
    except SafetensorError as error:
        msg = f"{file.name} is not a safetensors file"
        raise BundleError(msg) from error
    for name in sorted(weights.keys() ^ shape.keys()):
        msg = f"{file.name}: {name} is {'unknown to' if name in weights else 'missing for'} the manifest's network"
        raise BundleError(msg)
    for name, tensor in weights.items():
        if tensor.shape != shape[name].shape:
            msg = f"{file.name}: {name} has shape {tuple(tensor.shape)}, the network {tuple(shape[name].shape)}"
            raise BundleError(msg)
    return {name: tensor.to(shape[name].dtype) for name, tensor in weights.items()}


def _as_stored(fold: Weights) -> dict[str, Tensor]:
    stored = {}
    for name, tensor in fold.items():
        kept = tensor.detach().cpu().contiguous()
        kept = kept.to(torch.float16) if kept.is_floating_point() else kept
        if not bool(torch.isfinite(kept).all()):
            msg = f"{name} is not finite as float16"
            raise BundleError(msg)
        stored[name] = kept
    return stored


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        msg = f"{name} cannot be read: {error.strerror}"
        raise BundleError(msg) from error


def _plain(value: object) -> object:
    """Let json.dumps write the frozen settings; anything else is a mistake."""
    to_json = getattr(value, "to_json", None)
    if to_json is None:
        msg = f"a bundle cannot hold a {type(value).__name__}"
        raise BundleError(msg)
    return to_json()
