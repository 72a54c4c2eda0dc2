"""The other sections of config.toml."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from dcis_node.config.base import AETitle, Port, Settings, Sha256, TimeOfDay

# The value of analyse.bundle that takes the active bundle of a registry.
REGISTRY = "registry"
LAST_PORT = 65535


class NodeSettings(Settings):
    """Who this node is."""

    aet: AETitle = "DCIS_NODE"
    institution: Annotated[str, StringConstraints(max_length=64)] = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class StorageSettings(Settings):
    """Where images, results and the index lie."""

    folder: str = "data"
    index_url: str = ""
    reserve_bytes: Annotated[int, Field(ge=0)] = 2147483648


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
    bundle_sha256: Sha256 = ""
    registry: Annotated[str, StringConstraints(min_length=1)] = "registry"
    device: Annotated[str, StringConstraints(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    cpu_fallback: bool = True
    threads: Annotated[int, Field(ge=0, le=256)] = 0
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 2
    lease_seconds: Annotated[float, Field(ge=10, le=86400)] = 300.0
    item_timeout_seconds: Annotated[float, Field(ge=10, le=86400)] = 600.0
    decode_timeout_seconds: Annotated[float, Field(ge=1, le=3600)] = 60.0
    decode_memory_bytes: Annotated[int, Field(ge=268435456)] = 4294967296
    max_pixels: Annotated[int, Field(ge=1000000)] = 100000000

    @model_validator(mode="after")
    def _a_registry_changes_its_bundle(self) -> "AnalyseSettings":
        if self.bundle == REGISTRY and self.bundle_sha256:
            msg = 'with bundle = "registry" the promotion says which bundle; bundle_sha256 must be empty'
            raise ValueError(msg)
        return self


class AuditSettings(Settings):
    """The audit trail (PS3.15 A.5): kept here, and sent to an audit repository if one is named."""

    repository: Annotated[str, StringConstraints(pattern=r"^((tcp|tls)://[^\s/]+:\d{1,5})?$")] = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    keep_days: Annotated[int, Field(ge=1, le=36500)] = 365

    @model_validator(mode="after")
    def _what_goes_together(self) -> "AuditSettings":
        if self.repository and not 0 < int(self.repository.rpartition(":")[2]) <= LAST_PORT:
            msg = f"audit.repository: a TCP port is 1 to {LAST_PORT}"
            raise ValueError(msg)
        if self.repository.startswith("tls://") and not self.ca:
            msg = "audit.repository by tls needs audit.ca, which says whose certificate counts"
            raise ValueError(msg)
        if bool(self.certificate) != bool(self.key):
            msg = "audit.certificate and audit.key go together"
            raise ValueError(msg)
        return self


class MaintenanceSettings(Settings):
    """What happens once a night."""

    time: TimeOfDay = "02:30"
    backup_folder: Annotated[str, StringConstraints(min_length=1)] = "backup"
    backups_kept: Annotated[int, Field(ge=1, le=1000)] = 7


class MetricsSettings(Settings):
    """Figures for a monitoring system, by HTTP."""

    host: str = "127.0.0.1"
    port: Port = 0
