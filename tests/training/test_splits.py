import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcis_node.canonical import digest
from dcis_node.errors import TrainingError
from training.cohort import Cohort, CohortView, write_cohort
from training.splits import (
    draw_splits,
    patient_digests,
    read_splits,
    refuse_leaks,
    refuse_overlap,
    side_counts,
    write_splits,
)


def test_a_patient_in_two_groups_is_refused():
    refuse_overlap({"training": ["a", "b"], "test": ["c"]})
    with pytest.raises(TrainingError, match="test and training share 1 patients"):
        refuse_overlap({"training": ["a", "b"], "test": ["b"]})


def views_of(pathology: list[tuple[int, bool]]) -> tuple[CohortView, ...]:
    """Two views with the lesion and one of the healthy breast per patient; grade 0 has no lesion."""
    return tuple(
        CohortView(
            patient=f"p{number:03d}",
            laterality="R" if view == 2 else "L",
            view=("CC", "MLO", "CC")[view],
            grade=0 if view == 2 else grade,
            upstaged=view < 2 and upstaged,
            image=f"image-{3 * number + view:05d}",
            pixels_sha256=digest([number, view]),
        )
        for number, (grade, upstaged) in enumerate(pathology)
        for view in range(3)
    )


def cohort_of(views: tuple[CohortView, ...], folder) -> Cohort:
    return Cohort(folder, folder, synthetic=True, views=views, exclusions=(), flow=(), source={}, sha256="c" * 64)


def mixed(patients: int) -> list[tuple[int, bool]]:
    """Grades 3:4:3, one in five upstaged, and a few without a grade."""
    grades = [(1, 1, 1, 2, 2, 2, 2, 3, 3, 3)[i % 10] for i in range(patients)]
    return [(grade, i % 5 == 0) for i, grade in enumerate(grades)] + [(0, False)] * 3


@pytest.fixture
def cohort(tmp_path) -> Cohort:
    return write_cohort(tmp_path / "cohort", images=tmp_path, synthetic=True, views=views_of(mixed(60)))


pathologies = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=0, max_size=60).map(
    lambda drawn: [(grade, grade > 0 and up) for grade, up in drawn] + [(grade, False) for grade in (1, 2, 3)] * 14
)


@settings(deadline=None, max_examples=60)
@given(pathologies, st.integers(0, 99), st.booleans(), st.sampled_from((0.0, 0.2, 0.3)), st.sampled_from((0.0, 0.15)))
def test_every_patient_stands_once_in_each_fold_and_the_shares_are_kept(drawn, seed, kfold, test_share, calibration):
    cohort = cohort_of(views_of(drawn), None)
    splits = draw_splits(cohort, seed=seed, kfold=kfold, test_share=test_share, calibration_share=calibration)
    refuse_leaks(splits)
    everybody = {view.patient for view in cohort.views}
    grade = {view.patient: view.grade for view in cohort.views if view.view == "MLO"}
    graded = {patient for patient in everybody if grade[patient]}
    assert len(splits.test) == pytest.approx(test_share * len(graded), abs=3)
    assert len(splits.calibration) == pytest.approx(calibration * (len(graded) - len(splits.test)), abs=3)
    assert len(splits.folds) == 5
    for fold in splits.folds:
        sides = (splits.test, splits.calibration, fold.training, fold.validation)
        assert sorted(patient for side in sides for patient in side) == sorted(everybody)
        assert everybody - graded <= set(fold.training)
        for side in (fold.training, fold.validation, *([splits.test] if test_share else [])):
            assert {grade[patient] for patient in side} >= {1, 2, 3}
    if kfold:
        held = [patient for fold in splits.folds for patient in fold.validation]
        assert sorted(held) == sorted(graded - set(splits.test) - set(splits.calibration))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 99), st.sampled_from((40, 100, 200)))
def test_each_grade_and_the_upstaged_keep_their_share_of_the_test_set(seed, patients):
    cohort = cohort_of(views_of(mixed(patients)), None)
    counts = side_counts(cohort, draw_splits(cohort, seed=seed))["test"]
    assert counts["patients"] == 0.2 * patients
    for grade, share in ((1, 0.3), (2, 0.4), (3, 0.3)):
        assert counts[f"grade {grade}"] == pytest.approx(0.2 * share * patients, abs=1)
    if patients >= 100:
        assert counts["upstaged"] == pytest.approx(0.2 * 0.2 * patients, abs=2)
    assert counts["images"] == 3 * counts["patients"]
    assert counts["ungraded"] == 0


def test_the_papers_shares_give_the_papers_counts(tmp_path):
    pathology = [(1, False)] * 139 + [(2, False)] * 193 + [(3, False)] * 132
    splits = draw_splits(cohort_of(views_of(pathology), tmp_path), seed=0)
    assert (len(splits.test), len(splits.patients) - len(splits.test)) == (93, 371)


def test_a_seed_gives_the_same_splits_whatever_the_order_of_the_rows(cohort):
    backwards = replace(cohort, views=cohort.views[::-1])
    assert draw_splits(cohort, seed=4) == draw_splits(backwards, seed=4)
    assert draw_splits(cohort, seed=4).test != draw_splits(cohort, seed=5).test


def test_repeated_folds_differ_and_other_folds_leave_the_test_set_as_it_is(cohort):
    splits = draw_splits(cohort, seed=1)
    assert len({fold.validation for fold in splits.folds}) == 5
    assert draw_splits(cohort, seed=1, folds=2, kfold=True, calibration_share=0.1).test == splits.test


def test_a_cohort_can_be_all_test_or_none(cohort):
    external = draw_splits(cohort, seed=1, test_share=1.0)
    assert (len(external.test), external.folds, external.calibration) == (60, (), ())
    assert draw_splits(cohort, seed=1, test_share=0.0).test == ()


def test_too_few_of_a_grade_are_refused_with_their_number(tmp_path):
    few = cohort_of(views_of([(1, False)] * 9 + [(2, False)] * 9 + [(3, True)] * 2), tmp_path)
    with pytest.raises(TrainingError, match=r"grade 3 \(there are grade 1: 9, grade 2: 9, grade 3: 2\).*validation"):
        draw_splits(few, seed=1)
    with pytest.raises(TrainingError, match="no patient of the cohort has a grade"):
        draw_splits(cohort_of(views_of([(0, False)] * 9), tmp_path), seed=1)


def test_equal_pixels_of_two_patients_are_refused(cohort):
    twin = replace(cohort.views[0], patient="p099", image="image-09999")
    with pytest.raises(TrainingError, match="image-00000 of patient p000 and image-09999 of patient p099 have equal"):
        draw_splits(replace(cohort, views=(*cohort.views, twin)), seed=1)


def test_rows_without_a_hash_and_patients_with_two_grades_are_refused(cohort):
    bare = replace(cohort.views[0], pixels_sha256="")
    with pytest.raises(TrainingError, match="image-00000 has no hash"):
        draw_splits(replace(cohort, views=(bare, *cohort.views[1:])), seed=1)
    other = replace(cohort.views[0], grade=3, image="image-09999")
    with pytest.raises(TrainingError, match="patient p000: two views"):
        draw_splits(replace(cohort, views=(*cohort.views, other)), seed=1)


@pytest.mark.parametrize(
    "wrong",
    [{"folds": 0}, {"folds": 1, "kfold": True}, {"test_share": 1.2}, {"validation_share": 0.0},
     {"calibration_share": 1.0}, {"test_share": 1.0, "calibration_share": 0.1}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(cohort, wrong):
    with pytest.raises(TrainingError, match="allowed"):
        draw_splits(cohort, seed=1, **wrong)


def test_written_splits_read_back_equal_and_are_never_overwritten(cohort, tmp_path):
    written = write_splits(tmp_path / "splits.json", draw_splits(cohort, seed=1, calibration_share=0.15, kfold=True))
    assert read_splits(tmp_path / "splits.json", cohort) == written
    assert len(written.sha256) == 64
    with pytest.raises(TrainingError, match="exists already"):
        write_splits(tmp_path / "splits.json", written)


def test_an_edited_file_is_refused(cohort, tmp_path):
    path = tmp_path / "splits.json"
    write_splits(path, draw_splits(cohort, seed=1))
    listed = json.loads(path.read_text())
    listed["folds"][0]["training"].append(listed["test"].pop())
    path.write_text(json.dumps(listed))
    with pytest.raises(TrainingError, match="edited"):
        read_splits(path, cohort)
    path.write_text("[]")
    with pytest.raises(TrainingError, match="no readable splits"):
        read_splits(path, cohort)


def rewritten(path, change):
    """Change the content and give it a hash that fits, as a tool of one's own would."""
    listed = json.loads(path.read_text())
    del listed["sha256"]
    change(listed)
    path.write_text(json.dumps({**listed, "sha256": digest(listed)}))


def test_a_patient_on_two_sides_is_refused_even_with_a_hash_that_fits(cohort, tmp_path):
    path = tmp_path / "splits.json"
    write_splits(path, draw_splits(cohort, seed=1))
    rewritten(path, lambda listed: listed["folds"][2]["training"].append(listed["test"][0]))
    with pytest.raises(TrainingError, match="test and training of fold 3 share 1 patients"):
        read_splits(path, cohort)


def test_unknown_patients_and_shared_validation_of_disjoint_folds_are_refused(cohort):
    splits = draw_splits(cohort, seed=1, kfold=True)
    with pytest.raises(TrainingError, match="test has 1 patients that the cohort does not have"):
        refuse_leaks(replace(splits, test=(*splits.test, "stranger")))
    with pytest.raises(TrainingError, match="validation of fold 1 and validation of fold 2 share"):
        refuse_leaks(replace(splits, folds=(splits.folds[0], splits.folds[0])))


def test_another_cohort_or_other_images_are_refused(cohort, tmp_path):
    path = tmp_path / "splits.json"
    write_splits(path, draw_splits(cohort, seed=1))
    with pytest.raises(TrainingError, match="was drawn for cohort"):
        read_splits(path, replace(cohort, sha256="d" * 64))
    other = replace(cohort.views[0], pixels_sha256="e" * 64)
    with pytest.raises(TrainingError, match="disagree about the patients or their images"):
        read_splits(path, replace(cohort, views=(other, *cohort.views[1:])))


def test_a_patients_digest_does_not_depend_on_the_order_of_the_images(cohort):
    assert patient_digests(cohort) == patient_digests(replace(cohort, views=cohort.views[::-1]))
