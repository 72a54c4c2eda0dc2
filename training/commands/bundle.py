"""`dcis-train bundle`."""

from dcis_node.errors import TrainingError
from training.commands.console import console, refusals


def bundle() -> None:
    """Calibrate a fitted run and write its bundle."""
    with refusals(console()):
        raise TrainingError("this verb is not built yet")
