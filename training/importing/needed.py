"""What an import cannot do without."""

from pathlib import Path

from dcis_node.errors import TrainingError


def needed(path: Path | None, option: str) -> Path:
    """Give a path that must have been given.

    Raises
    ------
    TrainingError
        If it was not.
    """
    if path is None:
        msg = f"this import needs {option}"
        raise TrainingError(msg)
    return path
