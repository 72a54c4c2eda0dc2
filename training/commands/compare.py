"""`dcis-train compare`."""

from dcis_node.errors import TrainingError
from training.commands.console import console, refusals


def compare() -> None:
    """Compare champion and candidate on the same locked test set."""
    with refusals(console()):
        raise TrainingError("this verb is not built yet")
