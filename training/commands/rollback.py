"""`dcis-train rollback`."""

from dcis_node.errors import TrainingError
from training.commands.console import console, refusals


def rollback() -> None:
    """Make the bundle before the active one active again."""
    with refusals(console()):
        raise TrainingError("this verb is not built yet")
