"""A cohort as the training wing writes it holds its images; one that cannot be trusted stops everything."""

import json
from pathlib import Path

import pytest

from dcis_node.errors import StorageError
from storage.cohort_holds import held_images
from training.cohort import CohortView, write_cohort


def cohort(folder: Path, *digests: str) -> Path:
    views = [
        CohortView("p", "L", "CC", 3, False, image=f"image-{n}", sha256=sha256) for n, sha256 in enumerate(digests)
    ]
    folder.mkdir()
    write_cohort(folder, images=folder, synthetic=False, views=views)
    return folder


def test_the_images_of_all_cohorts_are_held(tmp_path: Path):
    folders = [cohort(tmp_path / "a", "1" * 64, "2" * 64), cohort(tmp_path / "b", "3" * 64)]
    assert held_images(folders) == {"1" * 64, "2" * 64, "3" * 64}


def test_without_cohorts_nothing_is_held():
    assert held_images([]) == frozenset()


def edited(text: str) -> str:
    return text.replace("1" * 64, "4" * 64)


def of_a_later_format(text: str) -> str:
    return text.replace("dcis-cohort/1", "dcis-cohort/2")


@pytest.mark.parametrize(
    "change", [edited, of_a_later_format, lambda _: "", lambda _: "{}", lambda _: "[]", lambda text: text[:-30]]
)
def test_one_that_is_damaged_or_edited_is_refused_by_its_name(tmp_path: Path, change):
    folder = cohort(tmp_path / "a", "1" * 64)
    path = folder / "cohort.json"
    text = change(path.read_text())
    path.chmod(0o600)
    path.write_text(text)
    with pytest.raises(StorageError, match=str(path)):
        held_images([folder])


def test_one_that_is_missing_is_refused(tmp_path: Path):
    with pytest.raises(StorageError, match=r"cohort\.json cannot be read: No such file"):
        held_images([tmp_path])


def test_where_its_images_lie_may_change(tmp_path: Path):
    """The digest is of all but the folder: a cohort that was moved is the same."""
    folder = cohort(tmp_path / "a", "1" * 64)
    path = folder / "cohort.json"
    values = json.loads(path.read_text())
    path.chmod(0o600)
    path.write_text(json.dumps({**values, "images": "/elsewhere"}))
    assert held_images([folder]) == {"1" * 64}
