"""`dcis-train evaluate`."""

from dcis_node.errors import TrainingError
from training.commands.console import console, refusals


def evaluate() -> None:
    """Judge the held-out test set."""
    with refusals(console()):
        raise TrainingError("this verb is not built yet")
