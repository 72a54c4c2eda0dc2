"""`dcis-train report`."""

from dcis_node.errors import TrainingError
from training.commands.console import console, refusals


def report() -> None:
    """Write the report and the model card of an evaluation."""
    with refusals(console()):
        raise TrainingError("this verb is not built yet")
