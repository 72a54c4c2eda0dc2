"""`dcis-train list`."""

from dcis_node.errors import TrainingError
from training.commands.console import console, refusals


def list_bundles() -> None:
    """List the registry's bundles."""
    with refusals(console()):
        raise TrainingError("this verb is not built yet")
