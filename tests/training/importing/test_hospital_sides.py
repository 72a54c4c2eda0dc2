from tests.training.importing.telling import reasons


def test_without_a_side_in_the_table_the_annotated_side_has_the_label(hospital):
    hospital.patient("1111111", laterality="")

    cohort = hospital.import_it()

    assert {v.laterality for v in cohort.views if v.grade} == {"R"}
    assert {v.laterality for v in cohort.views if not v.grade} == {"L"}


def test_without_a_side_two_annotated_breasts_are_ambiguous(hospital):
    hospital.patient("1111111")
    hospital.patient("2222222", laterality="")
    hospital.png("2222222-1", hospital.labels(0)[:, ::-1].copy())

    left = [e.reason for e in hospital.import_it().exclusions if e.subject == "patient"]

    assert left == ["side_unknown"]


def test_of_two_affected_breasts_with_different_labels_the_one_of_higher_risk_stays(hospital):
    hospital.patient("1111111", grade_surgery="III")
    hospital.row("1111111", laterality="L", grade_surgery="I")
    for number in (1, 3):
        hospital.png(f"1111111-{number}", hospital.labels(number - 1)[:, ::-1].copy())

    cohort = hospital.import_it()

    assert {(v.laterality, v.grade) for v in cohort.views} == {("R", 3)}
    assert reasons(cohort) == dict.fromkeys(("1111111-1.dcm", "1111111-3.dcm"), "second_affected_breast")


def test_of_two_affected_breasts_with_one_label_both_stay_each_with_its_own_grade(hospital):
    hospital.patient("1111111", grade_surgery="II")
    hospital.row("1111111", laterality="L", grade_surgery="I")
    for number in (1, 3):
        hospital.png(f"1111111-{number}", hospital.labels(number - 1)[:, ::-1].copy())

    cohort = hospital.import_it()

    assert {(v.laterality, v.grade) for v in cohort.views} == {("R", 2), ("L", 1)}


def test_an_annotation_on_the_other_breast_than_the_tables_is_refused(hospital):
    hospital.patient("1111111")
    hospital.png("1111111-1", hospital.labels(0)[:, ::-1].copy())

    assert reasons(hospital.import_it()) == {"1111111-1.dcm": "annotation_on_other_side"}
