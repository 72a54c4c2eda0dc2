"""Everything that a report needs, made once for all its tests; `own_run` may be spoilt."""

from pathlib import Path

import pytest

from tests.training.report.making import Made, make_all, make_run
from training.run import Run


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Made:
    return make_all(tmp_path_factory.mktemp("report"))


@pytest.fixture
def own_run(tmp_path: Path, made) -> Run:
    return make_run(tmp_path / "run", made.cohort)
