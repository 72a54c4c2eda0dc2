"""The main job, with real peers: an exam in by C-STORE, the reports and segmentations back, once."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO

from dcis_node.deliver.outcome import PeerAddress
from dcis_node.operate.sending import send_folder
from tests.peers import StoragePeer, free_port, orthanc, storescp, storescu, wait_until
from tests.whole.nodes import answers, json_of, running_node

VIEWS = {("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO")}


def study_of(folder):
    return str(dcmread(next(folder.glob("*.dcm")), stop_before_pixels=True).StudyInstanceUID)


def send(folder, node):
    peer = PeerAddress(host="127.0.0.1", port=node.port, aet="DCIS_NODE", calling_aet="PACS")
    lines = send_folder(folder, peer)
    assert [line.text for line in lines if not line.stored] == []


def results_of(exam):
    return [result for report in exam["reports"] for result in report["results"]]


@pytest.mark.peer
def test_dcmtk_sends_an_exam_and_gets_the_objects_of_its_profile_back(tmp_path, exam_folder):
    with (
        storescp(tmp_path) as pacs,
        running_node(tmp_path / "node", destinations=[(pacs.aet, pacs.port)]) as node,
    ):
        sent = storescu([exam_folder], port=node.port, aet="DCIS_NODE")
        assert sent.returncode == 0, sent.stderr
        exam = node.wait_for_answer(study_of(exam_folder))
        came = [dcmread(path) for path in pacs.files()]
    views = exam["reports"][0]["views"]
    assert {(view["laterality"], view["view"]) for view in views} == VIEWS
    assert all(view["eligible"] for view in views)
    assert exam["completeness"] == "four_standard_views"
    assert {str(d.SOPInstanceUID) for d in came} == {result["sop_instance_uid"] for result in results_of(exam)}
    assert {str(d.StudyInstanceUID) for d in came} == {study_of(exam_folder)}
    outlined = sum(view["outlined"] for view in views)
    assert outlined >= 1
    with_finding = sum(view["outlined"] or view["probability"] is not None for view in views)
    assert Counter(d.Modality for d in came) == {"SR": 2, "SEG": outlined, "PR": with_finding, "OT": 1}


@pytest.mark.peer
def test_orthanc_as_the_pacs_has_the_results_in_the_same_study(tmp_path, exam_folder):
    node_port_known_later = free_port()
    with (
        orthanc(tmp_path, node=("DCIS_NODE", node_port_known_later)) as pacs,
        running_node(tmp_path / "node", destinations=[(pacs.aet, pacs.dicom_port)], port=node_port_known_later) as node,
    ):
        for path in exam_folder.glob("*.dcm"):
            pacs.upload(path.read_bytes())
        (study,) = pacs.find("Study", {"StudyInstanceUID": study_of(exam_folder)})
        pacs.send(study)
        exam = node.wait_for_answer(study_of(exam_folder))
        instances = pacs.json(f"/studies/{study}/instances")
        made = {result["sop_instance_uid"] for result in results_of(exam)}
        there = {instance["MainDicomTags"]["SOPInstanceUID"]: instance["ID"] for instance in instances}
        assert made <= set(there)
        assert len(there) == 4 + len(made)
        report = dcmread(DicomBytesIO(pacs.file(there[sorted(made)[0]])), stop_before_pixels=True)
        image = dcmread(next(exam_folder.glob("*.dcm")), stop_before_pixels=True)
    assert (report.PatientID, report.PatientName) == (image.PatientID, image.PatientName)


@pytest.mark.parametrize("role", ["receive", "analyse", "deliver", "clock"])
def test_a_killed_process_costs_no_result_and_doubles_none(tmp_path, exam_folder, role):
    with (
        StoragePeer() as pacs,
        running_node(tmp_path / "node", destinations=[(pacs.aet, pacs.port)], receivers=1) as node,
    ):
        victims = [f"{role}-0"]
        wait_until(lambda: all(node.pid_of(name) for name in victims), "every process shows a sign of life", seconds=60)
        if role == "receive":
            os.kill(node.pid_of(victims[0]), signal.SIGKILL)
        send(exam_folder, node)
        if role != "receive":
            wait_until(lambda: _in_the_middle(node, role), f"there is work for {role}", seconds=60)
            os.kill(node.pid_of(victims[0]), signal.SIGKILL)
        exam = node.wait_for_answer(study_of(exam_folder))
        restarts = json.loads(node.command("status", "--json").stdout)["processes"]
        supervisor = next(process for process in restarts if process["process"] == "supervisor")
    made = [result["sop_instance_uid"] for result in results_of(exam)]
    assert len(exam["reports"]) == 1
    assert supervisor["detail"]["restarts"][f"{role}-0"] >= 1
    assert set(pacs.uids()) == set(made)
    assert all(len(contents) == 1 for contents in pacs.stored().values())


def _in_the_middle(node, role):
    exams = node.exams()
    if role == "analyse":
        return (
            any(i["analysis"] == "leased" for i in node.trace(str(exams[0]["exam"]))["instances"]) if exams else False
        )
    if role == "deliver":
        return bool(exams and exams[0]["deliveries"])
    return bool(exams)


def test_the_same_images_again_make_nothing_new_and_a_late_view_a_new_report(tmp_path, exam_folder):
    early, late = tmp_path / "early", tmp_path / "late"
    early.mkdir()
    late.mkdir()
    for path in exam_folder.glob("*.dcm"):
        target = late if path.name == "L_MLO.dcm" else early
        (target / path.name).write_bytes(path.read_bytes())
    study = study_of(exam_folder)
    with (
        StoragePeer() as pacs,
        running_node(tmp_path / "node", destinations=[(pacs.aet, pacs.port)], quiet=1.0) as node,
    ):
        send(early, node)
        first = node.wait_for_answer(study)
        send(early, node)
        again = node.wait_for_answer(study)
        send(late, node)
        second = node.wait_for_answer(study, version=2)
    assert first["completeness"] == "quiet"
    assert answers(again) == answers(first)
    assert [instance["duplicates"] for instance in again["instances"]] == [1, 1, 1]
    assert [report["version"] for report in second["reports"]] == [1, 2]
    assert second["completeness"] == "four_standard_views"


def test_the_commands_tell_scripts_and_admins_what_they_need(tmp_path, exam_folder):
    with (
        StoragePeer() as pacs,
        running_node(tmp_path / "node", destinations=[(pacs.aet, pacs.port)]) as node,
    ):
        send(exam_folder, node)
        node.wait_for_answer(study_of(exam_folder))
        status, exams = node.command("status", "--json"), node.command("exams", "--json")
        trace = node.command("trace", study_of(exam_folder), "--json")
        unknown = node.command("trace", "1.2.3.4")
        check, echo = node.command("check", "--json"), node.command("echo", "--json")
        shown = [node.command(*words).stdout for words in (("status",), ("exams",), ("trace", study_of(exam_folder)))]
    assert (status.returncode, exams.returncode, trace.returncode) == (0, 0, 0)
    assert {process["state"] for process in json_of(status)["processes"]} == {"alive"}
    assert json_of(exams)["exams"][0]["state"] == "reported"
    (exam,) = json_of(trace)["exams"]
    assert all(instance["facts"]["sources"]["laterality"] for instance in exam["instances"])
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert check.returncode == 0, check.stdout
    assert {line["check"] for line in json_of(check)["checks"]} >= {
        "folder", "index", "decoder JPEG 2000", "decoder JPEG lossless", "bundle", "device", "listener",
        "destination pacs-0",
    }  # fmt: skip
    assert json_of(echo)["peers"]["pacs-0"]["ok"]
    assert all("RESEARCH USE ONLY" in shown[0] and "reported" in text for text in shown)
    assert not any("WHOLE1" in text for text in (*shown, trace.stdout, status.stdout, node.log()))


def test_a_bad_configuration_starts_nothing_and_exits_with_2(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("[receive]\nport = 99999\n", encoding="utf-8")
    command = [sys.executable, "-m", "dcis_node", "run", "--config", str(config)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert "receive.port = 99999" in run.stderr
    assert list(tmp_path.iterdir()) == [config]
