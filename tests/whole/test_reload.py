"""New settings and a bundle are taken while the node runs: no association is dropped, no connection refused."""

import os
import signal
import threading

import pytest
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.sop_class import DigitalMammographyXRayImageStorageForPresentation as Mammogram
from pynetdicom.sop_class import Verification

from tests.peers import StoragePeer, wait_until
from tests.whole.nodes import DESTINATION, json_of, running_node

PROCESSES = ("supervisor", "receive-0", "analyse-0", "deliver-0", "clock-0")
MOST_IMAGES = 2000


def view(exam_folder, patient, *, small=False):
    """Give a mammogram of a patient of its own; a small one is raw, and so not analysed: it is about arriving."""
    image = dcmread(exam_folder / "R_CC.dcm")
    image.PatientID = patient
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(image, name, f"{getattr(image, name)}.{patient[-1]}")
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID
    if small:
        image.PresentationIntentType = "FOR PROCESSING"
        image.Rows = image.Columns = 64
        image.PixelData = bytes(2 * 64 * 64)
    return image


def associate(node, *classes):
    entity = AE(ae_title="PACS")
    for uid in classes:
        entity.add_requested_context(uid)
    return entity.associate("127.0.0.1", node.port, ae_title="DCIS_NODE")


class Callers:
    """Asks for one association after the other, and counts those that it did not get."""

    def __init__(self, node):
        self.node, self.stop, self.taken, self.refused = node, threading.Event(), 0, 0
        self.thread = threading.Thread(target=self._call)

    def _call(self):
        while not self.stop.wait(0.02):
            association = associate(self.node, Verification)
            if association.is_established and association.send_c_echo().Status == 0:
                self.taken += 1
                association.release()
            else:
                self.refused += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def send_one(node, image):
    """Send an exam of one view; give its study."""
    association = associate(node, Mammogram)
    assert association.send_c_store(image).Status == 0
    association.release()
    return str(image.StudyInstanceUID)


def reload_during(node, image, callers):
    """Reload while one sender stores an image again and again in one association; give the answers and the outcome."""
    done: list = []
    reloading = threading.Thread(target=lambda: done.append(node.command("reload")))
    association, pause, answers, after = associate(node, Mammogram), threading.Event(), [], 0
    reloading.start()
    try:
        while after < 5 and len(answers) < MOST_IMAGES:
            answers.append(association.send_c_store(image).Status)
            after += bool(done) and callers.taken > 0
            pause.wait(0.05)
        assert association.is_established
    finally:
        association.release()
        reloading.join()
    return answers, done[0]


@pytest.mark.timeout(480)
def test_a_reload_loses_nothing_and_takes_effect(tmp_path, exam_folder):
    with (
        StoragePeer() as first,
        StoragePeer() as second,
        running_node(tmp_path / "node", destinations=[(first.aet, first.port)], quiet=2.0, receivers=1) as node,
    ):
        wait_until(lambda: all(node.pid_of(name) for name in PROCESSES), "every process shows life", seconds=60)
        pids = {name: node.pid_of(name) for name in PROCESSES}
        text = node.config.read_text()
        node.config.write_text(text + DESTINATION.format(number=1, port=second.port, aet=second.aet))
        small = view(exam_folder, "RELOAD1", small=True)
        with Callers(node) as callers:
            answers, outcome = reload_during(node, small, callers)
        assert (outcome.returncode, callers.refused) == (0, 0), (outcome.stdout, node.log())
        assert "started anew: analyse, clock, deliver, receive" in outcome.stdout
        assert set(answers) == {0}
        exam = node.wait_for_answer(send_one(node, view(exam_folder, "RELOAD2")))
        assert set(first.uids()) & set(second.uids())
        names = {parcel["destination"] for result in exam["reports"][0]["results"] for parcel in result["deliveries"]}
        assert names == {"pacs-0", "pacs-1"}
        (arrived,) = node.trace(str(small.StudyInstanceUID))["instances"]
        assert arrived["duplicates"] == len(answers) - 1
        wait_until(lambda: not node.pid_of("receive-0"), "the old receiver has left", seconds=60)
        assert node.pid_of("receive-0.1")
        assert node.pid_of("supervisor") == pids["supervisor"]
        assert node.pid_of("analyse-0") != pids["analyse-0"]
        status = json_of(node.command("status", "--json"))
        assert status["supervision"]["reload"]["state"] == "done"
        assert status["supervision"]["faults"] == []
        assert "event=child_died" not in node.log()
        _refusals(node, text)


def _refusals(node, text):
    """What cannot be taken is refused in sight, and the node goes on as before."""
    worker = node.pid_of("analyse-0")
    for change, why in (
        (text.replace("[deliver]", "[deliver]\nno_such_key = 1"), "no_such_key"),
        (text.replace('aet = "DCIS_NODE"', 'aet = "OTHER"', 1), "needs a restart: node.aet"),
        (text.replace("[analyse]", '[analyse]\nbundle = "nowhere"'), "manifest.json cannot be read"),
    ):
        node.config.write_text(change)
        refused = node.command("reload")
        assert refused.returncode == 1
        assert why in refused.stdout
    shown = node.command("status")
    assert shown.returncode == 1
    assert "the last reload was refused: manifest.json cannot be read" in shown.stdout
    # One that is killed while the file is a bad one comes back with the settings that were taken.
    node.config.write_text("nonsense")
    clock = node.pid_of("clock-0")
    os.kill(clock, signal.SIGKILL)
    wait_until(lambda: node.pid_of("clock-0") not in (0, clock), "the clock is back", seconds=60)
    assert node.pid_of("analyse-0") == worker
    node.config.write_text(text)
