"""The whole way to the proof: an exam in, results out, and the archive says that it keeps them."""

import pytest

from tests.peers import free_port, orthanc, wait_until
from tests.whole.nodes import json_of, running_node
from tests.whole.test_main_job import results_of, send, study_of


@pytest.mark.peer
def test_orthanc_commits_itself_to_every_result_by_an_association_to_us(tmp_path, exam_folder):
    port = free_port()
    with (
        orthanc(tmp_path, node=("DCIS_NODE", port), DicomScuTimeout=120) as pacs,
        running_node(
            tmp_path / "node",
            destinations=[(pacs.aet, pacs.dicom_port)],
            port=port,
            more='[[receive.peers]]\naet = "PACS"\n[[receive.peers]]\naet = "ORTHANC"\n',
        ) as node,
    ):
        send(exam_folder, node)
        exam = node.wait_for_answer(study_of(exam_folder))

        def proven():
            return set(node.exams()[0]["deliveries"]) == {"proven"}

        wait_until(proven, "every result is proven", seconds=180)
        exam = node.trace(study_of(exam_folder))
        status, shown = node.command("status", "--json"), node.command("trace", study_of(exam_folder))
        metrics = node.command("metrics").stdout
        check = node.command("check").stdout
    deliveries = [delivery for result in results_of(exam) for delivery in result["deliveries"]]
    assert deliveries
    assert {delivery["proven_by"] for delivery in deliveries} == {"commitment"}
    assert json_of(status)["queues"]["outbox"] == {"pacs-0": {"proven": len(deliveries)}}
    assert json_of(status)["queues"]["proofs"] == {}
    assert shown.stdout.count("proven by commitment") == len(deliveries)
    assert shown.stdout.count("asked for commitment: committed") == len(deliveries)
    assert f'dcis_node_outbox{{destination="pacs-0",state="proven"}} {float(len(deliveries))}' in metrics
    assert "ok proof of pacs-0: offers storage commitment and query" in " ".join(check.split())
