"""One small synthetic exam for all whole-node tests, made once."""

from pathlib import Path

import pytest

from dcis_node.phantom.dicom import exam_datasets
from dcis_node.phantom.exam import generate_exam

SIZE = (1664, 1280)


def write_exam(folder: Path, *, seed: int, patient_id: str) -> list[Path]:
    """Write a four-view exam as files named by side and view."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    exam = generate_exam(seed, size=SIZE)
    for dataset in exam_datasets(exam, patient_id=patient_id, study_date="20240101", study_time="120000"):
        path = folder / f"{dataset.ImageLaterality}_{dataset.ViewPosition}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


@pytest.fixture(scope="session")
def exam_folder(tmp_path_factory):
    """A folder with the four views of a patient with a lesion."""
    folder = tmp_path_factory.mktemp("exam")
    write_exam(folder, seed=11, patient_id="WHOLE1")
    return folder
