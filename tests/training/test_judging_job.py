from dataclasses import replace

import pytest

from dcis_node.errors import BundleError, TrainingError
from tests.training.judged import small_cohort, untrained_bundle
from training.cohort import write_cohort
from training.judging_job import Job, judge_patients


def say_which(ensemble, view, row, sweep):
    """A judge that looks at nothing."""
    return {"image": row.image, "sweep": sweep, "folds": len(ensemble.bundle.folds)}


@pytest.fixture
def cohort(tmp_path):
    return small_cohort(tmp_path / "cohort", each=1)


@pytest.fixture
def job(tmp_path, cohort):
    bundle = untrained_bundle(tmp_path / "bundle")
    return Job(
        bundle=tmp_path / "bundle",
        bundle_sha256=bundle.sha256,
        cohort=cohort.folder,
        images=cohort.images,
        cohort_sha256=cohort.sha256,
        work=tmp_path / "work",
    )


def patients_of(cohort):
    return sorted({row.patient for row in cohort.views})


def judged(job, patients, processes=0):
    return judge_patients(job, patients, judge=say_which, processes=processes, progress=lambda *_: None)


def test_lesions_are_judged_and_healthy_views_only_where_they_are_swept(job, cohort):
    patients = patients_of(cohort)
    rows = judged(replace(job, swept=frozenset(patients), healthy=frozenset(patients[:1])), patients)
    lesions = {row.image for row in cohort.views if row.lesion}
    assert lesions <= {row["image"] for row in rows}
    assert len(rows) == len(lesions) + 2
    assert all(row["sweep"] for row in rows)
    assert not any(row["sweep"] for row in judged(job, patients))


def test_a_fold_can_be_asked_alone(job, cohort):
    patients = patients_of(cohort)[:1]
    assert {row["folds"] for row in judged(job, patients)} == {2}
    assert {row["folds"] for row in judged(replace(job, fold=2), patients)} == {1}


def test_a_cohort_or_bundle_that_changed_is_refused(job, cohort):
    with pytest.raises(TrainingError, match="the cohort changed"):
        judged(replace(job, cohort_sha256="0" * 64), patients_of(cohort))
    with pytest.raises(BundleError, match="not the expected"):
        judged(replace(job, bundle_sha256="0" * 64), patients_of(cohort))


def test_a_view_that_cannot_be_judged_is_named_and_what_was_done_is_kept(tmp_path, job, cohort):
    views = list(cohort.views)
    last = max(row.patient for row in views)
    views = [replace(row, file="lost.dcm") if row.patient == last else row for row in views]
    broken = write_cohort(tmp_path / "broken", images=tmp_path, synthetic=True, views=views)
    job = replace(job, cohort=broken.folder, images=broken.images, cohort_sha256=broken.sha256)
    with pytest.raises(TrainingError, match="image-"):
        judged(job, patients_of(cohort), processes=1)
    assert judged(job, patients_of(cohort)[:1])
    assert job.file(patients_of(cohort)[0], "say_which").exists()


def test_an_unknown_device_is_refused(job, cohort):
    with pytest.raises(TrainingError, match="device must be"):
        judged(replace(job, device="abacus"), patients_of(cohort))
