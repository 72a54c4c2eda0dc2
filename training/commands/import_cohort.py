"""`dcis-train import`."""

from dcis_node.errors import TrainingError
from training.commands.console import console, refusals


def import_cohort() -> None:
    """Make a cohort from DICOM files, annotations and a clinical table."""
    with refusals(console()):
        raise TrainingError("this verb is not built yet")
