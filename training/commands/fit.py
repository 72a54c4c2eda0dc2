"""`dcis-train fit`."""

from dcis_node.errors import TrainingError
from training.commands.console import console, refusals


def fit() -> None:
    """Fit one fold, some, or all."""
    with refusals(console()):
        raise TrainingError("this verb is not built yet")
