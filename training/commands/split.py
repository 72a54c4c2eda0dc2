"""`dcis-train split`."""

from dcis_node.errors import TrainingError
from training.commands.console import console, refusals


def split() -> None:
    """Draw the test set and the folds, once."""
    with refusals(console()):
        raise TrainingError("this verb is not built yet")
