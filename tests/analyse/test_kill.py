import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.work import release_leases
from tests.analyse.nodes import Node
from tests.analyse.objects import mammogram

ROOT = Path(__file__).parents[2]
PAIR = (mammogram(1, "R CC"), mammogram(2, "R MLO"))


@contextmanager
def stopped_in_the_middle(node: Node, folder: Path, bundle_folder: Path, where: str) -> Iterator[None]:
    """Run a worker in a process of its own until it stands in the middle of an item, and kill it there."""
    arguments = (str(folder), str(bundle_folder), where, "killed", str(node.clock.now))
    command = [sys.executable, "-m", "tests.analyse.worker_process", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "in the middle\n"
            yield
        finally:
            process.kill()


def assert_reported_once(node: Node) -> None:
    assert [report.version for report in node.reports] == [1]
    assert set(node.reasons().values()) == {"eligible"}
    uids = [result.sop_instance_uid for result in node.results]
    assert len(set(uids)) == len(uids) == len(node.parcels)


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("fast_decode")
def test_a_worker_killed_in_the_middle_of_a_view_costs_its_lease_only(node: Node, tmp_path: Path, bundle_folder: Path):
    node.receive(*PAIR)
    with stopped_in_the_middle(node, tmp_path, bundle_folder, "view"):
        assert node.instance(1).analysis == "leased"
    # Another worker of another name does what is free, and takes the rest over when the lease has run out.
    assert node.work() == 1
    assert node.instance(1).analysis == "leased"
    node.sweep(later=301.0)
    assert node.work() == 2
    assert_reported_once(node)
    assert node.instance(1).attempts == 2


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("fast_decode")
def test_a_worker_killed_in_the_middle_of_a_decision_is_succeeded_at_once(
    node: Node, tmp_path: Path, bundle_folder: Path
):
    node.receive(*PAIR)
    node.work()
    node.sweep()
    with stopped_in_the_middle(node, tmp_path, bundle_folder, "decision"):
        assert node.exams[0].lease_owner == "killed"
        assert node.work() == 0
    assert release_leases(node.db, "killed") == 1
    assert node.work() == 1
    assert_reported_once(node)
    assert node.work() == 0
