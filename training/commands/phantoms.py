"""`dcis-train phantoms`."""

from dcis_node.errors import TrainingError
from training.commands.console import console, refusals


def phantoms() -> None:
    """Make a cohort of synthetic patients on disk, just as a hospital's would look."""
    with refusals(console()):
        raise TrainingError("this verb is not built yet")
