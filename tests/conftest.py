"""Rules for every test."""

import os

import pytest
from hypothesis import settings

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
