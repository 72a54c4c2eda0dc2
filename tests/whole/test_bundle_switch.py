"""A model is promoted under a running node: the next exam is judged by it, none is lost, nothing is restarted."""

import time

from pydicom import dcmread
from pydicom.filebase import DicomBytesIO

from dcis_node.deliver.outcome import PeerAddress
from dcis_node.model.bundle import demo_bundle_folder, load_bundle, write_bundle
from dcis_node.operate.sending import send_folder
from storage.registry import create_registry
from tests.peers import StoragePeer, wait_until
from tests.whole.nodes import json_of, running_node

PROCESSES = ("supervisor", "receive-0", "analyse-0", "deliver-0", "clock-0")


def published(registry, folder, *, fold):
    """Publish one fold of the demo bundle, with a version and threshold of its own; give the hash."""
    demo = load_bundle(demo_bundle_folder())
    settings = {name: getattr(demo.manifest, name) for name in type(demo.manifest).model_fields}
    del settings["format"], settings["weights"], settings["research_use_only"]
    changes = {"version": f"fold.{fold}", "threshold": fold / 10}
    made = write_bundle(folder, demo.folds[fold : fold + 1], settings={**settings, **changes})
    names = ["manifest.json", "fold-1.safetensors"]
    registry.publish(folder, made.sha256, names=names, check=load_bundle, now=time.time())
    return made.sha256


def send_view(exam_folder, folder, node, *, patient, name):
    """Send one view of the exam as another patient's; give the study's UID."""
    folder.mkdir()
    image = dcmread(exam_folder / f"{name}.dcm")
    image.PatientID = patient
    image.StudyInstanceUID += f".{patient[-1]}"
    image.SeriesInstanceUID += f".{patient[-1]}"
    image.SOPInstanceUID += f".{patient[-1]}"
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    image.save_as(folder / "view.dcm", enforce_file_format=True)
    peer = PeerAddress(host="127.0.0.1", port=node.port, aet="DCIS_NODE", calling_aet="PACS")
    assert all(line.stored for line in send_folder(folder, peer))
    return str(image.StudyInstanceUID)


def hashes_said(node, exam, bundles):
    """Give for each structured report of an exam which of the bundles it names in full."""
    found = []
    for report in exam["reports"]:
        for result in report["results"]:
            if result["modality"] == "SR":
                read = dcmread(DicomBytesIO(node.files.read(result["sha256"])))
                text = "\n".join(str(element.value) for element in read.iterall())
                found.append([bundle for bundle in bundles if bundle in text])
    return found


def test_a_promoted_bundle_is_taken_for_the_next_exam_without_a_restart(tmp_path, exam_folder):
    registry = create_registry(tmp_path / "node" / "registry", gates=b"", now=time.time())
    old, new = (published(registry, tmp_path / f"fold-{fold}", fold=fold) for fold in (1, 2))
    registry.activate(old, comparison="b" * 64, expected="", now=time.time())
    with (
        StoragePeer() as pacs,
        running_node(
            tmp_path / "node",
            destinations=[(pacs.aet, pacs.port)],
            quiet=5.0,
            receivers=1,
            analyse='bundle = "registry"',
        ) as node,
    ):
        wait_until(
            lambda: all(node.pid_of(name) for name in PROCESSES), "every process shows a sign of life", seconds=60
        )
        pids = {name: node.pid_of(name) for name in PROCESSES}
        before = send_view(exam_folder, tmp_path / "1", node, patient="SWITCH1", name="R_CC")
        during = send_view(exam_folder, tmp_path / "2", node, patient="SWITCH2", name="R_CC")
        wait_until(lambda: _analysed(node, during), "the first view of the second exam is analysed", seconds=60)
        registry.activate(new, comparison="c" * 64, expected=old, now=time.time())
        after = send_view(exam_folder, tmp_path / "3", node, patient="SWITCH3", name="R_CC")
        assert send_view(exam_folder, tmp_path / "4", node, patient="SWITCH2", name="R_MLO") == during
        exams = [node.wait_for_answer(uid) for uid in (before, during, after)]
        status = json_of(node.command("status", "--json"))
        said = [hashes_said(node, exam, [old, new]) for exam in exams]
        assert {name: node.pid_of(name) for name in PROCESSES} == pids
    assert [{report["bundle_sha256"] for report in exam["reports"]} for exam in exams] == [{old}, {old}, {new}]
    assert len(exams[1]["reports"][-1]["views"]) == 2
    assert [{tuple(named) for named in in_it} for in_it in said] == [{(old,)}, {(old,)}, {(new,)}]
    assert (status["bundle"]["active"], status["bundle"]["refused"]) == (new, "")
    assert [used["sha256"] for used in status["bundle"]["in_use"]] == [new]
    made = [result["sop_instance_uid"] for exam in exams for report in exam["reports"] for result in report["results"]]
    assert sorted(pacs.uids()) == sorted(made)


def _analysed(node, study):
    return any(
        instance["analysis"] == "analysed"
        for exam in node.exams()
        if study in exam["studies"]
        for instance in node.trace(study)["instances"]
    )
