import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.errors import TrainingError
from dcis_node.phantom.patient import generate_patient
from training.cohort import read_cohort
from training.images_phantom import read_word
from training.phantom_cohort import PhantomPlan, make_phantom_cohort, read_size, read_vendors

starts = st.integers(0, 9_999_000)


@given(st.integers(0, 50), starts, st.integers(1, 400), st.integers(0, 50), starts, st.integers(1, 400))
def test_two_cohorts_share_a_seed_only_where_their_ranges_of_one_seed_meet(seed, first, count, other, start, number):
    one, two = PhantomPlan(count, seed, first), PhantomPlan(number, other, start)
    shared = {one.patient_seed(i) for i in range(count)} & {two.patient_seed(i) for i in range(number)}
    meet = range(max(first, start), min(first + count, start + number)) if seed == other else range(0)
    assert len(shared) == len(meet)


def test_the_patients_of_the_first_demo_bundle_stand_at_the_same_places():
    assert PhantomPlan(10, 1, 1_000_000).patient_seed(7) == 11_000_007
    assert PhantomPlan(10, 1, 4_000_000).patient_seed(7) == 14_000_007
    assert PhantomPlan(1, 1, 9_999_999).patient_seed(0) == 19_999_999


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"patients": 0}, "one patient"), ({"seed": -1}, "seed from 0"), ({"first": 9_999_999}, "9999999 are allowed"),
     ({"vendors": {"kodak": 1.0}}, "unknown vendor 'kodak'"), ({"vendors": {"ge": 0.0}}, "not all 0"),
     ({"vendors": {"ge": float("nan")}}, "not all 0"), ({"size": (64, 512)}, "128 to 9999")],
)  # fmt: skip
def test_a_plan_that_cannot_be_is_refused(wrong, words):
    with pytest.raises(TrainingError, match=words):
        PhantomPlan(**{"patients": 2, "seed": 1, **wrong})


def test_mixes_and_sizes_are_read_and_nonsense_is_refused():
    assert read_vendors("hologic=0.5, ge=0.5") == {"hologic": 0.5, "ge": 0.5}
    assert (read_vendors(""), read_size(""), read_size("640x512")) == ({}, None, (640, 512))
    for text in ("hologic", "hologic=much", "=,"):
        with pytest.raises(TrainingError, match="is no share of a vendor"):
            read_vendors(text)
    with pytest.raises(TrainingError, match="is no size"):
        read_size("640")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    done = []
    plan = PhantomPlan(30, 2, 5_000_000, {"hologic": 3.0, "ge": 1.0})
    made = make_phantom_cohort(tmp_path_factory.mktemp("cohort"), plan, report=done.append)
    assert done == list(range(1, 31))
    return made


def test_a_cohort_on_demand_has_four_rows_a_patient_and_no_files(cohort):
    assert cohort == read_cohort(cohort.folder)
    assert cohort.synthetic is True
    assert len(cohort.views) == 4 * 30
    assert len({row.image for row in cohort.views}) == len({row.pixels_sha256 for row in cohort.views}) == 4 * 30
    assert [path.name for path in cohort.folder.iterdir()] == ["cohort.json"]
    assert (cohort.flow[0].patients, cohort.flow[0].images) == (30, 120)


def test_the_rows_say_which_patient_was_drawn(cohort):
    for row in cohort.views[::4]:
        word = read_word(row.file)
        assert row.patient == f"p{word.seed - 20_000_000:07d}"
        patient = generate_patient(word.seed, vendor=row.vendor)
        rows = [other for other in cohort.views if other.patient == row.patient and other.lesion]
        assert [other.view for other in rows] == ["CC", "MLO"]
        assert {(other.grade, other.upstaged) for other in rows} == {(patient.lesion.grade, patient.lesion.upstaged)}


def test_the_mix_of_detectors_is_the_one_asked_for():
    plan = PhantomPlan(400, 2, 0, {"hologic": 3.0, "ge": 1.0})
    names = [plan.vendor(number) for number in range(400)]
    assert set(names) == {"hologic", "ge"}
    assert np.mean([name == "ge" for name in names]) == pytest.approx(0.25, abs=0.07)
    assert PhantomPlan(2, 2).vendor(0) == ""


def test_a_second_cohort_in_one_folder_is_refused(cohort):
    with pytest.raises(TrainingError, match="exists already"):
        make_phantom_cohort(cohort.folder, PhantomPlan(1, 1))
