"""A whole node whose destination is a DICOMweb service: an exam in, its results there by STOW-RS, proven by QIDO-RS."""

import pytest
from pydicom import dcmread

from dcis_node.deliver.outcome import PeerAddress
from dcis_node.operate.sending import send_folder
from tests.dicomweb_peer import dicomweb_orthanc, dicomweb_url
from tests.peers import wait_until
from tests.whole.nodes import json_of, running_node

pytestmark = pytest.mark.peer

DESTINATION = """
[[destinations]]
name = "web"
kind = "dicomweb"
url = "{url}"
username = "node"
password_file = "password"
profile = "ohif"
"""
PASSWORD = "pa55-of-the-archive"  # noqa: S105


def test_results_are_stored_and_proven_by_dicomweb(tmp_path, exam_folder):
    study = str(dcmread(next(exam_folder.glob("*.dcm")), stop_before_pixels=True).StudyInstanceUID)
    folder = tmp_path / "node"
    folder.mkdir()
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o600)
    account = {"AuthenticationEnabled": True, "RegisteredUsers": {"node": PASSWORD}}
    with dicomweb_orthanc(tmp_path, **account) as pacs:
        destination = DESTINATION.format(url=dicomweb_url(pacs))
        with running_node(folder, destinations=[], more=destination) as node:
            peer = PeerAddress("127.0.0.1", node.port, "DCIS_NODE", calling_aet="PACS")
            assert all(line.stored for line in send_folder(exam_folder, peer))
            node.wait_for_answer(study)
            wait_until(lambda: set(node.exams()[0]["deliveries"]) == {"proven"}, "all is proven", seconds=60)
            exam = node.trace(study)
            results = [result for report in exam["reports"] for result in report["results"]]
            for result in results:
                (found,) = pacs.find("Instance", {"SOPInstanceUID": result["sop_instance_uid"]})
                assert pacs.file(found) == node.files.path(result["sha256"]).read_bytes()
            assert len(pacs.json("/instances")) == len(results)
            status = json_of(node.command("status", "--json"))
            metrics = node.command("metrics").stdout
            check = node.command("check").stdout
        log = node.log()
    assert {delivery["proven_by"] for result in results for delivery in result["deliveries"]} == {"query"}
    assert status["queues"]["outbox"]["web"] == {"proven": len(results)}
    assert status["deliveries"]["breakers"] == []
    assert f'dcis_node_outbox{{destination="web",state="proven"}} {len(results)}.0' in metrics
    assert "QIDO-RS" in check
    assert PASSWORD not in log + check + str(status)
    assert study not in log
