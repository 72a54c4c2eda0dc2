"""The manifest of a model bundle: every setting that shapes an answer, and the hash of every file."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dcis_node.canonical import digest
from dcis_node.errors import BundleError
from dcis_node.model.calibration import Calibration
from dcis_node.model.localise import Localisation
from dcis_node.model.network import NetworkConfig
from dcis_node.model.preprocess import Preprocessing

MANIFEST_NAME = "manifest.json"
FORMAT = "dcis-node-bundle/1"


class WeightsFile(BaseModel):
    """One fold's weights: the file beside the manifest, its SHA-256 and its size."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Only such names: a manifest must not point anywhere else on the disk.
    name: Annotated[str, Field(pattern=r"^fold-[1-9][0-9]?\.safetensors$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(ge=1)]


class Manifest(BaseModel):
    """What `manifest.json` holds. An unknown key is an error: a setting that is not understood must not be ignored.

    Parameters
    ----------
    scenario
        `grade`: positive is grade III, among pure DCIS. `upstage`: positive is grade III or occult invasive cancer.
    synthetic
        True if it was trained on phantoms; every object and page made with it then says so.
    threshold
        Operating point: a calibrated probability at or above it is called high risk.
    figures
        What it reached on held-out patients, with the words that say which.
    training
        How it was made: seed, plan, cohort sizes, software.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["dcis-node-bundle/1"] = FORMAT  # type: ignore[assignment]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._+-]{0,31}$")]
    scenario: Literal["grade", "upstage"]
    synthetic: bool
    research_use_only: Literal[True] = True
    network: NetworkConfig
    preprocessing: Preprocessing
    localisation: Localisation
    calibration: Calibration
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)]
    weights: Annotated[tuple[WeightsFile, ...], Field(min_length=1)]
    figures: dict[str, Any]
    training: dict[str, Any]


def manifest_sha256(manifest: Manifest) -> str:
    """Give the bundle's identity: as it covers every file's hash, it covers every byte that matters."""
    return digest(manifest.model_dump(mode="json"))


def parse_manifest(text: bytes) -> Manifest:
    """Read a manifest.

    Raises
    ------
    BundleError
        If it is no JSON, lacks a key, has an unknown one, or a value is out of range; the text names the first.
    """
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or MANIFEST_NAME
        msg = f"{MANIFEST_NAME}: {where}: {first['msg']}"
        raise BundleError(msg) from error
