"""config.toml into frozen settings, or a refusal that names file, key, value and what is allowed."""

from dcis_node.config.configuration import Configuration
from dcis_node.config.delivery import DeliverSettings, DestinationSettings, DestinationTls
from dcis_node.config.load import configuration_from, load_configuration, parse_configuration, read_settings
from dcis_node.config.reception import Peer, ReceiveSettings, TlsSettings
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

__all__ = [
    "REGISTRY",
    "AnalyseSettings",
    "AuditSettings",
    "Configuration",
    "DeliverSettings",
    "DestinationSettings",
    "DestinationTls",
    "ExamSettings",
    "MaintenanceSettings",
    "MetricsSettings",
    "NodeSettings",
    "Peer",
    "ReceiveSettings",
    "RetentionSettings",
    "StorageSettings",
    "TlsSettings",
    "configuration_from",
    "load_configuration",
    "parse_configuration",
    "read_settings",
]
