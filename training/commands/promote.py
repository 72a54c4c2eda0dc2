"""`dcis-train promote`."""

from dcis_node.errors import TrainingError
from training.commands.console import console, refusals


def promote() -> None:
    """Make a compared bundle the node's active one."""
    with refusals(console()):
        raise TrainingError("this verb is not built yet")
