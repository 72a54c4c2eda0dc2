import pytest

from dcis_node.errors import TrainingError
from tests.training.judged import untrained_bundle
from training.cohort import CohortView
from training.leaks import leak_check, refuse_other_origin

ROWS = [
    CohortView("p", "L", view, 3, upstaged=False, image=f"image-{view}", pixels_sha256=sha * 64)
    for view, sha in (("CC", "a"), ("MLO", "b"))
]


def test_images_that_were_not_seen_pass(tmp_path):
    bundle = untrained_bundle(tmp_path / "b", training={"seen": ["c" * 12]})
    assert leak_check(bundle, ROWS) == "passed"


def test_an_image_that_was_seen_is_refused_and_named(tmp_path):
    bundle = untrained_bundle(tmp_path / "b", training={"seen": ["b" * 12, "c" * 12]})
    with pytest.raises(TrainingError, match="1 of 2 test images, image-MLO first"):
        leak_check(bundle, ROWS)


def test_a_record_without_the_images_says_why_it_cannot_be_checked(tmp_path):
    assert leak_check(untrained_bundle(tmp_path / "b"), ROWS).startswith("not possible")


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({}, "cohort that its record does not name"),
        ({"cohort_sha256": "x" * 64, "splits_sha256": "s" * 64}, "cohort xxxxxxxxxxxx"),
        ({"cohort_sha256": "c" * 64, "splits_sha256": "x" * 64}, "splits xxxxxxxxxxxx"),
    ],
)
def test_a_bundle_made_elsewhere_is_refused(tmp_path, record, text):
    bundle = untrained_bundle(tmp_path / "b", training=record)
    with pytest.raises(TrainingError, match=text):
        refuse_other_origin(bundle, cohort_sha256="c" * 64, splits_sha256="s" * 64)


def test_its_own_cohort_and_splits_are_taken(tmp_path):
    bundle = untrained_bundle(tmp_path / "b", training={"cohort_sha256": "c" * 64, "splits_sha256": "s" * 64})
    refuse_other_origin(bundle, cohort_sha256="c" * 64, splits_sha256="s" * 64)
