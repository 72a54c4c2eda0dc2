"""The node under its own unit, started by a real systemd in a container: see benchmarks/sandbox.py."""

import pytest

from benchmarks.sandbox import boot, can_boot, judge, order_of, refused_by_unit
from tests.peer_tools import without

# What the unit is there for; more is in the figures.
REFUSED = {
    "read /etc/shadow",
    "new user namespace",
    "reach a foreign address",
    "see other users' processes",
    "write /var",
}


@pytest.mark.peer
@pytest.mark.timeout(1800)
def test_an_exam_goes_through_a_node_that_runs_as_a_service_in_its_sandbox(tmp_path):
    if reason := can_boot():
        without(reason)
    told = boot(tmp_path, order_of(seed=37))
    held = judge(told)
    assert all(held.values()), (held, told)
    assert set(refused_by_unit(told)) >= REFUSED
