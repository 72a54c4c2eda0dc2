"""`dcis-train publish`."""

from dcis_node.errors import TrainingError
from training.commands.console import console, refusals


def publish() -> None:
    """Put a bundle into the registry."""
    with refusals(console()):
        raise TrainingError("this verb is not built yet")
