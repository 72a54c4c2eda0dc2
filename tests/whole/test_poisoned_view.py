"""A view that kills its worker, in a whole node: tried twice, set aside, its exam answered, the next one untouched."""

import signal
import textwrap

import pytest
from pydicom import dcmread

from tests.peers import StoragePeer, storescu, wait_until
from tests.whole.conftest import write_exam
from tests.whole.nodes import json_of, running_node

# Every Python reads it at its start. The worker's process dies over one view as by a crash of a library, while a file
# is there.
CUSTOMIZE = """
import importlib.util, os, signal, sys

class Finder:
    def find_spec(self, name, path, target=None):
        if name != "dcis_node.analyse.worker":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        def exec_module(module):
            execute(module)
            real = module.analyse_view
            def analyse_view(path, header, **options):
                if header.sop_instance_uid == {uid!r} and os.path.exists({poison!r}):
                    os.kill(os.getpid(), signal.{signal})
                return real(path, header, **options)
            module.analyse_view = analyse_view
        spec.loader.exec_module = exec_module
        return spec

if "analyse" in sys.orig_argv:
    sys.meta_path.insert(0, Finder())
"""


@pytest.mark.peer
@pytest.mark.timeout(400)
def test_a_poisoned_view_is_set_aside_by_a_running_node_and_can_be_retried(tmp_path, exam_folder, monkeypatch):
    poisoned = dcmread(exam_folder / "L_MLO.dcm", stop_before_pixels=True)
    uid, study = str(poisoned.SOPInstanceUID), str(poisoned.StudyInstanceUID)
    write_exam(tmp_path / "other", seed=12, patient_id="WHOLE2")
    other = str(dcmread(tmp_path / "other" / "L_CC.dcm", stop_before_pixels=True).StudyInstanceUID)
    poison, folder = tmp_path / "poison", tmp_path / "customize"
    poison.touch()
    folder.mkdir()
    text = CUSTOMIZE.format(uid=uid, poison=str(poison), signal=signal.SIGSEGV.name)
    (folder / "sitecustomize.py").write_text(textwrap.dedent(text), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    with (
        StoragePeer() as pacs,
        running_node(tmp_path / "node", destinations=[(pacs.aet, pacs.port)], receivers=1) as node,
    ):
        wait_until(lambda: node.pid_of("analyse-0"), "the worker is there", seconds=60)
        first = node.pid_of("analyse-0")
        assert storescu([exam_folder], port=node.port, aet="DCIS_NODE").returncode == 0
        assert storescu([tmp_path / "other"], port=node.port, aet="DCIS_NODE").returncode == 0
        exam, untouched = node.wait_for_answer(study), node.wait_for_answer(other)
        second = node.pid_of("analyse-0")
        status = node.command("status", "--json")
        shown = json_of(status)
        assert node.command("dismiss", study).returncode == 0
        dismissed = node.command("status", "--json")
        traced = node.command("trace", study).stdout
        poison.unlink()
        assert node.command("retry", study).returncode == 0
        again = node.wait_for_answer(study, version=2)
        wait_until(lambda: node.command("status").returncode == 0, "all is well again", seconds=60)
        log = node.log()
    assert first != second
    assert log.count("event=view_set_aside") == 1
    reasons = {view["sop_instance_uid"]: view["reason"] for view in exam["reports"][0]["views"]}
    assert sorted(reasons.values()) == ["analysis_process_died", "eligible", "eligible", "eligible"]
    assert reasons[uid] == "analysis_process_died"
    assert {view["reason"] for view in untouched["reports"][0]["views"]} == {"eligible"}
    assert status.returncode == 1
    assert [(one["studies"], one["state"]) for one in shown["failures"]] == [([study], "reported")]
    assert "1 x analysis_process_died" in shown["failures"][0]["failure"]
    assert (dismissed.returncode, json_of(dismissed)["failures"]) == (0, [])
    assert "its failure was dismissed" in traced
    assert {view["reason"] for view in again["reports"][-1]["views"]} == {"eligible"}
    assert len(pacs.uids()) == len(set(pacs.uids()))
    assert "WHOLE" not in log
