"""`dcis-train show`."""

from dcis_node.errors import TrainingError
from training.commands.console import console, refusals


def show() -> None:
    """Show one bundle of the registry."""
    with refusals(console()):
        raise TrainingError("this verb is not built yet")
