"""Three of four views are sent, the fourth lies in an archive: the node asks for it, and the report has four views."""

import base64
import re
import shutil

import pytest
from pydicom import dcmread

from dcis_node.config import load_configuration
from dcis_node.operate.audit.folder import audit_folder
from tests.peers import StoragePeer, free_port, orthanc, storescu, wait_until
from tests.whole.marked import result_of, texts
from tests.whole.nodes import json_of, running_node

RETRIEVE = """
[retrieve]
wait_seconds = 60.0
timeout_seconds = 10.0
[[retrieve.sources]]
name = "archive"
host = "127.0.0.1"
port = {port}
aet = "ARCHIVE"
"""


@pytest.mark.peer
def test_a_view_that_was_not_sent_is_fetched_and_the_report_says_so(tmp_path, exam_folder):
    sent = tmp_path / "sent"
    shutil.copytree(exam_folder, sent)
    (sent / "L_MLO.dcm").unlink()
    study = str(dcmread(sent / "R_CC.dcm", stop_before_pixels=True).StudyInstanceUID)
    port = free_port()
    with (
        StoragePeer() as pacs,
        orthanc(tmp_path, aet="ARCHIVE", node=("DCIS_NODE", port)) as archive,
        running_node(
            tmp_path / "node",
            destinations=[(pacs.aet, pacs.port)],
            port=port,
            quiet=2.0,
            receivers=1,
            more=RETRIEVE.format(port=archive.dicom_port),
        ) as node,
    ):
        for path in exam_folder.glob("*.dcm"):
            archive.upload(path.read_bytes())
        assert storescu([sent], port=node.port, aet="DCIS_NODE").returncode == 0
        exam = node.wait_for_answer(study)
        said = texts(result_of(node, exam["reports"][0], "readable_report"))
        shown = node.command("trace", study).stdout
        status = json_of(node.command("status", "--json"))
        figures = node.command("metrics").stdout
        # The same three once more: nothing new, and nobody is asked again.
        assert storescu([sent], port=node.port, aet="DCIS_NODE").returncode == 0
        wait_until(lambda: sum(i["duplicates"] for i in node.trace(study)["instances"]) == 3, "they came again")
        after = node.wait_for_answer(study)
        log = node.log()
        audit = "".join(path.read_text() for path in audit_folder(load_configuration(node.config)).glob("*.audit"))
    assert len(exam["reports"]) == len(after["reports"]) == 1
    assert {(view["laterality"], view["view"]) for view in exam["reports"][0]["views"]} == {
        ("R", "CC"),
        ("L", "CC"),
        ("R", "MLO"),
        ("L", "MLO"),
    }
    assert exam["completeness"] == "four_standard_views"
    (asked,) = exam["retrievals"]
    assert (asked["source"], asked["missing"], asked["state"]) == ("archive", "L MLO", "done")
    assert (asked["found"], asked["moved"], asked["failed"]) == (1, 1, 0)
    assert "All four standard views were received." in said
    assert "L MLO was missing: archive was asked for it at " in said
    assert "; 1 image was found, 1 came." in said
    assert "L MLO missing, asked archive at " in shown
    assert "done, 1 tries, 1 images found, 1 came" in shown
    assert status["queues"]["retrievals"] == {"done": 1}
    assert "retrieve-0" in {process["process"] for process in status["processes"]}
    assert 'dcis_node_retrievals{state="done"} 1.0' in figures
    queries = [base64.b64decode(found) for found in re.findall(r"<ParticipantObjectQuery>([^<]+)<", audit)]
    assert len(queries) == audit.count('csd-code="110112"') > 2
    assert any(study.encode() in query for query in queries)
    assert not any(b"WHOLE1" in query for query in queries)
    assert "WHOLE1" not in log + audit
