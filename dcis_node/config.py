"""config.toml into frozen settings, or a refusal that names file, key, value and what is allowed."""

import ipaddress
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from dcis_node.errors import ConfigurationError

# PS3.5 6.2: AE is at most 16 characters, no backslash and no control characters; leading/trailing spaces do not count.
AETitle = Annotated[
    str, StringConstraints(pattern=r"^[\x21-\x5b\x5d-\x7e]([\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?$")
]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
# The value of analyse.bundle that takes the active bundle of a registry.
REGISTRY = "registry"
Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseModel):
    """Base of all sections: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class NodeSettings(Settings):
    """Who this node is."""

    aet: AETitle = "DCIS_NODE"
    institution: Annotated[str, StringConstraints(max_length=64)] = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class StorageSettings(Settings):
    """Where images, results and the index lie."""

    folder: str = "data"
    index_url: str = ""


class Peer(Settings):
    """One calling AE that may send; `addresses` are networks in CIDR form, empty = any."""

    aet: AETitle
    addresses: tuple[str, ...] = ()

    @field_validator("addresses", mode="before")
    @classmethod
    def _a_list_is_a_tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("addresses")
    @classmethod
    def _addresses_are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ipaddress.ip_network(text)
        return value


class ReceiveSettings(Settings):
    """The storage SCP."""

    host: str = "127.0.0.1"
    port: Port = 11112
    processes: Annotated[int, Field(ge=1, le=64)] = 2
    require_called_aet: bool = True
    peers: tuple[Peer, ...] = ()
    max_associations: Annotated[int, Field(ge=1, le=1000)] = 25
    max_pdu_bytes: Annotated[int, Field(ge=4096, le=1048576)] = 131072
    max_dataset_bytes: Annotated[int, Field(ge=1048576)] = 2147483648
    max_queued_requests: Annotated[int, Field(ge=1, le=1000)] = 16
    acse_timeout_seconds: Annotated[float, Field(gt=0, le=600)] = 10.0
    dimse_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    network_timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    pdu_deadline_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0

    @field_validator("peers", mode="before")
    @classmethod
    def _a_list_is_a_tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @property
    def is_loopback(self) -> bool:
        """True if only this machine can reach the listener."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @model_validator(mode="after")
    def _open_listener_needs_an_allowlist(self) -> "ReceiveSettings":
        if not self.is_loopback and not self.peers:
            msg = "a listener that other machines reach needs at least one [[receive.peers]] entry"
            raise ValueError(msg)
        return self


class ExamSettings(Settings):
    """When an exam is complete."""

    merge_same_day: bool = True
    settle_seconds: Annotated[float, Field(ge=0, le=3600)] = 5.0
    quiet_seconds: Annotated[float, Field(ge=1, le=86400)] = 120.0
    deadline_seconds: Annotated[float, Field(ge=1, le=604800)] = 900.0

    @model_validator(mode="after")
    def _times_are_in_order(self) -> "ExamSettings":
        if not self.settle_seconds <= self.quiet_seconds <= self.deadline_seconds:
            msg = "settle_seconds <= quiet_seconds <= deadline_seconds must hold"
            raise ValueError(msg)
        return self


class AnalyseSettings(Settings):
    """The analysis worker."""

    bundle: str = "demo"
    bundle_sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = ""
    registry: Annotated[str, StringConstraints(min_length=1)] = "registry"
    device: Annotated[str, StringConstraints(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    threads: Annotated[int, Field(ge=0, le=256)] = 0
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 2
    lease_seconds: Annotated[float, Field(ge=10, le=86400)] = 300.0
    decode_timeout_seconds: Annotated[float, Field(ge=1, le=3600)] = 60.0
    decode_memory_bytes: Annotated[int, Field(ge=268435456)] = 4294967296
    max_pixels: Annotated[int, Field(ge=1000000)] = 100000000

    @model_validator(mode="after")
    def _a_registry_changes_its_bundle(self) -> "AnalyseSettings":
        if self.bundle == REGISTRY and self.bundle_sha256:
            msg = 'with bundle = "registry" the promotion says which bundle; bundle_sha256 must be empty'
            raise ValueError(msg)
        return self


class DestinationSettings(Settings):
    """One place where results go."""

    name: Name
    host: Annotated[str, StringConstraints(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535)]
    aet: AETitle
    calling_aet: AETitle | None = None
    profile: Literal["generic", "ohif", "mammo-workstation", "archive"] = "generic"
    measurement_report: Literal["comprehensive-3d", "comprehensive"] = "comprehensive-3d"


class DeliverSettings(Settings):
    """The courier."""

    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    backoff_first_seconds: Annotated[float, Field(gt=0, le=3600)] = 10.0
    backoff_most_seconds: Annotated[float, Field(gt=0, le=86400)] = 900.0
    lease_seconds: Annotated[float, Field(ge=10, le=86400)] = 300.0


class Configuration(Settings):
    """All of config.toml."""

    node: NodeSettings = NodeSettings()
    storage: StorageSettings = StorageSettings()
    receive: ReceiveSettings = ReceiveSettings()
    exam: ExamSettings = ExamSettings()
    analyse: AnalyseSettings = AnalyseSettings()
    deliver: DeliverSettings = DeliverSettings()
    destinations: tuple[DestinationSettings, ...] = ()
    base: Path = Path()

    @field_validator("destinations", mode="before")
    @classmethod
    def _a_list_is_a_tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("destinations")
    @classmethod
    def _names_are_unique(cls, value: tuple[DestinationSettings, ...]) -> tuple[DestinationSettings, ...]:
        names = [d.name for d in value]
        if len(set(names)) != len(names):
            msg = "two destinations have the same name"
            raise ValueError(msg)
        return value

    @property
    def folder(self) -> Path:
        """Folder of files and index; relative to the folder of config.toml."""
        return (self.base / self.storage.folder).resolve()

    @property
    def index_url(self) -> str:
        """URL of the index."""
        return self.storage.index_url or f"sqlite:///{self.folder / 'index.sqlite'}"

    @property
    def takes_registry(self) -> bool:
        """True if the active bundle of a registry is used, and a switch is followed without a restart."""
        return self.analyse.bundle == REGISTRY

    @property
    def registry_folder(self) -> Path:
        """Folder of the registry; relative to the folder of config.toml."""
        return (self.base / self.analyse.registry).resolve()


def load_configuration(path: Path) -> Configuration:
    """Read config.toml.

    Parameters
    ----------
    path
        The file. Relative folders in it are taken from its own folder.

    Returns
    -------
    Configuration
        Frozen settings.

    Raises
    ------
    ConfigurationError
        The file is missing, is not TOML, has an unknown key or a value that is not allowed. The text has one line per
        fault: file, key, value, and what is allowed.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path}: no such file; write one, or name it with --config") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read ({type(error).__name__})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from error
    return configuration_from(values, path)


def configuration_from(values: dict[str, Any], path: Path) -> Configuration:
    """Make settings from the values of a file at `path` (see `load_configuration`)."""
    if "base" in values:
        raise ConfigurationError(f"{path}: base = {values['base']!r}: unknown key; allowed: {_keys_of(())}")
    try:
        return Configuration.model_validate({**values, "base": path.parent})
    except ValidationError as error:
        lines = [_fault(path, fault) for fault in error.errors()]
        raise ConfigurationError("\n".join(lines)) from error


def _fault(path: Path, fault: Any) -> str:  # noqa: ANN401 -- pydantic's own type of an error
    location = tuple(fault["loc"])
    key = ".".join(str(part) for part in location) or "(file)"
    if fault["type"] == "extra_forbidden":
        return f"{path}: {key} = {fault['input']!r}: unknown key; allowed: {_keys_of(location[:-1])}"
    if fault["type"] == "missing":
        return f"{path}: {key}: is missing; it has no default"
    value = "" if isinstance(fault["input"], dict) else f" = {fault['input']!r}"
    return f"{path}: {key}{value}: not allowed: {fault['msg'].removeprefix('Value error, ')}"


def _keys_of(location: tuple[int | str, ...]) -> str:
    """Name the keys that exist at a place of the file."""
    model: Any = Configuration
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        model = next((a for a in getattr(annotation, "__args__", ()) if isinstance(a, type)), annotation)
    return ", ".join(sorted(name for name in model.model_fields if name != "base"))
