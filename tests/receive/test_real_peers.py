"""DCMTK sends to the node."""

import subprocess
from pathlib import Path

import pytest

from tests.peers import require, wait_until
from tests.receive.helpers import AET, Image, Receiver, saved

pytestmark = pytest.mark.peer

# storescu's option for each syntax that needs one
OFFERS = {
    "1.2.840.10008.1.2": "-xi",
    "1.2.840.10008.1.2.1": "-xe",
    "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.80": "-xt",
    "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.4.91": "-xw",
    "1.2.840.10008.1.2.5": "-xr",
}


def run(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run([str(part) for part in arguments], capture_output=True, text=True, timeout=60, check=False)


def test_echoscu_is_answered(receiver: Receiver) -> None:
    assert run(require("echoscu"), "-aec", AET, "127.0.0.1", receiver.port).returncode == 0


def test_echoscu_is_refused_under_another_name(receiver: Receiver) -> None:
    answer = run(require("echoscu"), "-aec", "OTHER", "127.0.0.1", receiver.port)
    assert answer.returncode != 0
    assert "Called AE Title Not Recognized" in answer.stderr


@pytest.mark.parametrize("syntax", OFFERS)
def test_storescu_sends_in_every_syntax_it_has(receiver: Receiver, tmp_path: Path, syntax: str) -> None:
    ds = Image(syntax=syntax).dataset()
    path = saved(ds, tmp_path / "image.dcm")
    answer = run(require("storescu"), OFFERS[syntax], "-aec", AET, "127.0.0.1", receiver.port, path)
    assert answer.returncode == 0, answer.stderr
    [instance] = receiver.instances()
    assert instance.transfer_syntax_uid == syntax
    assert receiver.kept(instance).PixelData == ds.PixelData


def test_an_exam_of_large_images_comes_in_one_association(receiver: Receiver, tmp_path: Path) -> None:
    study = Image().study
    folder = tmp_path / "exam"
    folder.mkdir()
    for view in ("CC", "MLO"):
        for side in ("L", "R"):
            saved(Image(study=study, rows=1024, view=view, side=side).dataset(), folder / f"{side}{view}")
    answer = run(require("storescu"), "-aec", AET, "+sd", "127.0.0.1", receiver.port, folder)
    assert answer.returncode == 0, answer.stderr
    instances = receiver.instances()
    assert len(instances) == 4
    assert len({instance.exam_id for instance in instances}) == 1


def test_storescu_that_aborts_after_the_transfer_leaves_a_stored_object(receiver: Receiver, tmp_path: Path) -> None:
    path = saved(Image().dataset(), tmp_path / "image.dcm")
    run(require("storescu"), "--abort", "-aec", AET, "127.0.0.1", receiver.port, path)
    wait_until(receiver.instances, "the object is in the index")
