"""`dcis-node demo` as a new user or a script runs it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from dcis_node.demo import run_demo
from dcis_node.errors import InputError


def demo(*arguments):
    command = [sys.executable, "-m", "dcis_node", "demo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=220, check=False)


def test_the_demo_gives_one_json_object_a_picture_and_exit_code_0(tmp_path, exam_folder):
    out = tmp_path / "out"
    run = demo("--exam", exam_folder, "--out", out, "--json")
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert {(view["laterality"], view["view"]) for view in answer["views"]} == {
        ("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"),
    }  # fmt: skip
    assert set(answer) == {"views", "breasts", "patient", "results", "seconds"}
    assert set(answer["views"][0]) == {"laterality", "view", "eligible", "reason", "lesion", "probability"}
    assert answer["patient"]["risk"] in ("low", "high")
    assert set(answer["seconds"]) == {"after_last_image", "total"}
    assert all((tmp_path / result["path"]).is_file() for result in answer["results"])
    picture = np.asarray(Image.open(out / "exam.png"))
    assert picture.shape[2] == 3
    assert "starting the node" in run.stderr
    assert "4 of 4 views analysed" in run.stderr


def test_the_demo_refuses_to_replace_a_folder_with_other_things(tmp_path, exam_folder):
    (tmp_path / "precious.txt").write_text("x")
    with pytest.raises(InputError, match="holds other things"):
        run_demo(exam=exam_folder, out=tmp_path, seed=1, as_json=True)
    assert (tmp_path / "precious.txt").exists()


def test_the_demo_names_a_folder_without_dicom_files(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    run = demo("--exam", empty, "--out", tmp_path / "out")
    assert run.returncode == 1
    assert "no DICOM file found" in run.stderr
