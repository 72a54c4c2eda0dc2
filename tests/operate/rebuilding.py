"""Make an index again in a process of its own that stops in the middle: `python -m tests.operate.rebuilding CONFIG`."""

import sys
from pathlib import Path

from dcis_node.config import load_configuration
from dcis_node.operate.upkeep import make_index_again


def stop(done: int, of: int) -> None:
    """Say where it stands, and wait for the end of the input."""
    sys.stdout.write(f"{done} of {of}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    make_index_again(load_configuration(Path(sys.argv[1])), delivered=False, progress=stop)
