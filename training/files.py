"""JSON that is whole or not there."""

import json
from pathlib import Path
from typing import Any

from storage.durable import replace_file


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Replace a file by plain values; nan and infinity are refused, as JSON has none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, (json.dumps(values, indent=1, allow_nan=False) + "\n").encode("ascii"))
