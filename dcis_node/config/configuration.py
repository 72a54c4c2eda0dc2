"""All of config.toml as one value."""

from pathlib import Path
from typing import Annotated

from pydantic import field_validator

from dcis_node.config.base import AsTuple, Settings
from dcis_node.config.delivery import DeliverSettings, DestinationSettings
from dcis_node.config.reception import ReceiveSettings, TlsSettings
from dcis_node.config.retention import RetentionSettings
from dcis_node.config.sections import (
    REGISTRY,
    AnalyseSettings,
    AuditSettings,
    ExamSettings,
    MaintenanceSettings,
    MetricsSettings,
    NodeSettings,
    StorageSettings,
)


class Configuration(Settings):
    """All of config.toml."""

    node: NodeSettings = NodeSettings()
    storage: StorageSettings = StorageSettings()
    receive: ReceiveSettings = ReceiveSettings()
    exam: ExamSettings = ExamSettings()
    analyse: AnalyseSettings = AnalyseSettings()
    deliver: DeliverSettings = DeliverSettings()
    audit: AuditSettings = AuditSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    retention: RetentionSettings = RetentionSettings()
    metrics: MetricsSettings = MetricsSettings()
    destinations: Annotated[tuple[DestinationSettings, ...], AsTuple] = ()
    base: Path = Path()

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
    def tls(self) -> TlsSettings:
        """The TLS settings with absolute paths. Links stay links: by them certificates are often renewed."""
        tls = self.receive.tls
        names = ("certificate", "key", "peer_ca")
        found = {name: str(self.base.absolute() / value) for name in names if (value := getattr(tls, name))}
        return tls.model_copy(update=found)

    @property
    def backup_folder(self) -> Path:
        """Folder of the backups; relative to the folder of config.toml."""
        return (self.base / self.maintenance.backup_folder).resolve()

    @property
    def cohort_folders(self) -> tuple[Path, ...]:
        """Folders of the training cohorts whose images stay; relative to the folder of config.toml."""
        return tuple((self.base / folder).resolve() for folder in self.retention.cohorts)

    @property
    def registry_folder(self) -> Path:
        """Folder of the registry; relative to the folder of config.toml."""
        return (self.base / self.analyse.registry).resolve()
