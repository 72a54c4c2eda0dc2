from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.receivers import Receivers, running_receivers


@pytest.fixture
def receivers(tmp_path: Path) -> Iterator[Receivers]:
    """One real receiver process, with nothing in its folders."""
    with running_receivers(tmp_path / "node", count=1) as running:
        yield running
