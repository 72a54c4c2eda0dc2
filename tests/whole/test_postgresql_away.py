"""PostgreSQL is stopped under a whole node, in the middle of its work, and comes back."""

import contextlib
import subprocess

import pytest

from tests.indexes import cluster
from tests.peers import StoragePeer, wait_until
from tests.whole.nodes import STORAGE, json_of, running_node
from tests.whole.test_main_job import results_of, send, study_of

AWAY = "the server of the index does not answer"
OUT_OF_RESOURCES = 0xA7  # what storescu makes its exit code of: the first byte of the status


@pytest.fixture(scope="module")
def server():
    """A server of its own: the others' is not to be stopped."""
    with cluster() as made:
        yield made


@pytest.mark.peer
@pytest.mark.timeout(480)
def test_a_node_lives_through_it_answers_nobody_wrongly_and_goes_on_where_it_was(tmp_path, exam_folder, server):
    with contextlib.ExitStack() as running:
        url, pacs = running.enter_context(server.database()), running.enter_context(StoragePeer())
        more = STORAGE.format(url=url)
        node = running.enter_context(running_node(tmp_path / "node", destinations=[("PACS", pacs.port)], more=more))
        send(exam_folder, node)
        wait_until(lambda: "event=view_analysed" in node.log(), "it works", seconds=90)
        with server.away():
            refused = _storescu(node.port, sorted(exam_folder.iterdir())[0])
            wait_until(lambda: _all_have_met_it(node.log()), "each process has met it", seconds=60)
            status = node.command("status")
        node.wait_for_answer(study_of(exam_folder))
        exam = node.trace(study_of(exam_folder))
        told = json_of(node.command("status", "--json"))
    assert refused == OUT_OF_RESOURCES
    assert (status.returncode, status.stderr.count(AWAY)) == (2, 1)
    made = {result["sop_instance_uid"] for result in results_of(exam)}
    assert made
    assert sorted(received.sop_instance_uid for received in pacs.received) == sorted(made)
    assert told["queues"]["views"] == {"analysed": 4}
    assert {child["restarts"] for child in told["supervision"]["children"].values()} == {0}
    assert node.log().count("text='it is over'") >= 3
    assert "event=child_died" not in node.log()


def _storescu(port, path):
    command = ["storescu", "-aec", "DCIS_NODE", "127.0.0.1", str(port), str(path)]
    return subprocess.run(command, capture_output=True, check=False, timeout=120).returncode


def _all_have_met_it(log):
    return all(
        f"process={name} event={event}" in log
        for name, event in (
            ("analyse-0", "index_unusable"), ("deliver-0", "index_unusable"),
            ("clock-0", "job_fault"), ("supervisor", "beat_not_written"),
        )
    )  # fmt: skip
