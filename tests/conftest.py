"""Rules for every test."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from storage.database import upgrade
from tests.indexes import Cluster, cluster
from tests.process_settings import kept

# Property tests are the same on every run, and a busy machine is no failure.
settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")

REQUIRE_PEERS = os.environ.get("DCIS_NODE_REQUIRE_PEERS") == "1"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Where the peers are demanded (CI), a skip is a failure."""
    outcome = yield
    report = outcome.get_result()
    if REQUIRE_PEERS and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but DCIS_NODE_REQUIRE_PEERS=1 demands it: {report.longrepr}"


@pytest.fixture(autouse=True)
def settings_of_the_process() -> Iterator[None]:
    """What a command called within this process sets up for all of it ends with its test."""
    with kept():
        yield


@pytest.fixture(scope="session")
def empty_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite index of today's schema, to be copied: making one costs more than most tests."""
    path = tmp_path_factory.mktemp("empty") / "index.sqlite"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A PostgreSQL server of this run."""
    with cluster() as made:
        yield made
