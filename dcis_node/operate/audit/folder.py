"""Where the audit trail lies; apart from what writes it, which `status` has no need to load."""

from pathlib import Path

from dcis_node.config import Configuration


def audit_folder(configuration: Configuration) -> Path:
    """Give the folder of the audit trail."""
    return configuration.folder / "audit"
